package fragmentation

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The benchmarks price 5,000 nodes of 8 GPUs for one class, with 32 shapes learned.
//
//	go test ./internal/fragmentation -run '^$' -bench . -benchmem -cpu 1

const gib = 1 << 30

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// learned is a mix of 32 shapes: 1, 2, 4 and 8 GPUs with eight ratios of CPU and memory, the small ones more often.
func learned() *Mix {
	w := NewWorkload(time.Hour)
	for i := range 8 {
		for _, gpus := range []int64{1, 2, 4, 8} {
			w.Observe(Demand{CPU: gpus * int64(4000+1000*i), Memory: gpus * int64(32+8*i) * gib, Kind: "gpu", GPUs: gpus}, int(16/gpus), epoch)
		}
	}
	return w.Mix(epoch)
}

// cluster has nodes with 0 to 8 free GPUs, and CPU and memory taken in steps.
func cluster(nodes, steps int) []Node {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]Node, nodes)
	for i := range all {
		gpus, left := random.Int64N(9), random.Int64N(int64(steps))+1
		all[i] = Node{CPU: 96_000 * left / int64(steps), Memory: 768 * gib * left / int64(steps), GPUs: []Devices{{Kind: "gpu", Free: gpus}}}
	}
	return all
}

var oneGPU = Demand{CPU: 8000, Memory: 64 * gib, Kind: "gpu", GPUs: 1}

func benchmarkCosts(b *testing.B, nodes []Node, pods int, cold bool) {
	m := learned()
	b.ReportAllocs()
	for b.Loop() {
		if cold {
			m = newMix(m.shapes)
		}
		m.Costs(nodes, oneGPU, pods)
	}
}

// Every node has been seen before.
func BenchmarkCosts(b *testing.B) { benchmarkCosts(b, cluster(5000, 20), 1, false) }

// None has, but they have 180 states in all.
func BenchmarkCostsCold(b *testing.B) { benchmarkCosts(b, cluster(5000, 20), 1, true) }

// None has, and each is unlike the others.
func BenchmarkCostsColdAllDifferent(b *testing.B) {
	benchmarkCosts(b, cluster(5000, 90_000), 1, true)
}

func BenchmarkObserve(b *testing.B) {
	w := NewWorkload(time.Hour)
	now := epoch
	for b.Loop() {
		now = now.Add(time.Second)
		w.Observe(oneGPU, 1, now)
	}
}

func BenchmarkMix(b *testing.B) {
	w := NewWorkload(time.Hour)
	for i := range int64(MaxShapes) {
		w.Observe(Demand{CPU: 1000 * i, Kind: "gpu", GPUs: 1 + i%4}, 10, epoch)
	}
	for b.Loop() {
		w.latest = nil
		w.Mix(epoch)
	}
}
