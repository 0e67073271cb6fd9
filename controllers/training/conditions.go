package training

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// The list of conditions follows Kubeflow: one of each type, the latest last, so that the last one is the job's state.

// isTrue says whether the job is in a state.
func isTrue(status *trainingv1.JobStatus, t trainingv1.JobConditionType) bool {
	c := findCondition(status, t)
	return c != nil && c.Status == corev1.ConditionTrue
}

// finished says whether the job has ended, well or not.
func finished(status *trainingv1.JobStatus) bool {
	return isTrue(status, trainingv1.JobSucceeded) || isTrue(status, trainingv1.JobFailed)
}

func findCondition(status *trainingv1.JobStatus, t trainingv1.JobConditionType) *trainingv1.JobCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == t {
			return &status.Conditions[i]
		}
	}
	return nil
}

// enter makes t true and the last of the list, and reports whether that changes anything. Running and Restarting exclude
// each other; the end of the job, or its suspension, ends both. Nothing changes once the job has failed. Of what is true for
// the same reason already only a restart is told again, if it has other words: it is another one.
func enter(status *trainingv1.JobStatus, t trainingv1.JobConditionType, reason, message string, now time.Time) bool {
	if isTrue(status, trainingv1.JobFailed) {
		return false
	}
	old := findCondition(status, t)
	if old != nil && old.Status == corev1.ConditionTrue && old.Reason == reason &&
		(t != trainingv1.JobRestarting || old.Message == message) {
		return false
	}
	condition := trainingv1.JobCondition{
		Type: t, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		LastUpdateTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
	if old != nil && old.Status == corev1.ConditionTrue {
		condition.LastTransitionTime = old.LastTransitionTime
	}
	drop(status, t)
	switch t {
	case trainingv1.JobRunning:
		drop(status, trainingv1.JobRestarting)
	case trainingv1.JobRestarting:
		drop(status, trainingv1.JobRunning)
	case trainingv1.JobSucceeded, trainingv1.JobFailed, trainingv1.JobSuspended:
		leave(status, trainingv1.JobRunning, reason, message, now)
		leave(status, trainingv1.JobRestarting, reason, message, now)
	}
	status.Conditions = append(status.Conditions, condition)
	return true
}

// leave makes t false where it stands, if it is true.
func leave(status *trainingv1.JobStatus, t trainingv1.JobConditionType, reason, message string, now time.Time) {
	c := findCondition(status, t)
	if c == nil || c.Status != corev1.ConditionTrue {
		return
	}
	c.Status, c.Reason, c.Message = corev1.ConditionFalse, reason, message
	c.LastUpdateTime, c.LastTransitionTime = metav1.NewTime(now), metav1.NewTime(now)
}

func drop(status *trainingv1.JobStatus, t trainingv1.JobConditionType) {
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c trainingv1.JobCondition) bool { return c.Type == t })
}

// resume makes Suspended false, and Created the last of the list again: the job waits for its pods as it did at first.
func resume(status *trainingv1.JobStatus, reason, message string, now time.Time) {
	leave(status, trainingv1.JobSuspended, reason, message, now)
	if created := findCondition(status, trainingv1.JobCreated); created != nil {
		last := *created
		drop(status, trainingv1.JobCreated)
		status.Conditions = append(status.Conditions, last)
	}
}

// explain rewrites reason and message of Created where it stands, and reports whether that changes anything. It is how
// a job says what keeps it from getting its pods.
func explain(status *trainingv1.JobStatus, reason, message string, now time.Time) bool {
	c := findCondition(status, trainingv1.JobCreated)
	if c == nil || c.Reason == reason && c.Message == message {
		return false
	}
	c.Reason, c.Message, c.LastUpdateTime = reason, message, metav1.NewTime(now)
	return true
}
