package topology

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// instance is a small gang on a small cluster.
type instance struct {
	p gang.Problem
	r *Request
}

// drawInstance draws sizes evenly rather than by rapid, which prefers small numbers, so that supply is often close to
// demand.
func drawInstance(t *rapid.T, nodes, members int) instance {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), rapid.Uint64().Draw(t, "more seed")))
	between := func(low, high int) int { return low + random.IntN(high-low+1) }
	dims := between(1, 2)
	amount := func(low, high int) resource.Vector {
		v := make(resource.Vector, dims)
		for d := range v {
			v[d] = int64(between(low, high))
		}
		return v
	}
	in := instance{p: gang.Problem{Budget: 1 << 24}, r: &Request{}}
	for range between(2, nodes) {
		in.p.Nodes = append(in.p.Nodes, gang.Node{Free: amount(0, 6), Idle: between(0, 1) == 0})
	}
	classes := between(1, 3)
	for range classes {
		class := gang.Class{Role: []string{"ps", "worker"}[between(0, 1)], Request: amount(1, 4)}
		for node := range in.p.Nodes {
			if between(0, 5) > 0 {
				class.Nodes = append(class.Nodes, int32(node))
			}
		}
		in.p.Classes = append(in.p.Classes, class)
	}
	in.drawTrees(between)
	in.drawMembers(between, members)
	in.drawWants(between)
	return in
}

func (in *instance) drawTrees(between func(low, high int) int) {
	levels := []Level{block, rack, host}
	for i := range between(1, 2) {
		depth := between(2, 3)
		from := 0
		if depth == 2 {
			from = between(0, 1)
		}
		own := levels[from : from+depth]
		labels := make([]map[string]string, len(in.p.Nodes))
		for node := range labels {
			if between(0, 11) == 0 {
				continue // not described
			}
			labels[node] = map[string]string{}
			for _, level := range own {
				switch {
				case between(0, 11) == 0: // no label
				case level == block:
					labels[node][level.Label] = fmt.Sprintf("b%d", between(1, 2))
				case level == rack:
					labels[node][level.Label] = fmt.Sprintf("r%d", between(1, 3))
				default:
					labels[node][level.Label] = fmt.Sprintf("n%d", node)
				}
			}
		}
		in.r.Trees = append(in.r.Trees, New(fmt.Sprintf("t%d", i), own, labels))
	}
}

func (in *instance) drawMembers(between func(low, high int) int, most int) {
	units := between(0, 3)
	for range units {
		in.r.Units = append(in.r.Units, Unit{Name: fmt.Sprintf("unit %d", len(in.r.Units))})
	}
	n := between(most/2, most)
	for range n {
		m := Member{Class: between(0, len(in.p.Classes)-1), Unit: between(-1, units-1)}
		in.r.Members = append(in.r.Members, m)
		in.p.Classes[m.Class].Count++
	}
	if between(0, 2) == 0 { // segments
		for i := range in.r.Members {
			in.r.Members[i].Unit = min(i/2, units-1)
		}
	}
	in.r.Needed = between(max(0, n-2), n)
	in.p.Need.Total = in.r.Needed
	if in.r.Needed > 0 && between(0, 2) == 0 {
		in.p.Need.Role = map[string]int{"ps": 1}
	}
	if between(0, 1) == 0 {
		for range in.r.Members {
			in.r.Ranks = append(in.r.Ranks, between(0, n))
		}
	}
}

func (in *instance) drawWants(between func(low, high int) int) {
	name := func(odds int) string {
		if between(0, odds) > 0 {
			return ""
		}
		return []string{"block", "rack", "rack", "host"}[between(0, 3)]
	}
	in.r.Gang = Want{Required: name(1), Preferred: name(1)}
	for u := range in.r.Units {
		in.r.Units[u].Want = Want{Required: name(1), Preferred: name(2)}
	}
	node := func() int32 { return int32(between(0, len(in.p.Nodes)-1)) }
	if between(0, 3) == 0 {
		in.r.Runs = append(in.r.Runs, node())
	}
	for u := range in.r.Units {
		if between(0, 5) == 0 {
			in.r.Units[u].Runs = append(in.r.Units[u].Runs, node())
		}
	}
}

// known reports whether a Topology knows all levels, so that no preference is ignored.
func (in instance) known() bool { return len(knowing(in.r)) > 0 }

// On small instances there is a plan exactly when trying everything finds one. It keeps what is required, and has as many
// members as possible.
func TestPlanFindsWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			in := drawInstance(t, 8, 6)
			if in.known() {
				in.check(t, nil)
			}
		}
	})
}

// The same where members constrain each other.
func TestPlanInSpaceFindsWhatThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			in := drawInstance(t, 6, 5)
			if in.known() {
				in.check(t, &rules{
					perNode: rapid.IntRange(1, 3).Draw(t, "per node"),
					apart:   [2]int{rapid.IntRange(-1, 2).Draw(t, "one"), rapid.IntRange(0, 2).Draw(t, "other")},
				})
			}
		}
	})
}

func (in instance) check(t *rapid.T, r *rules) {
	var space gang.Space
	if r != nil {
		space = r
	}
	a, err := Plan(in.p, in.r, space)
	if err != nil {
		t.Fatal(err)
	}
	if r != nil && len(r.at) > 0 {
		t.Fatalf("%d placements were not taken back", len(r.at))
	}
	want := most(in.p, in.r, r)
	switch a.Result {
	case gang.Placed:
		if wrong := unsound(in.p, in.r, a, r); wrong != "" {
			t.Fatalf("%s\nproblem %+v\nrequest %+v\nanswer %+v", wrong, in.p, in.r, a)
		}
		if a.Total() < want && (r == nil || !in.p.Need.Met()) { // with nothing at stake and a Space, filling is all
			t.Fatalf("%d members of %d\nproblem %+v\nrequest %+v\nanswer %+v", a.Total(), want, in.p, in.r, a)
		}
	case gang.Impossible:
		if want >= 0 {
			t.Fatalf("said to be impossible, but %d members can be placed\nproblem %+v\nrequest %+v\nanswer %+v", want, in.p, in.r, a)
		}
		if a.At != nil || a.Runs != nil {
			t.Fatalf("no plan, but places: %+v", a)
		}
	default:
		t.Fatalf("%v on a small instance\nproblem %+v\nrequest %+v", a.Result, in.p, in.r)
	}
}

// The same question has the same answer.
func TestPlanIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, 8, 10)
		in.p.Budget = rapid.IntRange(1, 1<<14).Draw(t, "budget")
		first, err := Plan(in.p, in.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if again, _ := Plan(in.p, in.r, nil); !reflect.DeepEqual(first, again) {
				t.Fatalf("the same question, another answer:\n%+v\n%+v", first, again)
			}
		}
	})
}

// Whatever the budget, a plan is sound, and what is said to be impossible is.
func TestPlanNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			in := drawInstance(t, 7, 6)
			in.p.Budget = rapid.IntRange(1, 1000).Draw(t, "budget")
			a, err := Plan(in.p, in.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !in.known() {
				continue
			}
			if wrong := unsound(in.p, in.r, a, nil); a.Result == gang.Placed && wrong != "" {
				t.Fatalf("%s: %+v", wrong, a)
			}
			if n := most(in.p, in.r, nil); a.Result == gang.Impossible && n >= 0 {
				t.Fatalf("said to be impossible, but %d members can be placed\nproblem %+v\nrequest %+v\nanswer %+v", n, in.p, in.r, a)
			}
		}
	})
}

// A plan lies in one of the sets of nodes in which the gang may be.
func TestDomainsHoldPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, 8, 6)
		sets := in.r.Domains(in.p)
		a, err := Plan(in.p, in.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.Result != gang.Placed || a.Total() == 0 {
			return
		}
		holds := func(set []int32) bool {
			return !slices.ContainsFunc(a.At, func(node int32) bool { return node >= 0 && !slices.Contains(set, node) })
		}
		if !slices.ContainsFunc(sets, holds) {
			t.Fatalf("the plan %v is in none of %v", a.At, sets)
		}
	})
}
