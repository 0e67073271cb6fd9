package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// TestMPIRanksReduce runs a collective of Open MPI, whose processes are started by ssh.
func TestMPIRanksReduce(t *testing.T) {
	e := setUp(t)
	e.image("mpi")
	e.apply("mpijob.yaml")
	e.expectMPIRanks()
}

// TestMPIRanksReduceByExec does the same with a job of the older version, whose processes are started by kubectl exec.
func TestMPIRanksReduceByExec(t *testing.T) {
	e := setUp(t)
	e.image("mpi")
	e.image("deliver")
	e.apply("mpijob-v1.yaml")
	e.expectMPIRanks()
}

// expectMPIRanks waits for the end of the job, whose launcher prints what all ranks say.
func (e *env) expectMPIRanks() {
	e.Helper()
	e.condition(&trainingv1.MPIJob{}, "mpi", trainingv1.JobSucceeded)
	log := e.log(e.Context(), "mpi-launcher")
	said := regexp.MustCompile(`rank (\d) of 4 on (\S+): the ranks add up to 6`).FindAllStringSubmatch(log, -1)
	var ranks, hosts []string
	for _, line := range said {
		ranks, hosts = append(ranks, line[1]), append(hosts, line[2])
	}
	slices.Sort(ranks)
	slices.Sort(hosts)
	if got := fmt.Sprint(ranks, slices.Compact(hosts)); got != "[0 1 2 3] [mpi-worker-0 mpi-worker-1]" {
		e.Errorf("the ranks and their hosts are %s; the launcher says:\n%s", got, log)
	}
	for name := range e.pods() {
		if !strings.HasPrefix(name, "mpi-launcher") && !strings.HasPrefix(name, "mpi-worker-") {
			e.Errorf("there is a pod %s", name)
		}
	}
}
