package reclaim

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

func TestDecideOnTheEdge(t *testing.T) {
	books := ledger.New()
	one := []gang.Class{{Count: 1, Request: resource.Vector{1}}}
	for _, test := range []struct {
		name string
		p    Problem
		want gang.Result
	}{
		{"nothing at all", Problem{Queue: "default"}, gang.Placed},
		{"members without nodes", Problem{Queue: "default", Gang: gang.Problem{Classes: one, Need: gang.Need{Total: 1}}}, gang.Impossible},
		{"a need without members", Problem{Queue: "default", Gang: gang.Problem{Need: gang.Need{Total: 1}}}, gang.Impossible},
		{"no such queue", Problem{Queue: "nowhere", Gang: gang.Problem{Classes: one, Need: gang.Need{Total: 1}}, Units: []Unit{{Gang: "g", Queue: "nowhere either"}}}, gang.Impossible},
		{"members that are not needed", Problem{Queue: "default", Gang: gang.Problem{Classes: one}}, gang.Placed},
		{"a ratio that is no number", Problem{Queue: "default", MaxRatio: math.NaN(), Asked: resource.Amounts{"cpu": 1}}, gang.Placed},
	} {
		test.p.Ledger = books
		d, err := Decide(test.p)
		if err != nil || d.Result != test.want || len(d.Victims) > 0 || d.Why == "" {
			t.Errorf("%s: %+v, error %v", test.name, d, err)
		}
	}
}

// Absurd amounts make no difference to anything but themselves: no panic, and no victims without a plan.
func TestDecideSaturates(t *testing.T) {
	huge := rapid.SampledFrom([]int64{1, 1 << 60, math.MaxInt64 - 1, math.MaxInt64})
	rapid.Check(t, func(t *rapid.T) {
		p := randomProblem(t)
		p.MaxRatio = rapid.SampledFrom([]float64{0, 0.001, 1, math.MaxFloat64, math.Inf(1)}).Draw(t, "ratio")
		times := huge.Draw(t, "times")
		grow := func(v resource.Vector) {
			for d := range v {
				v[d] = resource.Product(v[d], times)
			}
		}
		for i := range p.Gang.Nodes {
			grow(p.Gang.Nodes[i].Free)
		}
		for u := range p.Units {
			p.Units[u].Usage = p.Units[u].Usage.Times(huge.Draw(t, "usage"))
			p.Units[u].Lost = huge.Draw(t, "lost")
		}
		grow(p.Gang.Classes[0].Request)
		p.Asked = p.Asked.Times(times)
		d, err := Decide(p)
		if err != nil || d.Why == "" || d.Result != gang.Placed && len(d.Victims) > 0 {
			t.Fatalf("%+v, error %v", d, err)
		}
	})
}
