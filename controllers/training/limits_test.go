package training

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestUntilDeadline(t *testing.T) {
	status := &trainingv1.JobStatus{StartTime: new(metav1.NewTime(noon))}
	policy := &trainingv1.RunPolicy{ActiveDeadlineSeconds: ptr.To[int64](60)}
	if left, ok := untilDeadline(policy, status, noon.Add(20*time.Second)); !ok || left != 40*time.Second {
		t.Errorf("got %v, %v, want 40s", left, ok)
	}
	if left, ok := untilDeadline(policy, status, noon.Add(time.Minute)); !ok || left > 0 {
		t.Errorf("at the deadline: got %v, %v", left, ok)
	}
	if _, ok := untilDeadline(policy, &trainingv1.JobStatus{}, noon); ok {
		t.Error("a job that has not started has a deadline")
	}
	if _, ok := untilDeadline(&trainingv1.RunPolicy{}, status, noon); ok {
		t.Error("there is a deadline though none was given")
	}
}

func TestUntilExpiry(t *testing.T) {
	status := &trainingv1.JobStatus{CompletionTime: new(metav1.NewTime(noon))}
	policy := &trainingv1.RunPolicy{TTLSecondsAfterFinished: ptr.To[int32](30)}
	if left, ok := untilExpiry(policy, status, noon.Add(10*time.Second)); !ok || left != 20*time.Second {
		t.Errorf("got %v, %v, want 20s", left, ok)
	}
	if left, ok := untilExpiry(&trainingv1.RunPolicy{TTLSecondsAfterFinished: ptr.To[int32](0)}, status, noon); !ok || left > 0 {
		t.Errorf("no time to live: got %v, %v", left, ok)
	}
	if _, ok := untilExpiry(&trainingv1.RunPolicy{}, status, noon); ok {
		t.Error("a job without a time to live expires")
	}
}

func TestRemovable(t *testing.T) {
	const all, running, none = trainingv1.CleanPodPolicyAll, trainingv1.CleanPodPolicyRunning, trainingv1.CleanPodPolicyNone
	tests := []struct {
		policy  trainingv1.CleanPodPolicy
		stopped bool
		phase   corev1.PodPhase
		want    bool
	}{
		{all, false, corev1.PodSucceeded, true},
		{all, false, corev1.PodRunning, true},
		{running, false, corev1.PodRunning, true},
		{running, false, corev1.PodPending, true},
		{running, false, corev1.PodSucceeded, false},
		{running, true, corev1.PodFailed, false},
		{none, false, corev1.PodRunning, false},
		{none, false, corev1.PodFailed, false},
		{none, true, corev1.PodRunning, true},
		{none, true, corev1.PodPending, true},
		{none, true, corev1.PodFailed, false},
	}
	for _, tt := range tests {
		if got := removable(tt.policy, tt.stopped, podIn(tfJob, "p", tt.phase)); got != tt.want {
			t.Errorf("%s, stopped %v, %s: got %v", tt.policy, tt.stopped, tt.phase, got)
		}
	}
}

func TestStopped(t *testing.T) {
	failed := func(reason string) trainingv1.JobStatus {
		return trainingv1.JobStatus{
			Conditions:     []trainingv1.JobCondition{{Type: trainingv1.JobFailed, Status: corev1.ConditionTrue, Reason: reason}},
			StartTime:      new(metav1.NewTime(noon)),
			CompletionTime: new(metav1.NewTime(noon.Add(time.Minute))),
		}
	}
	restarts := failed("TFJobFailed")
	restarts.Restarts = 3
	tests := []struct {
		name   string
		policy string
		status trainingv1.JobStatus
		want   bool
	}{
		{"by a pod", "{}", failed("TFJobFailed"), false},
		{"refused", "{}", failed("TFJobFailedValidation"), true},
		{"by the backoff limit", "{backoffLimit: 2}", restarts, true},
		{"within the backoff limit", "{backoffLimit: 3}", restarts, false},
		{"by the deadline", "{activeDeadlineSeconds: 60}", failed("TFJobFailed"), true},
		{"before the deadline", "{activeDeadlineSeconds: 61}", failed("TFJobFailed"), false},
		{"not failed", "{activeDeadlineSeconds: 1}", trainingv1.JobStatus{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, job := simpleTFJob(t, "replicas: 1", "runPolicy: "+tt.policy)
			if got := k.stopped(job, &tt.status); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
