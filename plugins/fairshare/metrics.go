package fairshare

import (
	"sync"

	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// Outcomes of an attempt to make room, as the label of muster_make_room_duration_seconds.
const (
	outcomeEvict   = "evict"
	outcomeReserve = "reserve"
	outcomeNone    = "none"
	outcomeError   = "error"
)

var (
	makeRoomDuration = metrics.NewHistogramVec(&metrics.HistogramOpts{
		Subsystem:      "muster",
		Name:           "make_room_duration_seconds",
		Help:           "Time to decide what becomes of a gang that found no room, by outcome: evict, reserve, none or error, without the planning that found none.",
		Buckets:        metrics.ExponentialBuckets(0.0005, 2, 14),
		StabilityLevel: metrics.ALPHA,
	}, []string{"outcome"})
	evictedPods = metrics.NewCounterVec(&metrics.CounterOpts{
		Subsystem:      "muster",
		Name:           "evicted_pods_total",
		Help:           "Pods evicted to make room, by reason: Reclaimed for another queue's guarantee, Preempted by a higher priority.",
		StabilityLevel: metrics.ALPHA,
	}, []string{"reason"})
	evictedRatio = metrics.NewHistogram(&metrics.HistogramOpts{
		Subsystem:      "muster",
		Name:           "evicted_per_asked",
		Help:           "For each decision to evict: how much the victims use of the resource that the gang asks for most, for each unit that it asks for.",
		Buckets:        []float64{0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 16, 32},
		StabilityLevel: metrics.ALPHA,
	})
)

var registerMetrics = sync.OnceFunc(func() { legacyregistry.MustRegister(makeRoomDuration, evictedPods, evictedRatio) })
