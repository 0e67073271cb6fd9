package reclaim

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// layout goes through all ways to place members one by one, and tells whether one of them is as a request wants it.
type layout struct {
	room   gang.Problem
	want   *topology.Request
	tree   *topology.Tree
	byPart bool
	at     []int32 // of each member, -1: not placed
}

func newLayout(room gang.Problem, want *topology.Request) *layout {
	return &layout{room: room, want: want, at: slices.Repeat([]int32{-1}, len(want.Members))}
}

// possible looks at the Topologies that know all levels or, if there is none, those that know the required ones.
func (l *layout) possible() bool {
	levels := []string{l.want.Gang.Required}
	for _, unit := range l.want.Units {
		levels = append(levels, unit.Want.Required)
	}
	knowing := func(levels []string) []*topology.Tree {
		return slices.DeleteFunc(slices.Clone(l.want.Trees), func(tree *topology.Tree) bool {
			return slices.ContainsFunc(levels, func(level string) bool { return depth(tree, level) < 0 && level != "" })
		})
	}
	trees := knowing(append(slices.Clone(levels), l.want.Gang.Preferred))
	if len(trees) == 0 {
		trees = knowing(levels)
	}
	for _, l.tree = range trees {
		if slices.ContainsFunc(levels, func(level string) bool { return level != "" && l.tree.Domains(depth(l.tree, level)) == 0 }) {
			continue // Such a level is a mistake, whatever members it is asked for.
		}
		// A part that the gang's own domain holds together anyway asks for nothing.
		l.byPart = slices.ContainsFunc(l.want.Members, func(m topology.Member) bool {
			return m.Unit >= 0 && depth(l.tree, l.want.Units[m.Unit].Want.Required) > depth(l.tree, l.want.Gang.Required)
		})
		if l.place(0) {
			return true
		}
	}
	return false
}

// depth is the index of a level, -1 for none.
func depth(tree *topology.Tree, level string) int {
	if i, known := tree.Level(level); known {
		return i
	}
	return -1
}

// place tries everything for the members from one on.
func (l *layout) place(m int) bool {
	if !l.together() {
		return false
	}
	if m == len(l.at) {
		return l.enough()
	}
	class := l.room.Classes[l.want.Members[m].Class]
	for _, node := range class.Nodes {
		free := l.room.Nodes[node].Free
		if !class.Request.Fits(free) {
			continue
		}
		free.Sub(class.Request)
		l.at[m] = node
		done := l.place(m + 1)
		l.at[m] = -1
		free.Add(class.Request)
		if done {
			return true
		}
	}
	return !(l.byPart && m < l.want.Needed) && l.place(m+1)
}

// enough reports whether what is placed is what the gang needs.
func (l *layout) enough() bool {
	if l.byPart {
		return true // Members that are needed were not left out.
	}
	total, roles := 0, map[string]int{}
	for m, at := range l.at {
		if at >= 0 {
			total++
			roles[l.room.Classes[l.want.Members[m].Class].Role]++
		}
	}
	for role, need := range l.room.Need.Role {
		if roles[role] < need {
			return false
		}
	}
	return total >= l.room.Need.Total
}

// together reports whether what is placed is in the domains that it has to be in.
func (l *layout) together() bool {
	all := slices.Clone(l.want.Runs)
	units := make([][]int32, len(l.want.Units))
	for u, unit := range l.want.Units {
		units[u] = slices.Clone(unit.Runs)
		all = append(all, unit.Runs...)
	}
	for m, at := range l.at {
		if at >= 0 {
			all = append(all, at)
			if u := l.want.Members[m].Unit; u >= 0 {
				units[u] = append(units[u], at)
			}
		}
	}
	if !inOneDomain(l.tree, l.want.Gang.Required, all) {
		return false
	}
	for u, nodes := range units {
		if !inOneDomain(l.tree, l.want.Units[u].Want.Required, nodes) {
			return false
		}
	}
	return true
}

func inOneDomain(tree *topology.Tree, name string, nodes []int32) bool {
	level, known := tree.Level(name)
	return name == "" || known && !slices.ContainsFunc(nodes, func(node int32) bool {
		domain := tree.Domain(level, node)
		return domain < 0 || domain != tree.Domain(level, nodes[0])
	})
}

// apart says what is wrong about where a plan has the gang as a whole, or is empty.
func apart(want *topology.Request, runs []gang.Run) string {
	nodes := slices.Clone(want.Runs)
	for _, run := range runs {
		nodes = append(nodes, run.Node)
	}
	for _, tree := range want.Trees {
		if inOneDomain(tree, want.Gang.Required, nodes) {
			return ""
		}
	}
	return fmt.Sprintf("runs %v are not in one %s", runs, want.Gang.Required)
}

// randomLayout lets the claimant of a problem ask for domains of one or two Topologies.
func randomLayout(t *rapid.T, p *Problem) {
	levels := []topology.Level{{Name: "block", Label: "block"}, {Name: "rack", Label: "rack"}}
	r := &topology.Request{}
	for i := range rapid.SampledFrom([]int{1, 1, 2}).Draw(t, "trees") {
		labels := make([]map[string]string, len(p.Gang.Nodes))
		for node := range labels {
			labels[node] = map[string]string{"block": rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "block"), "rack": rapid.SampledFrom([]string{"x", "x", "y", "y", ""}).Draw(t, "rack")}
		}
		r.Trees = append(r.Trees, topology.New(fmt.Sprint("t", i), levels[rapid.IntRange(0, i).Draw(t, "widest"):], labels))
	}
	level := rapid.SampledFrom([]string{"", "block", "rack", "rack"})
	r.Gang.Required = level.Draw(t, "required")
	if r.Gang.Required != "rack" {
		r.Gang.Preferred = level.Draw(t, "preferred")
	}
	size := rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "segment")
	for c, class := range p.Gang.Classes {
		for i := range class.Count {
			member := topology.Member{Class: c, Unit: -1}
			if size > 0 {
				if i%size == 0 {
					r.Units = append(r.Units, topology.Unit{Name: fmt.Sprint("part ", len(r.Units)), Want: topology.Want{Required: level.Draw(t, "of part")}})
				}
				member.Unit = len(r.Units) - 1
			}
			r.Members = append(r.Members, member)
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "pinned") == 0 {
		r.Runs = []int32{rapid.Int32Range(0, int32(len(p.Gang.Nodes)-1)).Draw(t, "runs")}
	}
	r.Needed = p.Gang.Need.Total
	p.Topology = r
	if requiredByParts(r) {
		// The caller puts members first that cover what each role needs.
		slices.SortStableFunc(r.Members, func(a, b topology.Member) int { return a.Class - b.Class })
		p.Gang.Need.Role = nil
	}
}
