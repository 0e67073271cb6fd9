package topology

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// fourNodes are two racks of two nodes in one block; the last node has no rack.
func fourNodes() *Tree {
	levels := []Level{block, rack, host}
	return New("default", levels, []map[string]string{
		place(levels, "b1", "r1"), place(levels, "b1", "r1"), place(levels, "b1", "r2"), place(levels, "b1"),
	})
}

func TestFaults(t *testing.T) {
	good := fourNodes()
	labels := make([]map[string]string, 4)
	for name, test := range map[string]struct {
		r    Request
		want []string
	}{
		"no Topology":         {Request{Gang: Want{Required: "rack"}}, []string{`level "rack"`, "there is no Topology"}},
		"unknown level":       {Request{Trees: []*Tree{good}, Gang: Want{Required: "rak"}}, []string{`level "rak"`, "Topology default", `"block", "rack", "host"`}},
		"unknown of a unit":   {Request{Trees: []*Tree{good}, Gang: Want{Required: "rack"}, Units: []Unit{{Want: Want{Required: "pod"}}}}, []string{`level "pod"`}},
		"levels apart":        {Request{Trees: []*Tree{good, New("power", []Level{{"feed", "feed"}}, labels)}, Gang: Want{Required: "rack"}, Units: []Unit{{Want: Want{Required: "feed"}}}}, []string{`"rack" "feed"`, "Topology default has", "Topology power has"}},
		"no label":            {Request{Trees: []*Tree{good}, Gang: Want{Required: "host"}}, []string{`level "host"`, "kubernetes.io/hostname", "no node"}},
		"no levels":           {Request{Trees: []*Tree{New("empty", nil, labels)}, Gang: Want{Required: "rack"}}, []string{"Topology empty", "no level"}},
		"level twice":         {Request{Trees: []*Tree{New("odd", []Level{{"rack", "a"}, {"rack", "b"}}, labels)}, Gang: Want{Required: "rack"}}, []string{"Topology odd", `level "rack" appears twice`}},
		"label twice":         {Request{Trees: []*Tree{New("odd", []Level{{"block", "a"}, {"rack", "a"}}, labels)}, Gang: Want{Required: "rack"}}, []string{`label "a" appears twice`}},
		"members apart":       {Request{Trees: []*Tree{good}, Gang: Want{Required: "rack"}, Runs: []int32{2, 0}}, []string{"rack b1/r1", "rack b1/r2", "the gang"}},
		"unit apart":          {Request{Trees: []*Tree{good}, Gang: Want{Required: "block"}, Units: []Unit{{Name: "role ps", Want: Want{Required: "rack"}, Runs: []int32{0, 2}}}}, []string{"rack b1/r1", "rack b1/r2", "role ps"}},
		"member in no domain": {Request{Trees: []*Tree{good}, Gang: Want{Required: "rack"}, Runs: []int32{3}}, []string{"no rack", "Topology default"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := mustPlan(t, equal(2, 4, 4, 4, 4), &test.r)
			if a.Result != gang.Impossible || a.At != nil || len(a.Fit) != 1 {
				t.Fatalf("%+v, want it to be impossible", a)
			}
			for _, words := range test.want {
				if !strings.Contains(a.Fault, words) {
					t.Errorf("fault %q does not say %q", a.Fault, words)
				}
			}
			if sets := test.r.Domains(equal(2, 4, 4, 4, 4)); sets != nil {
				t.Errorf("with a fault the gang may be in %v", sets)
			}
		})
	}
}

// A preference that nobody can follow is said and ignored.
func TestUnknownPreference(t *testing.T) {
	r := &Request{Trees: []*Tree{fourNodes()}, Gang: Want{Required: "rack", Preferred: "pod"}}
	a := mustPlan(t, equal(8, 4, 4, 4, 4), r)
	if a.Result != gang.Placed || a.Where != "rack b1/r1" || !strings.Contains(a.Ignored, `"pod"`) {
		t.Errorf("%+v, want rack r1 and words about the level pod", a)
	}
	r.Gang.Required = ""
	if a = mustPlan(t, equal(16, 4, 4, 4, 4), r); a.Result != gang.Placed || a.Ignored == "" {
		t.Errorf("%+v, want it placed", a)
	}
}

// With conflicting members in one Topology, another one may still do.
func TestFaultInOneTopologyOnly(t *testing.T) {
	other := New("other", []Level{rack}, []map[string]string{place([]Level{rack}, "x"), place([]Level{rack}, "x"), place([]Level{rack}, "x"), nil})
	r := &Request{Trees: []*Tree{fourNodes(), other}, Gang: Want{Required: "rack"}, Runs: []int32{2, 0}}
	if a := mustPlan(t, equal(12, 4, 4, 4, 4), r); a.Result != gang.Placed || a.Where != "rack x" {
		t.Errorf("%+v, want rack x", a)
	}
}

func TestRequestsThatDoNotBelong(t *testing.T) {
	for name, r := range map[string]*Request{
		"tree of other nodes": {Trees: []*Tree{racks(1, 1)}},
		"class":               {Members: []Member{{Class: 1, Unit: -1}}},
		"unit":                {Members: []Member{{Class: 0, Unit: 0}}},
		"too few members":     {Members: []Member{{Class: 0, Unit: -1}}},
		"ranks":               {Ranks: []int{1}},
	} {
		if _, err := Plan(equal(2, 4), r, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Nothing of nothing.
func TestPlanOfNothing(t *testing.T) {
	for _, r := range []*Request{nil, {}, {Trees: []*Tree{nil}}, {Trees: []*Tree{New("", nil, nil), New("", []Level{rack}, nil)}}} {
		a, err := Plan(gang.Problem{}, r, nil)
		if err != nil || a.Result != gang.Placed {
			t.Errorf("%+v: %+v, %v", r, a, err)
		}
	}
	r := &Request{Trees: []*Tree{New("", []Level{rack}, nil)}, Gang: Want{Required: "rack", Preferred: "rack"}}
	if a, err := Plan(gang.Problem{}, r, nil); err != nil || a.Fault == "" {
		t.Errorf("%+v, %v", a, err)
	}
}

// Whatever names, labels, indices and amounts there are, nothing panics.
func TestPlanOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"", "a", "b", "c", "a/b", "r1", "r01"})
		index := rapid.Int32Range(-3, 6)
		nodes := rapid.IntRange(0, 5).Draw(t, "nodes")
		p := gang.Problem{Budget: 1000}
		for range nodes {
			p.Nodes = append(p.Nodes, gang.Node{Free: resource.Vector{rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, 7, math.MaxInt64}).Draw(t, "free")}})
		}
		for range rapid.IntRange(0, 3).Draw(t, "classes") {
			class := gang.Class{Count: rapid.IntRange(0, 4).Draw(t, "count"), Request: resource.Vector{rapid.SampledFrom([]int64{0, 1, 3, math.MaxInt64}).Draw(t, "ask")}}
			for node := range nodes {
				class.Nodes = append(class.Nodes, int32(node))
			}
			p.Classes = append(p.Classes, class)
			p.Need.Total += class.Count
		}
		want := func() Want { return Want{name.Draw(t, "required"), name.Draw(t, "preferred")} }
		r := &Request{Gang: want(), Runs: rapid.SliceOfN(index, 0, 3).Draw(t, "runs"), Needed: rapid.IntRange(-1, 9).Draw(t, "needed")}
		for range rapid.IntRange(0, 3).Draw(t, "trees") {
			var levels []Level
			for range rapid.IntRange(0, 3).Draw(t, "levels") {
				levels = append(levels, Level{name.Draw(t, "level"), name.Draw(t, "label")})
			}
			labels := make([]map[string]string, nodes)
			for node := range labels {
				if rapid.Bool().Draw(t, "described") {
					labels[node] = rapid.MapOfN(name, name, 0, 4).Draw(t, "labels")
				}
			}
			tree := New("t", levels, labels)
			tree.Title(int(index.Draw(t, "level")), index.Draw(t, "domain"))
			tree.Nodes(int(index.Draw(t, "level")), index.Draw(t, "domain"))
			tree.Domain(int(index.Draw(t, "level")), index.Draw(t, "node"))
			r.Trees = append(r.Trees, tree)
		}
		for range rapid.IntRange(0, 2).Draw(t, "units") {
			r.Units = append(r.Units, Unit{Want: want(), Runs: rapid.SliceOfN(index, 0, 2).Draw(t, "runs")})
		}
		if rapid.Bool().Draw(t, "members") {
			for c, class := range p.Classes {
				for range class.Count {
					r.Members = append(r.Members, Member{c, rapid.IntRange(-1, len(r.Units)-1).Draw(t, "unit")})
				}
			}
		}
		a, err := Plan(p, r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.Result == gang.Placed && len(a.At) != p.Need.Total || a.Fault != "" && a.Result != gang.Impossible {
			t.Fatalf("%+v", a)
		}
		r.Domains(p)
	})
}

func TestNamesWithNumbers(t *testing.T) {
	sorted := []string{"", "-", "1", "r", "r0", "r00", "r01", "r1", "r1a", "r2", "r2-b", "r10", "r10-2", "r10-10", "s"}
	shuffled := slices.Clone(sorted)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, natural)
	if !slices.Equal(shuffled, sorted) {
		t.Errorf("sorted %q, want %q", shuffled, sorted)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("01290a-")), 0, 6, -1)
		a, b, c := text.Draw(t, "a"), text.Draw(t, "b"), text.Draw(t, "c")
		if natural(a, b) != -natural(b, a) || (natural(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q", a, b)
		}
		if natural(a, b) <= 0 && natural(b, c) <= 0 && natural(a, c) > 0 {
			t.Fatalf("%q, %q, %q", a, b, c)
		}
	})
}
