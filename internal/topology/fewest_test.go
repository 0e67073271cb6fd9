package topology

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// A plan never uses more domains of the preferred level than first-fit would, for the same members.
func TestPlanIsNeverWorseThanFirstFit(t *testing.T) {
	better := 0
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			in := drawInstance(t, 10, 12)
			a, err := Plan(in.p, in.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a.Result != gang.Placed || !in.known() {
				continue
			}
			ours := domainsUsed(in, knowing(in.r), a.At)
			for _, tree := range knowing(in.r) {
				theirs, fits := (&firstFitter{in: in, t: tree}).plan(a.At)
				if !fits {
					continue
				}
				if c := domainsUsed(in, []*Tree{tree}, theirs); c < 0 {
					continue // members that run are apart in this Topology
				} else if c < ours {
					t.Fatalf("%d domains, first-fit uses %d\nproblem %+v\nrequest %+v\nanswer %+v\nfirst-fit %v", ours, c, in.p, in.r, a, theirs)
				} else if c > ours {
					better++
				}
			}
		}
	})
	if better == 0 {
		t.Error("no plan is better than first-fit")
	}
}

// domainsUsed is the fewest domains, over some Topologies, of the level that the gang prefers; if it
// prefers none, of those that its units prefer, added up.
func domainsUsed(in instance, trees []*Tree, at []int32) int {
	fewest := -1
	for _, tree := range trees {
		o := &oracle{p: in.p, r: in.r, t: tree, members: in.r.Members, at: at}
		if !o.kept() {
			continue
		}
		n := 0
		preferred := func(name string, above int, runs []int32, has func(Member) bool) {
			l := level(tree, name)
			if l <= above || tree.Domains(l) == 0 {
				return
			}
			seen := map[int32]bool{}
			add := func(node int32) {
				d := tree.Domain(l, node)
				if d < 0 {
					d = -1 - node
				}
				seen[d] = true
			}
			for i, node := range at {
				if node >= 0 && has(in.r.Members[i]) {
					add(node)
				}
			}
			for _, node := range runs {
				add(node)
			}
			n += len(seen)
		}
		above := level(tree, in.r.Gang.Required)
		all := slices.Clone(in.r.Runs)
		for _, u := range in.r.Units {
			all = append(all, u.Runs...)
		}
		if p := level(tree, in.r.Gang.Preferred); p > above && tree.Domains(p) > 0 {
			preferred(in.r.Gang.Preferred, above, all, func(Member) bool { return true })
		} else {
			for i, u := range in.r.Units {
				own := -1
				if u.Want.Required != "" && !tree.implies(above, level(tree, u.Want.Required)) {
					own = level(tree, u.Want.Required)
				}
				preferred(u.Want.Preferred, max(above, own), u.Runs, func(m Member) bool { return m.Unit == i })
			}
		}
		if fewest < 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}

// firstFitter goes through the domains in the order of the tree, and in them through the nodes in that order: the gang in
// the first domain where it fits, in there each unit in the first domain where it fits, each member on the first node.
type firstFitter struct {
	in   instance
	t    *Tree
	free []resource.Vector
	at   []int32
}

// plan places the members that another plan places.
func (f *firstFitter) plan(chosen []int32) ([]int32, bool) {
	runs := slices.Clone(f.in.r.Runs)
	for _, u := range f.in.r.Units {
		runs = append(runs, u.Runs...)
	}
	for _, set := range f.domains(f.in.r.Gang.Required, runs, nil) {
		f.free, f.at = nil, make([]int32, len(chosen))
		for _, node := range f.in.p.Nodes {
			f.free = append(f.free, slices.Clone(node.Free))
		}
		for i := range f.at {
			f.at[i] = -1
		}
		if f.units(chosen, set) {
			return f.at, true
		}
	}
	return nil, false
}

// units places the units that ask for something in the order of their first members, then all others.
func (f *firstFitter) units(chosen []int32, set []int32) bool {
	var order []int
	for i, m := range f.in.r.Members {
		if chosen[i] >= 0 && m.Unit >= 0 && !slices.Contains(order, m.Unit) && f.in.r.Units[m.Unit].Want != (Want{}) {
			order = append(order, m.Unit)
		}
	}
	for _, u := range append(order, -1) {
		var members []int
		for i, m := range f.in.r.Members {
			if chosen[i] >= 0 && (m.Unit == u || u < 0 && !slices.Contains(order, m.Unit)) {
				members = append(members, i)
			}
		}
		slices.SortStableFunc(members, func(a, b int) int { return cmp.Compare(f.in.r.Members[a].Class, f.in.r.Members[b].Class) })
		sets := [][]int32{set}
		if u >= 0 {
			sets = f.domains(f.in.r.Units[u].Want.Required, f.in.r.Units[u].Runs, set)
		}
		if !slices.ContainsFunc(sets, func(nodes []int32) bool { return f.members(members, nodes) }) {
			return false
		}
	}
	return true
}

// domains are the nodes of each domain of a level that are in a set, or of the one where members run.
func (f *firstFitter) domains(required string, runs []int32, set []int32) [][]int32 {
	in := func(node int32) bool { return set == nil || slices.Contains(set, node) }
	order := func(a, b int32) int { return cmp.Compare(f.t.order[a], f.t.order[b]) }
	var lists [][]int32
	if required == "" {
		lists = [][]int32{f.t.all}
	}
	for d := range int32(f.t.Domains(level(f.t, required))) {
		if len(runs) == 0 || f.t.Domain(level(f.t, required), runs[0]) == d {
			lists = append(lists, f.t.Nodes(level(f.t, required), d))
		}
	}
	for i, list := range lists {
		lists[i] = slices.DeleteFunc(slices.Clone(list), func(node int32) bool { return !in(node) })
		slices.SortFunc(lists[i], order)
	}
	return lists
}

// members places each member on the first node with room, or none of them.
func (f *firstFitter) members(members []int, nodes []int32) bool {
	for n, i := range members {
		class := f.in.p.Classes[f.in.r.Members[i].Class]
		at := slices.IndexFunc(nodes, func(node int32) bool {
			return slices.Contains(class.Nodes, node) && class.Request.Fits(f.free[node])
		})
		if at < 0 {
			for _, i := range members[:n] {
				f.free[f.at[i]].Add(f.in.p.Classes[f.in.r.Members[i].Class].Request)
				f.at[i] = -1
			}
			return false
		}
		f.at[i] = nodes[at]
		f.free[nodes[at]].Sub(class.Request)
	}
	return true
}

// For members of one class the number of preferred domains is the least possible, and of the wider ones one if that does
// not take more.
func TestPlanUsesTheFewestDomains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 6), 2, 10).Draw(t, "free in each rack")
		inBlock := rapid.SliceOfN(rapid.IntRange(1, 3), len(sizes), len(sizes)).Draw(t, "block of each rack")
		total := 0
		var free []int64
		var labels []map[string]string
		levels := []Level{block, rack}
		for i, n := range sizes {
			total += n
			for _, part := range []int{n / 2, n - n/2} { // two nodes in each rack
				free = append(free, int64(part))
				labels = append(labels, place(levels, string(rune('a'+inBlock[i])), string(rune('a'+i))))
			}
		}
		if total == 0 {
			return
		}
		members := rapid.IntRange(1, total).Draw(t, "members")
		tree := New("default", levels, labels)
		a, err := Plan(equal(members, free...), &Request{Trees: []*Tree{tree}, Gang: Want{Preferred: "rack"}}, nil)
		if err != nil || a.Result != gang.Placed {
			t.Fatalf("%+v, %v", a, err)
		}
		fewest, oneBlock := len(sizes), false
		for chosen := range 1 << len(sizes) {
			n, room, blocks := 0, 0, map[int]bool{}
			for i, size := range sizes {
				if chosen&(1<<i) != 0 {
					n++
					room += size
					blocks[inBlock[i]] = true
				}
			}
			if room < members || n > fewest {
				continue
			}
			if n < fewest {
				fewest, oneBlock = n, false
			}
			oneBlock = oneBlock || len(blocks) == 1
		}
		used := func(level int) int {
			seen := map[int32]bool{}
			for _, node := range a.At {
				seen[tree.Domain(level, node)] = true
			}
			return len(seen)
		}
		if used(1) != fewest || oneBlock && used(0) != 1 {
			t.Fatalf("%d racks in %d blocks, want %d racks, in one block %v: %v", used(1), used(0), fewest, oneBlock, a.At)
		}
	})
}
