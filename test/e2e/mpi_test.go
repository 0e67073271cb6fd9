package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// TestMPIRanksReduce runs a collective of Open MPI over ssh. The launcher prints what all ranks say.
func TestMPIRanksReduce(t *testing.T) {
	e := setUp(t)
	e.image("mpi")
	e.apply("mpijob.yaml")
	e.condition(&trainingv1.MPIJob{}, "mpi", trainingv1.JobSucceeded)
	log := e.log(t.Context(), "mpi-launcher")
	said := regexp.MustCompile(`rank (\d) of 4 on (\S+): the ranks add up to 6`).FindAllStringSubmatch(log, -1)
	var ranks, hosts []string
	for _, line := range said {
		ranks, hosts = append(ranks, line[1]), append(hosts, line[2])
	}
	slices.Sort(ranks)
	slices.Sort(hosts)
	if got := fmt.Sprint(ranks, slices.Compact(hosts)); got != "[0 1 2 3] [mpi-worker-0 mpi-worker-1]" {
		t.Errorf("the ranks and their hosts are %s; the launcher says:\n%s", got, log)
	}
	for name := range e.pods() {
		if !strings.HasPrefix(name, "mpi-launcher") && !strings.HasPrefix(name, "mpi-worker-") {
			t.Errorf("there is a pod %s", name)
		}
	}
}
