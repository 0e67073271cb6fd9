package training

import (
	"time"

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
