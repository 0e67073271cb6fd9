package training

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var (
	jobsCreated    = counter("jobs_created", "Training jobs accepted.")
	jobsSucceeded  = counter("jobs_succeeded", "Training jobs that ended well.")
	jobsFailed     = counter("jobs_failed", "Training jobs that failed.")
	jobsRestarting = counter("jobs_restarted", "Times that a training job began to replace pods.")
	podsReplaced   = counter("pods_replaced", "Pods of training jobs that were replaced, for whatever reason.")
)

func init() {
	metrics.Registry.MustRegister(jobsCreated, jobsSucceeded, jobsFailed, jobsRestarting, podsReplaced)
}

func counter(what, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "muster", Subsystem: "training", Name: what + "_total", Help: help,
	}, []string{"kind"})
}

// countJob counts what a change of status says, once it has been stored.
func countJob(kind string, before, after *trainingv1.JobStatus) {
	for t, c := range map[trainingv1.JobConditionType]*prometheus.CounterVec{
		trainingv1.JobCreated:    jobsCreated,
		trainingv1.JobSucceeded:  jobsSucceeded,
		trainingv1.JobFailed:     jobsFailed,
		trainingv1.JobRestarting: jobsRestarting,
	} {
		if isTrue(after, t) && !isTrue(before, t) {
			c.WithLabelValues(kind).Inc()
		}
	}
	n := attempts(after) - attempts(before)
	if gangAttempts(after) > gangAttempts(before) && before.RestartedGang != nil {
		for _, created := range before.RestartedGang.Created {
			n += created
		}
	}
	if n > 0 {
		podsReplaced.WithLabelValues(kind).Add(float64(n))
	}
}

func attempts(status *trainingv1.JobStatus) int32 {
	var n int32
	for _, r := range status.RestartedPods {
		n += r.Attempt
	}
	return n
}
