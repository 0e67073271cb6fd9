package reclaim

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Where going through all sets of units finds victims, no bound excludes them, however tight the limit.
func TestBoundsExcludeNoVictims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			boundsAllow(t, randomProblem(t))
		}
	})
}

func boundsAllow(t *rapid.T, p Problem) {
	d := newDecider(p)
	if as, err := d.asItIs(); err != nil || as.Why != "" {
		return // nothing for bounds to say
	}
	o := newOracle(p)
	least := int64(math.MaxInt64)
	for set := range o.legal {
		if o.legal[set] && o.fits[set] {
			evicted := int64(0)
			for _, u := range o.units(set) {
				evicted += p.Units[u].Usage[d.dominant]
			}
			least = min(least, evicted)
		}
	}
	if least == math.MaxInt64 {
		return
	}
	if at, err := d.atMost(); err != nil || at.Why != "" {
		t.Fatalf("evicting %d is enough: %s, error %v", least, at.Why, err)
	}
	if short := d.proof(least); short != nil || !d.enoughNodes(least) {
		t.Fatalf("evicting %d is enough: %+v, enough nodes is %v", least, short, d.enoughNodes(least))
	}
	if short := d.proof(resource.Unlimited); short != nil {
		t.Fatalf("there are victims: %+v", short)
	}
}

// On a cluster that is too large to search, impossibility is proved without any of the budget.
func TestProofsNeedNoBudget(t *testing.T) {
	held := eachNode(cluster(50, 8).queue("a", "", 400).queue("b", "", 0), func(w *world, node int32) {
		w.run(job{queue: "b", minimum: 1, gpus: 6, at: []int32{node}, fixed: true})
		w.run(job{name: string(rune(node)), queue: "b", minimum: 1, gpus: 2, at: []int32{node}})
	})
	scattered := spread(cluster(50, 8).queue("a", "", 400).queue("b", "", 0), 16, 16, inB)
	for _, test := range []struct {
		name  string
		p     Problem
		ratio float64
		why   string
	}{
		{"two GPUs of each node", held.asks("a", 0, 25, 8), 0, "evicting everything that may be evicted (50 gangs) would make room for 0 of 25 members"},
		{"one GPU above the guarantee is missing", full(50).queue("b", "", 201).asks("a", 0, 25, 8), 0, "evicting no more than queues use above their guarantees would make room for 24 of 25 members"},
		{"no right to so many", full(50).queue("a", "", 199).asks("a", 0, 25, 8), 0, "queue a would exceed its guarantee: 0 of 199 nvidia.com/gpu in use, 200 more asked"},
		{"each node needs too many gangs", scattered.asks("a", 0, 1, 8), 3, "would evict more than 24 nvidia.com/gpu for 8 asked: over the bound of 3"},
	} {
		test.p.MaxRatio, test.p.Budget = test.ratio, 1
		if d, err := Decide(test.p); err != nil || d.Result != gang.Impossible || d.Why != test.why {
			t.Errorf("%s: %v, error %v: %s", test.name, d.Result, err, d.Why)
		}
	}
}
