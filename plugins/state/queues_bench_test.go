package state

import (
	"fmt"
	"testing"
)

// BenchmarkQueues gathers what 100 queues show of 10,000 waiting gangs.
func BenchmarkQueues(b *testing.B) {
	r, _ := newTestRegistry()
	for i := range 100 {
		q := queue(fmt.Sprintf("q%d", i), "0")
		if i >= 10 {
			below(q, fmt.Sprintf("q%d", i%10))
		}
		if _, err := r.SetQueue(q); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 10000 {
		name := fmt.Sprintf("g%d", i)
		r.SetPodGroup(in(fmt.Sprintf("q%d", 10+i%90), name, 1))
		r.SetPod(pod(name, name))
	}
	b.ReportAllocs()
	b.Run("locked", func(b *testing.B) {
		for b.Loop() {
			r.census()
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			r.Queues()
		}
	})
}
