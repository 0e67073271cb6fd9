package training

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// untilExpiry is the time after which a finished job is deleted, zero or less if that is now, and false if it stays.
func untilExpiry(policy *trainingv1.RunPolicy, status *trainingv1.JobStatus, now time.Time) (time.Duration, bool) {
	if policy.TTLSecondsAfterFinished == nil || status.CompletionTime == nil {
		return 0, false
	}
	expiry := status.CompletionTime.Add(time.Duration(*policy.TTLSecondsAfterFinished) * time.Second)
	return expiry.Sub(now), true
}

// completionTime is when a finished job ended. A controller of another installation may have left it out; then it is when
// the job became what it is.
func completionTime(status *trainingv1.JobStatus) *metav1.Time {
	if status.CompletionTime != nil {
		return status.CompletionTime
	}
	for _, t := range []trainingv1.JobConditionType{trainingv1.JobSucceeded, trainingv1.JobFailed} {
		if c := findCondition(status, t); c != nil && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.DeepCopy()
		}
	}
	return nil
}
