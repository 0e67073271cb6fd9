package simulate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

// Where gangs are single pods of one GPU, what a queue is guaranteed and asks for it has, once all has come to rest, as long
// as others have enough above their guarantees to take back.
func TestGuaranteesAreMet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := simulate.Workload{Start: begin}
		var gpus int64
		w.Nodes, gpus = drawNodes(t)
		var leaves []string
		w.Queues, leaves = tree(t, gpus, true)
		for i := range rapid.IntRange(1, 40).Draw(t, "gangs") {
			w.Gangs = append(w.Gangs, simulate.Gang{
				Name: fmt.Sprintf("job-%02d", i), Queue: rapid.SampledFrom(leaves).Draw(t, "queue"),
				Arrival: begin.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "arrival")) * time.Second),
				Pods:    1, Min: 1, Request: resource.Amounts{simulate.GPU: 1, "cpu": 1, simulate.Pods: 1},
			})
		}
		o := drawOptions(t)
		o.MaxRatio = 0
		r := run(t, start(t, w, o), begin.Add(10*time.Minute))
		books := newBooks(w, r)
		for _, g := range r.Gangs {
			if g.Bound == 0 && books.couldHave(g.Gang.Queue) {
				t.Fatalf("gang %q of queue %q waits (%v) though there is enough to take back: used %v", g.Gang.Name, g.Gang.Queue, g.Verdict, books.used)
			}
		}
	})
}

// books is how many GPUs every queue is guaranteed and uses, for trees of two levels.
type books struct {
	queues map[string]ledger.Queue
	used   map[string]int64
	free   int64
}

func newBooks(w simulate.Workload, r simulate.Result) books {
	b := books{queues: map[string]ledger.Queue{}, used: map[string]int64{}}
	for _, q := range w.Queues {
		b.queues[q.Name] = q
	}
	for _, n := range w.Nodes {
		b.free += n.Allocatable[simulate.GPU]
	}
	for _, g := range r.Gangs {
		b.free -= int64(g.Bound)
		b.used[g.Gang.Queue] += int64(g.Bound)
		if parent := b.queues[g.Gang.Queue].Parent; parent != "" {
			b.used[parent] += int64(g.Bound)
		}
	}
	return b
}

func (b books) above(queue string) int64 {
	return max(0, b.used[queue]-b.queues[queue].Guarantee[simulate.GPU])
}

func (b books) below(queue string) bool {
	return b.used[queue] < b.queues[queue].Guarantee[simulate.GPU]
}

// couldHave reports whether one GPU more is free for a queue, or may be taken back for it: from siblings if the queue is
// below its guarantee, from other departments if its department is below its own.
func (b books) couldHave(queue string) bool {
	if b.free > 0 {
		return true
	}
	own := b.queues[queue]
	branch := queue
	if own.Parent != "" {
		branch = own.Parent
	}
	for name, q := range b.queues {
		leaf := true
		for _, other := range b.queues {
			leaf = leaf && other.Parent != name
		}
		switch {
		case !leaf || name == queue || b.above(name) == 0 || b.used[name] == 0:
		case q.Parent != "" && q.Parent == own.Parent:
			if b.below(queue) {
				return true
			}
		case b.below(branch) && (q.Parent == "" || b.above(q.Parent) > 0):
			return true
		}
	}
	return false
}

// Queues that always want more share what there is by their weights, whatever the weights and however long their jobs last.
func TestEndlessLoadIsSplitByWeight(t *testing.T) {
	const nodes, gpus, hours = 25, 200, 4
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			w := simulate.Workload{Start: begin}
			for i := range nodes {
				w.Nodes = append(w.Nodes, drawnNode(i, gpus/nodes))
			}
			var total int64
			for i := range 2 + random.IntN(3) {
				q := ledger.Queue{Name: fmt.Sprint("queue-", i), Weight: 1 + random.Int64N(5), Reclaimable: true}
				total += q.Weight
				w.Queues = append(w.Queues, q)
				lasts := time.Duration(10+random.IntN(20)) * time.Minute
				// More than the queue could run if it had everything.
				for k := range int(gpus * hours * time.Hour / lasts) {
					w.Gangs = append(w.Gangs, simulate.Gang{
						Name: fmt.Sprintf("job-%d-%d", i, k), Queue: q.Name, Arrival: begin, Pods: 1, Min: 1,
						Request: resource.Amounts{simulate.GPU: 1, simulate.Pods: 1}, Duration: lasts, Expected: lasts * time.Duration(random.IntN(2)),
					})
				}
			}
			s, err := simulate.New(w, simulate.Options{Dispatch: dispatch.Options{Reservations: random.IntN(3)}})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(begin.Add(hours * time.Hour)); err != nil {
				t.Fatal(err)
			}
			r := s.Result()
			d, _ := r.Table.Dimension(simulate.GPU)
			used := make([]float64, len(w.Queues))
			for _, change := range r.Changes {
				if change.Used != nil {
					used[change.Queue] += float64(change.Used[d]) * r.End.Sub(change.At).Hours()
				}
			}
			for i, q := range w.Queues {
				got, want := used[i]/(gpus*hours), float64(q.Weight)/float64(total)
				if math.Abs(got-want) > 0.01 {
					t.Errorf("queue %s of weight %d of %d used %.4f, want %.4f within 0.01", q.Name, q.Weight, total, got, want)
				}
			}
		})
	}
}
