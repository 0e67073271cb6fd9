package e2e

import (
	"strings"
	"testing"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// TestSignalsReplacePods has a master that is interrupted (130) and a worker that the kernel ends for its memory (137).
func TestSignalsReplacePods(t *testing.T) {
	e := setUp(t)
	e.apply("replaced.yaml")
	job := &trainingv1.PyTorchJob{}
	e.condition(job, "replaced", trainingv1.JobSucceeded)
	for _, pod := range []string{"replaced-master-0", "replaced-worker-0"} {
		e.says(pod, "attempt 1 ends well")
	}
	if job.Status.Restarts != 2 {
		t.Errorf("%d restarts were counted, want 2", job.Status.Restarts)
	}
}

// TestFailureIsExplained wants the exit code and what the program said last in the job's condition.
func TestFailureIsExplained(t *testing.T) {
	e := setUp(t)
	e.apply("failed.yaml")
	condition := e.condition(&trainingv1.PyTorchJob{}, "failed", trainingv1.JobFailed)
	for _, words := range []string{"failed-master-0", "exit code 3", "the disk of the data set is gone"} {
		if !strings.Contains(condition.Message, words) {
			t.Errorf("the message lacks %q: %s", words, condition.Message)
		}
	}
	t.Log(condition.Message)
}
