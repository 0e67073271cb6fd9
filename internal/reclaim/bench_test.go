package reclaim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// The benchmarks measure one decision per operation, on 500 nodes of 8 GPUs that are full.
//
//	go test ./internal/reclaim -run '^$' -bench . -benchmem -cpu 1

func benchmark(b *testing.B, p Problem, want gang.Result) {
	b.ReportAllocs()
	var d Decision
	for b.Loop() {
		var err error
		if d, err = Decide(p); err != nil || d.Result != want {
			b.Fatalf("%v with %d victims, error %v, want %v: %s", d.Result, len(d.Victims), err, want, d.Why)
		}
	}
	b.ReportMetric(float64(len(d.Victims)), "victims")
	b.ReportMetric(d.Ratio, "ratio")
	b.Log(d.Why)
}

// full is a cluster in which every GPU is used by a gang of one pod of queue b.
func full(nodes int) *world {
	w := cluster(nodes, 8).queue("a", "", int64(4*nodes)).queue("b", "", 0)
	for i := range 8 * nodes {
		w.run(job{name: fmt.Sprint("b", i), queue: "b", minimum: 1, gpus: 1, at: []int32{int32(i / 8)}, lost: int64(i * 7919 % 4001)})
	}
	return w
}

// spread fills the cluster with gangs of one-GPU pods that are on random nodes.
func spread(w *world, pods, minimum int, queue func(i int) string) *world {
	random := rand.New(rand.NewPCG(1, 2))
	var seats []int32
	for node, free := range w.nodes {
		seats = append(seats, slices.Repeat([]int32{int32(node)}, int(free))...)
	}
	random.Shuffle(len(seats), func(i, j int) { seats[i], seats[j] = seats[j], seats[i] })
	for i := 0; len(seats) >= pods; i++ {
		w.run(job{name: fmt.Sprint("g", i), queue: queue(i), minimum: minimum, gpus: 1, at: seats[:pods], lost: int64(random.IntN(10000))})
		seats = seats[pods:]
	}
	return w
}

func inB(int) string { return "b" }

func BenchmarkLargeGang(b *testing.B) { benchmark(b, full(500).asks("a", 0, 250, 8), gang.Placed) }

func BenchmarkSmallGang(b *testing.B) { benchmark(b, full(500).asks("a", 0, 1, 8), gang.Placed) }

func BenchmarkManyMembers(b *testing.B) { benchmark(b, full(500).asks("a", 0, 2000, 1), gang.Placed) }

// Two GPUs of each node could be had, which is not enough for a single member.
func BenchmarkImpossibleNodes(b *testing.B) {
	w := cluster(500, 8).queue("a", "", 2000).queue("b", "", 0)
	for i := range 4000 {
		w.run(job{name: fmt.Sprint("b", i), queue: "b", minimum: 1, gpus: 1, at: []int32{int32(i / 8)}, fixed: i%8 < 6})
	}
	benchmark(b, w.asks("a", 0, 250, 8), gang.Impossible)
}

// One GPU too few is above the guarantee.
func BenchmarkImpossibleGuarantee(b *testing.B) {
	benchmark(b, full(500).queue("b", "", 2001).asks("a", 0, 250, 8), gang.Impossible)
}

func BenchmarkImpossibleEntitlement(b *testing.B) {
	benchmark(b, full(500).queue("a", "", 1999).asks("a", 0, 250, 8), gang.Impossible)
}

// Gangs of 16 pods on random nodes: to clear a node, some eight of them have to go.
func BenchmarkSpreadGangs(b *testing.B) {
	w := spread(cluster(500, 8).queue("a", "", 2000).queue("b", "", 0), 16, 16, inB)
	benchmark(b, w.asks("a", 0, 50, 8), gang.Placed)
}

func BenchmarkSpreadImpossibleRatio(b *testing.B) {
	w := spread(cluster(500, 8).queue("a", "", 2000).queue("b", "", 0), 16, 16, inB)
	p := w.asks("a", 0, 1, 8)
	p.MaxRatio = 4
	benchmark(b, p, gang.Impossible)
}

func BenchmarkElastic(b *testing.B) {
	w := spread(cluster(500, 8).queue("a", "", 2000).queue("b", "", 0), 100, 50, inB)
	benchmark(b, w.asks("a", 0, 50, 8), gang.Placed)
}

// A tree of 20 queues, each a little above its guarantee.
func BenchmarkManyQueues(b *testing.B) {
	w := cluster(500, 8).queue("mine", "", 1000).queue("a", "mine", 1000).queue("theirs", "", 3000)
	for i := range 20 {
		w.queue(fmt.Sprint("t", i), "theirs", 150)
	}
	w = spread(w, 4, 4, func(i int) string { return fmt.Sprint("t", i%20) })
	benchmark(b, w.asks("a", 0, 10, 8), gang.Placed)
}

// A gang of two roles, whose fit the planner has to judge.
func BenchmarkRoles(b *testing.B) {
	p := full(500).asks("a", 0, 200, 8)
	chief := gang.Class{Role: "chief", Count: 40, Request: resource.Vector{4}, Nodes: p.Gang.Classes[0].Nodes}
	p.Gang.Classes = append(p.Gang.Classes, chief)
	p.Gang.Need = gang.Need{Total: 240, Role: map[string]int{"worker": 200, "chief": 40}}
	p.Asked = resource.Amounts{gpu: 200*8 + 40*4}
	benchmark(b, p, gang.Placed)
}

// The limit of the own queue is full, and so are the nodes.
func BenchmarkPreemptUnderLimit(b *testing.B) {
	w := full(500).limit("b", 4000)
	benchmark(b, w.asks("b", 9, 250, 8), gang.Placed)
}

// Verify only agrees to nodes of the upper half, which arithmetic cannot know.
func BenchmarkVerify(b *testing.B) {
	p := full(500).asks("a", 0, 8, 8)
	calls := 0
	p.Verify = func(gone []int) (bool, error) {
		calls++
		free := map[int]int{}
		whole := 0
		for _, u := range gone {
			if free[u/8]++; u >= 2000 && free[u/8] == 8 {
				whole++
			}
		}
		return whole >= 8, nil
	}
	benchmark(b, p, gang.Placed)
	b.ReportMetric(float64(calls)/float64(b.N), "calls")
}

// Neither victims nor a proof that there are none: the guarantees of the others would allow enough, but not on whole nodes.
func BenchmarkBudgetSpent(b *testing.B) {
	w := cluster(500, 8).queue("mine", "", 1000).queue("a", "mine", 1000).queue("theirs", "", 3000)
	w = spread(w.queue("b", "theirs", 0), 4, 4, inB)
	benchmark(b, w.asks("a", 0, 50, 8), gang.BudgetSpent)
}
