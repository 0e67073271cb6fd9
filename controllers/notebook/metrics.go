package notebook

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// culled counts the notebooks that were stopped because they were idle.
var culled = prometheus.NewCounter(prometheus.CounterOpts{
	Name: "muster_notebooks_culled_total",
	Help: "Notebooks that were stopped because they were idle.",
})

func init() { metrics.Registry.MustRegister(culled) }
