package training

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// BenchmarkDecide is one look at a job of 1,000 workers: when its pods are yet to be created, and when all run.
func BenchmarkDecide(b *testing.B) {
	k, job := simpleTFJob(&testing.T{}, "replicas: 1000", "")
	job.Replicas()["Worker"].Replicas = ptr.To[int32](1000)
	all := seeing()
	for _, m := range k.members(job, nil) {
		all.pods[m.name] = podIn(k, m.name, corev1.PodRunning)
		all.services[m.name] = &corev1.Service{}
	}
	for name, seen := range map[string]observed{"new": seeing(), "running": all} {
		b.Run(fmt.Sprint(name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.decide(Config{}, job, seen, noon)
			}
		})
	}
}
