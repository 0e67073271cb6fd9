package queue

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/muster-scheduling/muster/internal/ledger"
	muster "github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

// series are the values of Muster's queue metrics, by name and labels.
func series(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		name, ours := strings.CutPrefix(family.GetName(), "muster_queue_")
		if !ours {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			var words []string
			for _, label := range slices.Sorted(maps.Keys(labels)) {
				words = append(words, labels[label])
			}
			values[name+" "+strings.Join(words, " ")] = metric.GetGauge().GetValue()
		}
	}
	return values
}

func TestMetricsFollowTheQueues(t *testing.T) {
	registerMetrics()
	p := published{}
	a := state.QueueState{
		Queue: ledger.Queue{Name: "a"}, Admitted: 2, Pending: 1,
		Usage: muster.Amounts{"cpu": 1500, "nvidia.com/gpu": 8}, FairShare: muster.Amounts{"nvidia.com/gpu": 12},
	}
	p.set([]state.QueueState{a, {Queue: ledger.Queue{Name: "b"}, Usage: muster.Amounts{"cpu": 1000}}})
	a.Usage = muster.Amounts{"cpu": 2500}
	p.set([]state.QueueState{a})
	want := map[string]float64{
		"allocated a cpu": 2.5, "allocated a nvidia.com/gpu": 0, "fair_share a cpu": 0, "fair_share a nvidia.com/gpu": 12,
		"pending_gangs a": 1, "admitted_gangs a": 2,
	}
	if diff := cmp.Diff(want, series(t)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
	p.set(nil)
	if diff := cmp.Diff(map[string]float64{}, series(t)); diff != "" {
		t.Errorf("series of queues that are gone (-want +got):\n%s", diff)
	}
}
