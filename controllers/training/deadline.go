package training

import (
	"time"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// untilDeadline is the time that a job has left at a moment, zero or less if it has none, and false if it has no
// deadline.
func untilDeadline(policy *trainingv1.RunPolicy, status *trainingv1.JobStatus, at time.Time) (time.Duration, bool) {
	if policy.ActiveDeadlineSeconds == nil || status.StartTime == nil {
		return 0, false
	}
	deadline := status.StartTime.Add(time.Duration(*policy.ActiveDeadlineSeconds) * time.Second)
	return deadline.Sub(at), true
}
