package coscheduling

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// Outcomes of a planning attempt, as the label of muster_plan_duration_seconds.
const (
	outcomePlaced      = "placed"
	outcomeImpossible  = "impossible"
	outcomeBudgetSpent = "budget_spent"
	outcomeError       = "error"
)

var (
	planDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Subsystem:      "muster",
		Name:           "plan_duration_seconds",
		Help:           "Time to plan one gang, by outcome: placed, impossible, budget_spent or error. The count is the number of attempts.",
		Buckets:        metrics.ExponentialBuckets(0.0005, 2, 14),
		StabilityLevel: metrics.ALPHA,
	}, []string{"outcome"})
	waitingGangs = metrics.NewGaugeVec(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "waiting_gangs",
		Help:           "Gangs below their minimum, by the one reason why they wait.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"reason"})
	partialGangs = metrics.NewGauge(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "partial_gangs",
		Help:           "Gangs with members bound that never had their minimum while nothing is under way to complete them. Always 0.",
		StabilityLevel: metrics.ALPHA,
	})
	brokenGangs = metrics.NewGauge(&metrics.GaugeOpts{
		Subsystem:      "muster",
		Name:           "broken_gangs",
		Help:           "Gangs that had their minimum and fell below it, for example because a node was lost.",
		StabilityLevel: metrics.ALPHA,
	})
	gangWait = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem:      "muster",
		Name:           "gang_wait_seconds",
		Help:           "Time from the creation of a gang's PodGroup until its minimum is bound.",
		Buckets:        metrics.ExponentialBuckets(0.1, 2, 18),
		StabilityLevel: metrics.ALPHA,
	})
)

var registerMetrics = sync.OnceFunc(func() {
	legacyregistry.MustRegister(planDuration, waitingGangs, partialGangs, brokenGangs, gangWait)
})
