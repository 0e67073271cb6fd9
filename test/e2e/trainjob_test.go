package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

func TestTrainJobRanksMeet(t *testing.T) {
	e := setUp(t)
	e.apply("trainjob-torch.yaml")
	e.complete("train")
	var names []string
	for name, pod := range e.pods() {
		names = append(names, name)
		e.says(name, fmt.Sprintf("rank %s of 3: the ranks add up to 3", pod.Labels["batch.kubernetes.io/job-completion-index"]))
	}
	if len(names) != 3 {
		t.Errorf("there are %d pods, want 3", len(names))
	}
	e.gang(3, names...)
}

// TestTrainJobReduces runs Open MPI by ssh between users that are not root.
func TestTrainJobReduces(t *testing.T) {
	e := setUp(t)
	e.image("mpi")
	e.apply("trainjob-mpi.yaml")
	e.complete("reduce")
	for name := range e.pods() {
		if strings.HasPrefix(name, "reduce-launcher-") {
			e.expectMPIRanks(name, "reduce-node-0-0", "reduce-node-0-1")
			return
		}
	}
	t.Error("there is no launcher")
}

// complete waits until the TrainJob is.
func (e *env) complete(name string) {
	e.Helper()
	job := &trainerv1alpha1.TrainJob{}
	e.eventually(fmt.Sprintf("TrainJob %s has ended", name), func(ctx context.Context) (bool, string) {
		if err := shared.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, job); err != nil {
			return false, err.Error()
		}
		conditions := job.Status.Conditions
		return meta.IsStatusConditionTrue(conditions, trainerv1alpha1.TrainJobComplete) ||
			meta.IsStatusConditionTrue(conditions, trainerv1alpha1.TrainJobFailed), fmt.Sprintf("%+v", conditions)
	})
	if !meta.IsStatusConditionTrue(job.Status.Conditions, trainerv1alpha1.TrainJobComplete) {
		e.Fatalf("TrainJob %s: %+v", name, job.Status.Conditions)
	}
}
