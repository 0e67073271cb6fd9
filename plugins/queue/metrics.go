package queue

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

var (
	allocated = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "queue_allocated",
		Help:           "What the admitted gangs of a queue and of all below it use, by resource: CPU in cores, memory in bytes.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"queue", "resource"})
	fairShare = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "queue_fair_share",
		Help:           "What a queue would have if all queues wanted everything, by resource: CPU in cores, memory in bytes.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"queue", "resource"})
	pendingGangs = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "queue_pending_gangs",
		Help:           "Gangs that wait in a queue and in all below it.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"queue"})
	admittedGangs = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "queue_admitted_gangs",
		Help:           "Gangs of a queue and of all below it that run or are being bound.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"queue"})
)

var registerMetrics = sync.OnceFunc(func() {
	legacyregistry.MustRegister(allocated, fairShare, pendingGangs, admittedGangs)
})

// published are the resources of each queue of which there are series.
type published map[string]map[string]bool

// set publishes the numbers of all queues and removes the series of those that are gone. A resource that a queue no longer
// uses is shown as 0 for as long as the queue exists.
func (p published) set(queues []state.QueueState) {
	gone := make(map[string]bool, len(p))
	for name := range p {
		gone[name] = true
	}
	for _, q := range queues {
		delete(gone, q.Name)
		if p[q.Name] == nil {
			p[q.Name] = map[string]bool{}
		}
		for _, amounts := range []resource.Amounts{q.Usage, q.FairShare} {
			for name := range amounts {
				p[q.Name][name] = true
			}
		}
		for name := range p[q.Name] {
			allocated.WithLabelValues(q.Name, name).Set(inUnits(name, q.Usage[name]))
			fairShare.WithLabelValues(q.Name, name).Set(inUnits(name, q.FairShare[name]))
		}
		pendingGangs.WithLabelValues(q.Name).Set(float64(q.Pending))
		admittedGangs.WithLabelValues(q.Name).Set(float64(q.Admitted))
	}
	for queue := range gone {
		for name := range p[queue] {
			allocated.Delete(map[string]string{"queue": queue, "resource": name})
			fairShare.Delete(map[string]string{"queue": queue, "resource": name})
		}
		pendingGangs.Delete(map[string]string{"queue": queue})
		admittedGangs.Delete(map[string]string{"queue": queue})
		delete(p, queue)
	}
}

// inUnits is an amount in the unit that metrics have by convention.
func inUnits(name string, amount int64) float64 {
	if name == string(corev1.ResourceCPU) {
		return float64(amount) / 1000
	}
	return float64(amount)
}
