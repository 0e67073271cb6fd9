package reclaim

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/topology"
)

// crowd draws a cluster that is nearly full with gangs of a tree of queues.
func crowd(t *rapid.T) *world {
	w := cluster(rapid.IntRange(5, 40).Draw(t, "nodes"), 8)
	all := int64(8 * len(w.nodes))
	w.queue("x", "", rapid.Int64Range(0, all).Draw(t, "x")).queue("y", "", rapid.Int64Range(0, all).Draw(t, "y"))
	queues := []string{"x1", "x2", "y1", "y2", "y3"}
	for _, name := range queues {
		w.queue(name, name[:1], rapid.Int64Range(0, all/2).Draw(t, name))
	}
	if rapid.IntRange(0, 4).Draw(t, "limited") == 0 {
		w.limit("x", rapid.Int64Range(all/4, all).Draw(t, "limit"))
	}
	for i := range 4 * len(w.nodes) {
		j := job{
			name: fmt.Sprint("g", i), queue: rapid.SampledFrom(queues).Draw(t, "queue"), gpus: rapid.SampledFrom([]int64{1, 1, 2, 4, 8}).Draw(t, "gpus"),
			priority: rapid.Int32Range(0, 2).Draw(t, "priority"), lost: rapid.Int64Range(0, 9).Draw(t, "lost"),
			fixed: rapid.IntRange(0, 9).Draw(t, "fixed") == 0,
		}
		first := rapid.IntRange(0, len(w.nodes)-1).Draw(t, "first")
		want := rapid.SampledFrom([]int{1, 1, 2, 4, 9}).Draw(t, "pods")
		for k := range w.nodes {
			node := (first + k) % len(w.nodes)
			for left := w.nodes[node]; left >= j.gpus && len(j.at) < want; left -= j.gpus {
				j.at = append(j.at, int32(node))
			}
		}
		if len(j.at) > 0 {
			j.minimum = rapid.IntRange(1, len(j.at)).Draw(t, "minimum")
			w.run(j)
		}
	}
	return w
}

// On clusters that are too large to try everything: what is decided is right as far as can be told from the decision.
func TestDecideIsSoundOnLargerClusters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := crowd(t)
		p := w.asks(rapid.SampledFrom([]string{"x1", "y1"}).Draw(t, "claimant"), 1, rapid.IntRange(1, 12).Draw(t, "members"), rapid.SampledFrom([]int64{1, 2, 4, 8}).Draw(t, "asks"))
		p.MaxRatio = rapid.SampledFrom([]float64{0, 0, 1, 2, 4}).Draw(t, "ratio")
		if rapid.Bool().Draw(t, "roles") {
			splitRoles(&p)
		}
		d, err := Decide(p)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := unsoundDecision(p, d); wrong != "" {
			t.Fatalf("%s: %+v", wrong, d)
		}
		if again, err := Decide(p); err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("asked again: %+v, error %v, after %+v", again, err, d)
		}
	})
}

// splitRoles makes half of the members chiefs.
func splitRoles(p *Problem) {
	workers := &p.Gang.Classes[0]
	chiefs := *workers
	chiefs.Role, chiefs.Count = "chief", workers.Count/2
	p.Gang.Classes[0].Count -= chiefs.Count
	p.Gang.Classes = append(p.Gang.Classes, chiefs)
	p.Gang.Need.Role = map[string]int{"chief": chiefs.Count}
}

func unsoundDecision(p Problem, d Decision) string {
	if d.Why == "" || d.Result != gang.Placed {
		if d.Why == "" || len(d.Victims)+len(d.Runs) > 0 {
			return "no words, or victims without a plan"
		}
		return ""
	}
	books := p.Ledger.Clone()
	gone := make([]bool, len(p.Units))
	for i, u := range d.Victims {
		if !mayGoNow(p, books, gone, u) {
			return fmt.Sprintf("unit %d, number %d of the victims, may not be taken", u, i)
		}
		gone[u] = true
		books.Release(p.Units[u].Queue, p.Units[u].Usage, false)
	}
	if !fitsWithout(p, books, d.Victims) || p.MaxRatio > 0 && d.Ratio > p.MaxRatio {
		return "the claimant does not fit, or the ratio is too high"
	}
	for i, u := range d.Victims {
		unit := p.Units[u]
		if !unit.Rest && slices.ContainsFunc(d.Victims, func(v int) bool { return p.Units[v].Rest && p.Units[v].Gang == unit.Gang }) {
			continue
		}
		books.Charge(unit.Queue, unit.Usage, false)
		less := slices.Delete(slices.Clone(d.Victims), i, i+1)
		if fitsWithout(p, books, less) && stillEntitled(p, books, less) {
			return fmt.Sprintf("unit %d could be spared", u)
		}
		books.Release(unit.Queue, unit.Usage, false)
	}
	return unsound(roomWithout(p, d.Victims), d.Runs)
}

func mayGoNow(p Problem, books *ledger.Ledger, gone []bool, u int) bool {
	unit := p.Units[u]
	for v, other := range p.Units {
		if unit.Rest && v != u && other.Gang == unit.Gang && !gone[v] {
			return false
		}
	}
	return !gone[u] && (unit.Preempt || books.Entitled(p.Queue, unit.Queue, p.Asked) && books.Takeable(p.Queue, unit.Queue, p.Asked, unit.Usage))
}

func fitsWithout(p Problem, books *ledger.Ledger, gone []int) bool {
	outcome, err := topology.Plan(roomWithout(p, gone), p.Topology, nil)
	return err == nil && outcome.Result == gang.Placed && books.Check(p.Queue, p.Asked, p.Firm) == nil
}

func stillEntitled(p Problem, books *ledger.Ledger, gone []int) bool {
	return !slices.ContainsFunc(gone, func(u int) bool {
		return !p.Units[u].Preempt && !books.Entitled(p.Queue, p.Units[u].Queue, p.Asked)
	})
}
