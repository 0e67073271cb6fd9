package topology

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// The benchmarks plan one gang per operation. Vectors are {cpu, gpu, memory, pods}; nodes have 96 CPU, 8 GPUs, 1 TiB and
// 110 pods. The cluster has 5,000 nodes in 250 racks in 10 blocks, its nodes in no order.
//
//	go test ./internal/topology -run '^$' -bench . -benchmem -cpu 1

const gib = 1 << 30

var oneGPU = resource.Vector{8_000, 1, 64 * gib, 1}

// layout is the labels of a cluster of so many equal racks, in blocks of equal size.
func layout(nodes, racks, blocks int) []map[string]string {
	random := rand.New(rand.NewPCG(3, 4))
	labels := make([]map[string]string, nodes)
	for i, node := range random.Perm(nodes) {
		r := i % racks
		labels[node] = place([]Level{block, rack, host}, fmt.Sprintf("b%d", r*blocks/racks), fmt.Sprintf("r%d", r), fmt.Sprintf("node-%d", node))
	}
	return labels
}

// cluster has nodes with between 8-most and 8-least GPUs free.
func cluster(nodes, least, most int) gang.Problem {
	random := rand.New(rand.NewPCG(1, 2))
	p := gang.Problem{}
	for range nodes {
		n := int64(least + random.IntN(most-least+1))
		free := resource.Vector{96_000 - 10_000*n, 8 - n, (1024 - 100*n) * gib, 110 - n}
		p.Nodes = append(p.Nodes, gang.Node{Free: free, Idle: n == 0})
	}
	return p
}

func with(p gang.Problem, role string, count int, request resource.Vector) gang.Problem {
	class := gang.Class{Role: role, Count: count, Request: request}
	for node := range p.Nodes {
		class.Nodes = append(class.Nodes, int32(node))
	}
	p.Classes = append(p.Classes, class)
	p.Need.Total += count
	return p
}

func fourClasses(p gang.Problem) gang.Problem {
	p = with(p, "chief", 8, resource.Vector{48_000, 4, 256 * gib, 1})
	p = with(p, "worker", 240, resource.Vector{12_000, 2, 128 * gib, 1})
	p = with(p, "ps", 80, resource.Vector{16_000, 0, 256 * gib, 1})
	return with(p, "evaluator", 72, resource.Vector{6_000, 1, 32 * gib, 1})
}

var levels = []Level{block, rack, host}

// benchmark plans with a tree that is there already.
func benchmark(b *testing.B, p gang.Problem, r *Request, labels []map[string]string, want gang.Result) {
	r.Trees = []*Tree{New("default", levels, labels)}
	b.ReportAllocs()
	var a Answer
	for b.Loop() {
		var err error
		if a, err = Plan(p, r, nil); err != nil || a.Result != want {
			b.Fatalf("%v with %d members, error %v, %v; want %v", a.Result, a.Total(), err, a.Domains, want)
		}
	}
	b.ReportMetric(float64(a.Steps), "steps")
	used := map[int32]bool{}
	for _, node := range a.At {
		used[r.Trees[0].Domain(1, node)] = true
	}
	b.ReportMetric(float64(len(used)), "racks")
}

var blockAndRack = Want{Required: "block", Preferred: "rack"}

func BenchmarkTree(b *testing.B) {
	labels := layout(5000, 250, 10)
	b.ReportAllocs()
	for b.Loop() {
		New("default", levels, labels)
	}
}

func BenchmarkTreeAndPlan(b *testing.B) {
	p, labels := with(cluster(5000, 0, 0), "worker", 512, oneGPU), layout(5000, 250, 10)
	b.ReportAllocs()
	for b.Loop() {
		r := &Request{Trees: []*Tree{New("default", levels, labels)}, Gang: blockAndRack}
		if a, err := Plan(p, r, nil); err != nil || a.Result != gang.Placed {
			b.Fatal(a.Result, err)
		}
	}
}

func BenchmarkEqual(b *testing.B) {
	benchmark(b, with(cluster(5000, 0, 0), "worker", 512, oneGPU), &Request{Gang: blockAndRack}, layout(5000, 250, 10), gang.Placed)
}

func BenchmarkFragmented(b *testing.B) {
	benchmark(b, with(cluster(5000, 0, 8), "worker", 512, oneGPU), &Request{Gang: blockAndRack}, layout(5000, 250, 10), gang.Placed)
}

func BenchmarkMustFail(b *testing.B) {
	benchmark(b, with(cluster(5000, 7, 8), "worker", 512, oneGPU), &Request{Gang: blockAndRack}, layout(5000, 250, 10), gang.Impossible)
}

func BenchmarkMixed(b *testing.B) {
	benchmark(b, fourClasses(cluster(5000, 0, 8)), &Request{Gang: blockAndRack}, layout(5000, 250, 10), gang.Placed)
}

func BenchmarkMixedMustFail(b *testing.B) {
	benchmark(b, fourClasses(cluster(5000, 6, 8)), &Request{Gang: blockAndRack}, layout(5000, 250, 10), gang.Impossible)
}

// segments divides the members of a problem of one class.
func segments(p gang.Problem, size int, w Want) *Request {
	r := &Request{Gang: blockAndRack, Needed: p.Need.Total}
	for i := range p.Need.Total {
		if i%size == 0 {
			r.Units = append(r.Units, Unit{Name: fmt.Sprintf("workers %d-%d", i, i+size-1), Want: w})
		}
		r.Members = append(r.Members, Member{Class: 0, Unit: i / size})
	}
	return r
}

func BenchmarkSegments(b *testing.B) {
	p := with(cluster(5000, 0, 0), "worker", 512, oneGPU)
	benchmark(b, p, segments(p, 8, Want{Required: "rack"}), layout(5000, 250, 10), gang.Placed)
}

func BenchmarkSegmentsFragmented(b *testing.B) {
	p := with(cluster(5000, 0, 8), "worker", 512, oneGPU)
	benchmark(b, p, segments(p, 8, Want{Required: "rack"}), layout(5000, 250, 10), gang.Placed)
}

func BenchmarkSegmentsMustFail(b *testing.B) {
	p := with(cluster(5000, 7, 8), "worker", 512, oneGPU)
	benchmark(b, p, segments(p, 8, Want{Required: "rack"}), layout(5000, 250, 10), gang.Impossible)
}

// Each segment on one host, of which too few are whole.
func BenchmarkSegmentsOfHostsMustFail(b *testing.B) {
	p := with(cluster(5000, 0, 8), "worker", 512, oneGPU)
	benchmark(b, p, segments(p, 8, Want{Required: "host"}), layout(5000, 250, 10), gang.Impossible)
}

func BenchmarkSegmentsAnywhere(b *testing.B) {
	p := with(cluster(5000, 0, 8), "worker", 512, oneGPU)
	r := segments(p, 8, Want{Required: "rack", Preferred: "host"})
	r.Gang = Want{}
	benchmark(b, p, r, layout(5000, 250, 10), gang.Placed)
}

// As in upstream's benchmark of gangs with a required rack: 50 racks of 100 nodes, gangs of 3.
func BenchmarkSmallGang(b *testing.B) {
	benchmark(b, with(cluster(5000, 0, 0), "worker", 3, oneGPU), &Request{Gang: Want{Required: "rack"}}, layout(5000, 50, 5), gang.Placed)
}

func BenchmarkSmallGangPreferred(b *testing.B) {
	benchmark(b, with(cluster(5000, 0, 8), "worker", 3, oneGPU), &Request{Gang: Want{Preferred: "rack"}}, layout(5000, 50, 5), gang.Placed)
}

func BenchmarkSmallGangMustFail(b *testing.B) {
	benchmark(b, with(cluster(5000, 8, 8), "worker", 3, oneGPU), &Request{Gang: Want{Required: "rack"}}, layout(5000, 50, 5), gang.Impossible)
}

// The fewest hosts of a fragmented cluster.
func BenchmarkHosts(b *testing.B) {
	benchmark(b, with(cluster(5000, 0, 8), "worker", 512, oneGPU), &Request{Gang: Want{Preferred: "host"}}, layout(5000, 250, 10), gang.Placed)
}
