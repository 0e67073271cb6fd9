package pods

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	podsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_pod_policies_pods_total",
		Help: "Pods that policies were asked about, by what came of it: changed, unchanged, failed; unseen are those of which the owners could not be read.",
	}, []string{"outcome"})
	problemsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_pod_policies_problems_total",
		Help: "How often a policy was left out, or followed in part, for a pod, by the reason.",
	}, []string{"policy", "reason"})
)

func init() {
	metrics.Registry.MustRegister(podsTotal, problemsTotal)
}
