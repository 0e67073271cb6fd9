package e2e

import (
	"fmt"
	"os/exec"
	"testing"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestPyTorchRanksMeet(t *testing.T) {
	e := setUp(t)
	e.apply("pytorchjob.yaml")
	e.expectTorchRanks()
}

// TestPyTorchItself runs PyTorch with gloo, where the machine has it.
func TestPyTorchItself(t *testing.T) {
	status, err := exec.CommandContext(t.Context(), "dpkg-query", "--show", "--showformat=${Status}", "python3-torch").Output()
	if err != nil || string(status) != "install ok installed" {
		t.Skip("the Debian package python3-torch is not installed on this machine")
	}
	e := setUp(t)
	e.apply("torch.yaml")
	e.expectTorchRanks()
}

func (e *env) expectTorchRanks() {
	e.Helper()
	e.condition(&trainingv1.PyTorchJob{}, "torch", trainingv1.JobSucceeded)
	e.gang(3, "torch-master-0", "torch-worker-0", "torch-worker-1")
	for rank, pod := range []string{"torch-master-0", "torch-worker-0", "torch-worker-1"} {
		e.says(pod, fmt.Sprintf("rank %d of 3: the ranks add up to 3", rank))
	}
}

func TestJAXProcessesMeet(t *testing.T) {
	e := setUp(t)
	e.apply("jaxjob.yaml")
	e.condition(&trainingv1.JAXJob{}, "jax", trainingv1.JobSucceeded)
	e.gang(3, "jax-worker-0", "jax-worker-1", "jax-worker-2")
	for rank := range 3 {
		e.says(fmt.Sprintf("jax-worker-%d", rank), fmt.Sprintf("rank %d of 3: the ranks add up to 3", rank))
	}
}

// TestTensorFlowWorkersReachParameterServers has servers that never end by themselves: the job ends with its workers, and
// takes them along.
func TestTensorFlowWorkersReachParameterServers(t *testing.T) {
	e := setUp(t)
	e.apply("tfjob.yaml")
	e.condition(&trainingv1.TFJob{}, "tf", trainingv1.JobSucceeded)
	for worker := range 2 {
		for ps := range 2 {
			e.says(fmt.Sprintf("tf-worker-%d", worker), fmt.Sprintf("worker %d: ps %d says that the workers add up to 1", worker, ps))
		}
	}
	e.eventuallyPods("tf-worker-0", "tf-worker-1")
}
