package gang

import (
	"math/rand/v2"
	"testing"

	"github.com/muster-scheduling/muster/internal/resource"
)

// The benchmarks measure planning alone, one attempt per operation. Vectors are {cpu, gpu, memory, pods}; nodes have 96
// CPU, 8 GPUs, 1 TiB and 110 pods.
//
//	go test ./internal/gang -run '^$' -bench Plan -benchmem -cpu 1

const gib = 1 << 30

func cluster(nodes int) Problem {
	p := Problem{}
	for range nodes {
		p.Nodes = append(p.Nodes, Node{Free: resource.Vector{96_000, 8, 1024 * gib, 110}, Idle: true})
	}
	return p
}

// fragment takes a random number of GPUs, and CPU and memory with them, from each node.
func fragment(p Problem, atLeast, atMost int) Problem {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range p.Nodes {
		gpus := int64(atLeast + random.IntN(atMost-atLeast+1))
		p.Nodes[i].Free.Sub(resource.Vector{gpus * 10_000, gpus, gpus * 100 * gib, gpus})
		p.Nodes[i].Idle = gpus == 0
	}
	return p
}

func (p Problem) with(role string, count int, request resource.Vector) Problem {
	class := Class{Role: role, Count: count, Request: request}
	for node := range p.Nodes {
		class.Nodes = append(class.Nodes, int32(node))
	}
	p.Classes = append(p.Classes, class)
	p.Need.Total += count
	return p
}

var oneGPU = resource.Vector{8_000, 1, 64 * gib, 1}

func benchmark(b *testing.B, p Problem, want Result) {
	b.ReportAllocs()
	steps := 0
	for b.Loop() {
		o, err := Plan(p, nil)
		if err != nil || o.Result != want {
			b.Fatalf("%v with %d members, error %v; want %v", o.Result, o.Total(), err, want)
		}
		steps = o.Steps
	}
	b.ReportMetric(float64(steps), "steps")
}

func BenchmarkPlanEqual(b *testing.B) {
	benchmark(b, cluster(5000).with("worker", 1000, oneGPU), Placed)
}

func BenchmarkPlanMustFail(b *testing.B) {
	full := fragment(cluster(5000), 8, 8)
	for i := range 124 { // room for 992
		full.Nodes[40*i] = cluster(1).Nodes[0]
	}
	benchmark(b, full.with("worker", 1000, oneGPU), Impossible)
}

func BenchmarkPlanFragmented(b *testing.B) {
	benchmark(b, fragment(cluster(5000), 0, 8).with("worker", 1000, oneGPU), Placed)
}

// fourClasses is a gang whose classes want different amounts of everything.
func fourClasses(p Problem, times int) Problem {
	return p.with("chief", 2*times, resource.Vector{48_000, 4, 256 * gib, 1}).
		with("worker", 60*times, resource.Vector{12_000, 2, 128 * gib, 1}).
		with("ps", 20*times, resource.Vector{16_000, 0, 256 * gib, 1}).
		with("evaluator", 18*times, resource.Vector{6_000, 1, 32 * gib, 1})
}

func BenchmarkPlanMixed(b *testing.B) {
	benchmark(b, fourClasses(fragment(cluster(5000), 0, 8), 10), Placed)
}

func BenchmarkPlanMixedMustFail(b *testing.B) {
	benchmark(b, fourClasses(fragment(cluster(5000), 7, 8), 10), Impossible)
}

// Every bound leaves it open whether the members fit, but nobody finds how.
func BenchmarkPlanBudgetSpent(b *testing.B) {
	benchmark(b, fourClasses(fragment(cluster(1000), 2, 8), 20), BudgetSpent)
}
