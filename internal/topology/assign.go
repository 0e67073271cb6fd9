package topology

import (
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// assignment searches exactly: it gives each group in turn each of its domains. Before it goes on it plans all members
// jointly, those whose group has no domain yet anywhere; if they do not fit even so, no domain for the others helps. With
// all domains given, this joint plan is the answer.
type assignment struct {
	s      *search
	v      *view
	groups []group // those that require something first
	firm   int     // how many these are
	nodes  []int32
	areas  [][]area // by firm group, where it may be
	given  []int    // to the firm groups so far: the index in areas
	limit  int      // of steps
	spent  bool
}

func newAssignment(s *search, v *view, groups []group, nodes []int32, steps int) *assignment {
	x := &assignment{s: s, v: v, nodes: nodes, limit: s.steps + steps}
	byLevel := map[int][]area{}
	for _, g := range groups {
		if g.aim.required < 0 {
			continue
		}
		areas, known := byLevel[g.aim.required]
		if !known || g.aim.pin >= 0 {
			areas = s.domainsFor(v, g, nodes)
			slices.SortStableFunc(areas, tighter)
			if g.aim.pin < 0 {
				byLevel[g.aim.required] = areas
			}
		}
		x.groups, x.areas = append(x.groups, g), append(x.areas, areas)
	}
	x.firm = len(x.groups)
	for _, g := range groups {
		if g.aim.required < 0 {
			x.groups = append(x.groups, g)
		}
	}
	return x
}

func (x *assignment) run() ([]run, proof, error) {
	runs, err := x.extend()
	return runs, proof(!x.spent), err
}

// extend gives the next group a domain and goes on. Nil if no domain leads to a plan.
func (x *assignment) extend() ([]run, error) {
	runs, hope, err := x.joint()
	if err != nil || !hope || len(x.given) == x.firm {
		return runs, err
	}
	next := len(x.given)
	from := 0
	if next > 0 && x.groups[next].alike(x.groups[next-1]) {
		from = x.given[next-1] // equal groups take their domains in order: it makes no difference which is where
	}
	for i := from; i < len(x.areas[next]); i++ {
		if x.s.steps >= x.limit {
			x.spent = true
			return nil, nil
		}
		if !x.hasRoom(next, i) {
			continue
		}
		x.given = append(x.given, i)
		runs, err := x.extend()
		x.given = x.given[:next]
		if err != nil || runs != nil {
			return runs, err
		}
	}
	return nil, nil
}

// hasRoom reports whether a domain has room for a group beside those that have it already, class by class.
func (x *assignment) hasRoom(next, i int) bool {
	a := x.areas[next][i]
	for c, n := range x.groups[next].counts {
		if n == 0 {
			continue
		}
		for g, given := range x.given {
			if x.groups[g].aim.required == x.groups[next].aim.required && x.areas[g][given].domain == a.domain {
				n += x.groups[g].counts[c]
			}
		}
		if a.caps[c] < int64(n) {
			return false
		}
	}
	return true
}

// joint plans all members with the domains given so far. Groups in one domain share their parts. It reports whether there
// is hope, and with all domains given the plan.
func (x *assignment) joint() ([]run, bool, error) {
	var parts []part
	var shares [][]int // by part, the groups that have members in it
	add := func(g int, where int32, level int, nodes []int32, index map[[3]int32]int) {
		for c, n := range x.groups[g].counts {
			if n == 0 {
				continue
			}
			key := [3]int32{int32(level), where, int32(c)}
			i, known := index[key]
			if !known {
				i = len(parts)
				index[key] = i
				parts, shares = append(parts, part{class: c, nodes: nodes}), append(shares, nil)
			}
			parts[i].count += n
			shares[i] = append(shares[i], g)
		}
	}
	index := map[[3]int32]int{}
	total := 0
	for g, group := range x.groups {
		total += sum(group.counts)
		if g < len(x.given) {
			a := x.areas[g][x.given[g]]
			add(g, a.domain, group.aim.required, a.nodes, index)
		} else {
			add(g, -1, -1, x.nodes, index)
		}
	}
	last := len(x.given) == x.firm
	space := x.s.space
	if !last {
		x.s.space = nil // it only takes away
	}
	x.s.steps += 16 + len(parts)*len(x.nodes)/4
	o, err := x.s.plan(parts, gang.Need{Total: total}, max(1, x.limit-x.s.steps)/2)
	x.s.space = space
	if err != nil || o.Result == gang.Impossible {
		return nil, false, err
	}
	if !last {
		return nil, true, nil
	}
	if o.Result == gang.BudgetSpent {
		x.spent = true
		return nil, false, nil
	}
	return x.divide(o.Runs, parts, shares), true, nil
}

// divide gives the members of shared parts to the groups.
func (x *assignment) divide(runs []gang.Run, parts []part, shares [][]int) []run {
	left := make([][]int, len(x.groups))
	for g, group := range x.groups {
		left[g] = slices.Clone(group.counts)
	}
	divided := []run{}
	for _, r := range runs {
		class := parts[r.Class].class
		for _, g := range shares[r.Class] {
			if n := min(r.Count, left[g][class]); n > 0 {
				divided = append(divided, run{Run: gang.Run{Class: class, Node: r.Node, Count: n}, group: x.groups[g].unit})
				left[g][class] -= n
				r.Count -= n
			}
		}
	}
	return divided
}
