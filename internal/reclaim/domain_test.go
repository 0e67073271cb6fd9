package reclaim

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// With domains too, compared with going through all sets of units and all places for the members: victims are found exactly when
// there are some, each may be taken in its turn, none can be spared, and the claimant fits afterwards where it asks to be.
func TestDecideIsExactWithDomains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 5 {
			p := randomProblem(t)
			randomLayout(t, &p)
			p.Budget = 1 << 24
			check(t, p)
		}
	})
}

func TestDecideIsExactWithDomainsAndRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 5 {
			p := randomProblem(t)
			randomLayout(t, &p)
			p.MaxRatio = rapid.SampledFrom([]float64{0.5, 1, 1.5, 2, 3}).Draw(t, "ratio")
			p.Budget = 1 << 24
			check(t, p)
		}
	})
}

func TestDecideIsExactWithDomainsAndVerify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomProblem(t)
		randomLayout(t, &p)
		clauses := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 7), 1, 4), 0, 3).Draw(t, "clauses")
		p.Verify = func(gone []int) (bool, error) {
			for _, clause := range clauses {
				if !slices.ContainsFunc(clause, func(u int) bool { return slices.Contains(gone, u) }) {
					return false, nil
				}
			}
			return true, nil
		}
		p.Budget = 1 << 24
		check(t, p)
	})
}

// On clusters that are too large to try everything: what is decided is right as far as can be told from the decision, and
// nothing is evicted that has no part in the domain that the claimant gets.
func TestDomainsOnLargerClusters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := crowd(t)
		p := w.asks(rapid.SampledFrom([]string{"x1", "y1"}).Draw(t, "claimant"), 1, rapid.IntRange(1, 12).Draw(t, "members"), rapid.SampledFrom([]int64{1, 2, 4, 8}).Draw(t, "asks"))
		p.MaxRatio = rapid.SampledFrom([]float64{0, 0, 1, 2, 4}).Draw(t, "ratio")
		want := rapid.SampledFrom([]topology.Want{{}, rack, block, {Preferred: "rack"}})
		p = racks(p, rapid.IntRange(1, 6).Draw(t, "rack"), rapid.IntRange(1, 4).Draw(t, "block"), want.Draw(t, "want"), rapid.IntRange(0, 4).Draw(t, "part"), want.Draw(t, "part wants"))
		d, err := Decide(p)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := unsoundDecision(p, d); wrong != "" {
			t.Fatalf("%s: %+v", wrong, d)
		}
		if wrong := elsewhere(p, d); wrong != "" {
			t.Fatalf("%s: %+v", wrong, d)
		}
		if again, err := Decide(p); err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("asked again: %+v, error %v, after %+v", again, err, d)
		}
	})
}

// elsewhere says which victim has no pod in the domain of the plan, or is empty. Where quota or the right to what others have
// lacks, victims elsewhere may be needed.
func elsewhere(p Problem, d Decision) string {
	level, known := p.Topology.Trees[0].Level(p.Topology.Gang.Required)
	entitled := stillEntitled(p, p.Ledger, all(len(p.Units))) && p.Ledger.Check(p.Queue, p.Asked, p.Firm) == nil
	if !known || len(d.Victims) == 0 || !entitled {
		return apart(p.Topology, d.Runs)
	}
	domain := p.Topology.Trees[0].Domain(level, d.Runs[0].Node)
	near := map[string]bool{}
	for _, u := range d.Victims {
		for _, pod := range p.Units[u].Pods {
			if p.Topology.Trees[0].Domain(level, pod.Node) == domain {
				near[p.Units[u].Gang] = true
			}
		}
	}
	for _, u := range d.Victims {
		if !near[p.Units[u].Gang] {
			return fmt.Sprintf("unit %d is not in %s", u, p.Topology.Trees[0].Title(level, domain))
		}
	}
	return apart(p.Topology, d.Runs)
}

func all(n int) []int {
	indices := make([]int, n)
	for i := range indices {
		indices[i] = i
	}
	return indices
}

// Where several domains can be cleared, the victims are those that cost least by the order of all decisions.
func TestCheapestDomain(t *testing.T) {
	w := cluster(6, 1).queue("q", "", 0)
	for node, j := range []job{{lost: 1}, {lost: 90}, {lost: 20}, {lost: 30}, {lost: 1, priority: 2}, {lost: 1, priority: 2}} {
		j.name, j.queue, j.minimum, j.gpus, j.at = fmt.Sprint("g", node), "q", 1, 1, []int32{int32(node)}
		w.run(j)
	}
	d, err := Decide(racks(w.asks("q", 9, 2, 1), 2, 3, rack, 0, rack))
	if err != nil || d.Result != gang.Placed || !slices.Equal(victims(w.asks("q", 9, 2, 1), d), []string{"g2", "g3"}) {
		t.Errorf("victims %v, error %v: %s", d.Victims, err, d.Why)
	}
}
