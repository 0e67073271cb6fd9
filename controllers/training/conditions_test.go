package training

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestConditionsTellTheStoryInOrder(t *testing.T) {
	const created, running, restarting, suspended, succeeded, failed = trainingv1.JobCreated, trainingv1.JobRunning,
		trainingv1.JobRestarting, trainingv1.JobSuspended, trainingv1.JobSucceeded, trainingv1.JobFailed
	tests := []struct {
		name  string
		enter []trainingv1.JobConditionType
		want  string
	}{
		{"plain", []trainingv1.JobConditionType{created, running, succeeded}, "Created !Running Succeeded"},
		{"running ends restarting", []trainingv1.JobConditionType{created, running, restarting, running}, "Created Running"},
		{"restarting ends running", []trainingv1.JobConditionType{created, running, restarting}, "Created Restarting"},
		{"failure while restarting", []trainingv1.JobConditionType{created, restarting, failed}, "Created !Restarting Failed"},
		{"failure is final", []trainingv1.JobConditionType{created, failed, running, succeeded}, "Created Failed"},
		{"suspension", []trainingv1.JobConditionType{created, running, suspended}, "Created !Running Suspended"},
		{"twice", []trainingv1.JobConditionType{created, running, created}, "Created Running"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status := &trainingv1.JobStatus{}
			for i, c := range tt.enter {
				enter(status, c, "TFJob"+string(c), "", noon.Add(time.Duration(i)*time.Second))
			}
			if got := states(status); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEnterKeepsTheTransitionTime(t *testing.T) {
	status := &trainingv1.JobStatus{}
	if !enter(status, trainingv1.JobRunning, "A", "", noon) {
		t.Error("the first time is no change")
	}
	if enter(status, trainingv1.JobRunning, "A", "other words", noon.Add(time.Hour)) {
		t.Error("the same reason is a change")
	}
	if !enter(status, trainingv1.JobRunning, "B", "", noon.Add(time.Hour)) {
		t.Error("another reason is no change")
	}
	c := status.Conditions[0]
	if !c.LastTransitionTime.Time.Equal(noon) || !c.LastUpdateTime.Time.Equal(noon.Add(time.Hour)) {
		t.Errorf("transition %v, update %v", c.LastTransitionTime, c.LastUpdateTime)
	}
}

func TestResumePutsCreatedLast(t *testing.T) {
	status := &trainingv1.JobStatus{}
	enter(status, trainingv1.JobCreated, "c", "", noon)
	enter(status, trainingv1.JobSuspended, "s", "", noon)
	resume(status, "TFJobResumed", "m", noon)
	if got, want := states(status), "!Suspended Created"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := findCondition(status, trainingv1.JobSuspended); got.Reason != "TFJobResumed" || got.Message != "m" {
		t.Errorf("got %+v", got)
	}
}

func TestExplainRewritesInPlace(t *testing.T) {
	status := &trainingv1.JobStatus{}
	if explain(status, "r", "m", noon) {
		t.Error("there is nothing to rewrite")
	}
	enter(status, trainingv1.JobCreated, "c", "", noon)
	enter(status, trainingv1.JobRunning, "r", "", noon)
	if !explain(status, "r", "m", noon) || explain(status, "r", "m", noon) {
		t.Error("the first time must change something, the second must not")
	}
	if got := status.Conditions[0]; got.Message != "m" || got.Status != corev1.ConditionTrue {
		t.Errorf("got %+v", got)
	}
}
