package trainer

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// Clients take the last of the conditions for the job's state, as upstream's column State does. So those that do not hold
// come first, and of those that hold the one that was set last is the last.

// setCondition makes a condition what is given, and reports whether that changes anything but its time.
func setCondition(status *trainerv1alpha1.TrainJobStatus, t string, value metav1.ConditionStatus, reason, message string, now time.Time) bool {
	condition := metav1.Condition{Type: t, Status: value, Reason: reason, Message: shorten(message), LastTransitionTime: metav1.NewTime(now)}
	old := meta.FindStatusCondition(status.Conditions, t)
	if old != nil && old.Status == value {
		if old.Reason == condition.Reason && old.Message == condition.Message {
			return false
		}
		condition.LastTransitionTime = old.LastTransitionTime
		*old = condition
		return true
	}
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c metav1.Condition) bool { return c.Type == t })
	status.Conditions = append(status.Conditions, condition)
	slices.SortStableFunc(status.Conditions, func(a, b metav1.Condition) int { return holds(a) - holds(b) })
	return true
}

func holds(c metav1.Condition) int {
	if c.Status == metav1.ConditionTrue {
		return 1
	}
	return 0
}

// leave makes a condition false if it is true.
func leave(status *trainerv1alpha1.TrainJobStatus, t, reason, message string, now time.Time) {
	if isTrue(status, t) {
		setCondition(status, t, metav1.ConditionFalse, reason, message, now)
	}
}

func isTrue(status *trainerv1alpha1.TrainJobStatus, t string) bool {
	return meta.IsStatusConditionTrue(status.Conditions, t)
}

// finished says whether the job has ended, well or not.
func finished(status *trainerv1alpha1.TrainJobStatus) bool {
	return isTrue(status, trainerv1alpha1.TrainJobComplete) || isTrue(status, trainerv1alpha1.TrainJobFailed)
}

// maxMessage is the length of messages in bytes. Events, which have the same, may not have more.
const maxMessage = 1024

func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	const mark = "…"
	cut := maxMessage - len(mark)
	for cut > 0 && message[cut]&0xC0 == 0x80 { // not in the middle of a character
		cut--
	}
	return message[:cut] + mark
}
