package reservation

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// drawDomains makes the gang one of equal members, that has to be in one rack, or each part of it.
func drawDomains(t *rapid.T) Problem {
	p := drawProblem(t, rapid.IntRange(0, 2).Draw(t, "holds"))
	members := rapid.IntRange(1, 4).Draw(t, "members")
	p.Gang.Classes = p.Gang.Classes[:1]
	p.Gang.Classes[0].Count = members
	p.Gang.Need = gang.Need{Total: members}
	labels := make([]map[string]string, len(p.Nodes))
	for node := range labels {
		labels[node] = map[string]string{"rack": rapid.SampledFrom([]string{"a", "b", "b", ""}).Draw(t, "rack")}
	}
	rack := topology.Want{Required: "rack"}
	p.Topology = &topology.Request{Trees: []*topology.Tree{topology.New("t", []topology.Level{{Name: "rack", Label: "rack"}}, labels)}, Needed: members}
	size := rapid.IntRange(0, 3).Draw(t, "size")
	if size == 0 {
		p.Topology.Gang = rack
	}
	for m := range members {
		member := topology.Member{Unit: -1}
		if size > 0 {
			if member.Unit = m / size; m%size == 0 {
				p.Topology.Units = append(p.Topology.Units, topology.Unit{Name: fmt.Sprint("part ", m/size), Want: rack})
			}
		}
		p.Topology.Members = append(p.Topology.Members, member)
	}
	return p
}

// inDomains are the problems of which one has to be solved: one for each way to give every part a rack.
func inDomains(p Problem) []Problem {
	tree := p.Topology.Trees[0]
	sizes := make([]int, max(1, len(p.Topology.Units)))
	for _, member := range p.Topology.Members {
		sizes[max(0, member.Unit)]++
	}
	ways := []Problem{p}
	ways[0].Topology, ways[0].Gang.Classes = nil, nil
	for _, size := range sizes {
		var next []Problem
		for _, way := range ways {
			for domain := range int32(tree.Domains(0)) {
				class := p.Gang.Classes[0]
				class.Count = size
				class.Nodes = slices.DeleteFunc(slices.Clone(class.Nodes), func(node int32) bool { return tree.Domain(0, node) != domain })
				with := way
				with.Gang.Classes = append(slices.Clone(way.Gang.Classes), class)
				next = append(next, with)
			}
		}
		ways = next
	}
	return ways
}

// With domains, Earliest finds what trying every way to give each part a rack finds.
func TestEarliestWithDomains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawDomains(t)
		start, err := Earliest(p)
		if err != nil {
			t.Fatal(err)
		}
		ways, want, ever := inDomains(p), -1, false
		for _, way := range ways {
			if minute := oracleEarliest(way); minute >= 0 && (want < 0 || minute < want) {
				want = minute
			}
			empty := withoutLargest(way, 4)
			empty.Holds = nil
			ever = ever || oracleFits(empty, 2*horizon)
		}
		switch {
		case want >= 0 && (!start.Known || !start.At.Equal(after(want))):
			t.Fatalf("%+v, want minute %d", start, want)
		case want >= 0:
			checkRuns(t, p, start, want)
			checkDomains(t, p, start)
		case start.Known || (start.Result == gang.Placed) != ever:
			t.Fatalf("%+v, but it never fits; in an empty cluster that is %v", start, ever)
		}
	})
}

// A hold is in one domain, and stands as long as nothing changes.
func TestRenewWithDomains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawDomains(t)
		hold, start, err := Renew(p, Hold{Gang: "g"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkDomains(t, p, start)
		again, later, err := Renew(p, hold, nil)
		if err != nil || !reflect.DeepEqual(hold, again) || !start.At.Equal(later.At) {
			t.Fatalf("%+v at %v, then %+v at %v, error %v", hold, start.At, again, later.At, err)
		}
	})
}

// checkDomains checks that what has to be in one rack as a whole is.
func checkDomains(t *rapid.T, p Problem, start Start) {
	tree := p.Topology.Trees[0]
	racks := map[int32]bool{}
	for _, run := range start.Runs {
		racks[tree.Domain(0, run.Node)] = true
	}
	if racks[-1] || len(racks) > 1 && p.Topology.Gang.Required != "" {
		t.Fatalf("%+v is in the racks %v", start.Runs, racks)
	}
}
