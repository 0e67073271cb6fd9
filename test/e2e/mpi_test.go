package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// TestMPIRanksReduce runs a collective of Open MPI, whose processes are started by ssh.
func TestMPIRanksReduce(t *testing.T) {
	e := setUp(t)
	e.image("mpi")
	e.apply("mpijob.yaml")
	e.condition(&trainingv1.MPIJob{}, "mpi", trainingv1.JobSucceeded)
	e.expectMPIRanks("mpi-launcher", "mpi-worker-0", "mpi-worker-1")
}

// TestMPIRanksReduceByExec does the same with a job of the older version, whose processes are started by kubectl exec.
func TestMPIRanksReduceByExec(t *testing.T) {
	e := setUp(t)
	e.image("mpi")
	e.image("deliver")
	e.apply("mpijob-v1.yaml")
	e.condition(&trainingv1.MPIJob{}, "mpi", trainingv1.JobSucceeded)
	e.expectMPIRanks("mpi-launcher", "mpi-worker-0", "mpi-worker-1")
}

// expectMPIRanks wants the launcher to print what four ranks on these hosts say.
func (e *env) expectMPIRanks(launcher string, hosts ...string) {
	e.Helper()
	log := e.log(e.Context(), launcher)
	said := regexp.MustCompile(`rank (\d) of 4 on (\S+): the ranks add up to 6`).FindAllStringSubmatch(log, -1)
	var ranks, on []string
	for _, line := range said {
		ranks, on = append(ranks, line[1]), append(on, line[2])
	}
	slices.Sort(ranks)
	slices.Sort(on)
	if got, want := fmt.Sprint(ranks, slices.Compact(on)), fmt.Sprint([]int{0, 1, 2, 3}, hosts); got != want {
		e.Errorf("the ranks and their hosts are %s, want %s; the launcher says:\n%s", got, want, log)
	}
}
