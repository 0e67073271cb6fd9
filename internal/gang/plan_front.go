package gang

import (
	"cmp"
	"math"
	"slices"
)

// front searches exactly where members share nothing but resources.
//
// It goes through the nodes once and keeps, for the nodes so far, the numbers of members per class that can be placed on
// them: only the maxima (the Pareto front), because whoever can place more can place less. A node adds any of its
// maximal combinations to any point. Points that cannot come to a better plan than the best so far, whatever the
// nodes that are left hold, are dropped. The last front has the plan with the most members.
type front struct {
	s       *search
	classes int
	nodes   []int32
	// reach is how many members of each class nodes[i:] hold if it has them to itself: entry i*classes+class. ahead is
	// an upper bound of what they hold of all classes.
	reach []int32
	ahead []int

	counts []int32 // of all points ever kept, one after the other
	origin []step  // of each point
	winner int32   // the best point, or -1
}

// step tells from which point a point came, and on which node.
type step struct {
	from int32
	node int32
}

func newFront(s *search, b *bounds) *front {
	f := &front{s: s, classes: len(s.Classes), winner: -1}
	all := make([]int, f.classes)
	for c := range all {
		all[c] = c
	}
	for node := range s.Nodes {
		if slices.Max(b.at(int32(node))) > 0 {
			f.nodes = append(f.nodes, int32(node))
		}
	}
	slices.SortStableFunc(f.nodes, func(a, b int32) int { return cmp.Compare(idleRank(s.Nodes[a]), idleRank(s.Nodes[b])) })
	f.reach = make([]int32, (len(f.nodes)+1)*f.classes)
	f.ahead = make([]int, len(f.nodes)+1)
	for i := len(f.nodes) - 1; i >= 0; i-- {
		slots := b.at(f.nodes[i])
		f.ahead[i] = f.ahead[i+1] + s.room.together(all, f.nodes[i], slots)
		for c, n := range slots {
			f.reach[i*f.classes+c] = min(int32(s.Classes[c].Count), f.reach[(i+1)*f.classes+c]+n)
		}
	}
	return f
}

func idleRank(n Node) int {
	if n.Idle {
		return 1
	}
	return 0
}

func (f *front) run() {
	f.keep(make([]int32, f.classes), step{from: -1})
	first, end := int32(0), int32(1) // the points of the present front
	for i, node := range f.nodes {
		next, ok := f.advance(i, first, end)
		if !ok {
			f.s.spent = true
			break
		}
		first, end = end, f.append(next, node)
		if first == end || f.s.complete() {
			break
		}
	}
	f.restore()
}

// point is the counts of a kept point.
func (f *front) point(p int32) []int32 {
	return f.counts[int(p)*f.classes : (int(p)+1)*f.classes]
}

func (f *front) keep(counts []int32, origin step) {
	f.counts = append(f.counts, counts...)
	f.origin = append(f.origin, origin)
}

// candidate is a point that the next front may have.
type candidate struct {
	counts []int32
	from   int32
}

// advance returns the maximal candidates once the i-th node is added to the points from first to end, or false when the
// budget is spent.
func (f *front) advance(i int, first, end int32) ([]candidate, bool) {
	combinations, ok := f.combinations(f.nodes[i])
	if !ok {
		return nil, false
	}
	var candidates []candidate
	for p := first; p < end; p++ {
		for _, add := range combinations {
			if !f.spend() {
				return nil, false
			}
			counts := make([]int32, f.classes)
			for c, n := range f.point(p) {
				counts[c] = min(n+add[c], int32(f.s.Classes[c].Count))
			}
			if f.promising(counts, i+1) {
				candidates = append(candidates, candidate{counts, p})
			}
		}
	}
	return f.maxima(candidates)
}

// promising reports whether counts could grow to a better plan than the best so far with the nodes from the i-th on.
func (f *front) promising(counts []int32, i int) bool {
	reach, now, most := f.reach[i*f.classes:], 0, 0
	at := func(c int) int { return int(min(int32(f.s.Classes[c].Count), counts[c]+reach[c])) }
	for c, n := range counts {
		now += int(n)
		most += at(c)
	}
	if min(most, now+f.ahead[i]) < f.s.goal() {
		return false
	}
	for _, role := range f.s.roles {
		most = 0
		for _, c := range role.classes {
			most += at(c)
		}
		if most < role.need {
			return false
		}
	}
	return true
}

// maxima drops the candidates that another one equals or exceeds in every class.
func (f *front) maxima(candidates []candidate) ([]candidate, bool) {
	slices.SortStableFunc(candidates, func(a, b candidate) int { return slices.Compare(b.counts, a.counts) })
	kept := candidates[:0]
	highest := int32(math.MinInt32) // in the last class, of those kept: more than that is in nobody's shadow
	for _, cand := range candidates {
		last := cand.counts[f.classes-1]
		covered := false
		for k := len(kept) - 1; k >= 0 && last <= highest && !covered; k-- {
			if !f.spend() {
				return nil, false
			}
			covered = covers(kept[k].counts, cand.counts)
		}
		if !covered {
			kept = append(kept, cand)
			highest = max(highest, last)
		}
	}
	return kept, true
}

func covers(a, b []int32) bool {
	for c := range a {
		if a[c] < b[c] {
			return false
		}
	}
	return true
}

// append keeps the candidates as the new front, notes the best of them, and returns the end of the points.
func (f *front) append(candidates []candidate, node int32) int32 {
	for _, cand := range candidates {
		f.keep(cand.counts, step{cand.from, node})
		counts := make([]int, f.classes)
		for c, n := range cand.counts {
			counts[c] = int(n)
		}
		if f.s.valid(counts) && total(counts) >= f.s.goal() {
			f.s.bestValid, f.s.bestFit = true, counts
			f.winner = int32(len(f.origin) - 1)
		}
	}
	return int32(len(f.origin))
}

// combinations lists the numbers of members per class that fit on an empty node side by side, the maximal ones among
// them, or false when the budget is spent.
func (f *front) combinations(node int32) ([][]int32, bool) {
	var all []candidate
	counts := make([]int32, f.classes)
	var extend func(c int) bool
	extend = func(c int) bool {
		most := 0
		if _, ok := slices.BinarySearch(f.s.Classes[c].Nodes, node); ok {
			most = f.s.room.slots(c, node, f.s.Classes[c].Count)
		}
		least := 0
		if c == f.classes-1 {
			least = most
		}
		for n := most; n >= least; n-- {
			f.s.room.take(c, node, n)
			counts[c] = int32(n)
			ok := f.spend()
			if c < f.classes-1 {
				ok = ok && extend(c+1)
			} else {
				all = append(all, candidate{counts: slices.Clone(counts)})
			}
			f.s.room.give(c, node, n)
			if !ok {
				return false
			}
		}
		return true
	}
	if !extend(0) {
		return nil, false
	}
	kept, ok := f.maxima(all)
	combinations := make([][]int32, len(kept))
	for i, cand := range kept {
		combinations[i] = cand.counts
	}
	return combinations, ok
}

// restore turns the winning point into the best plan.
func (f *front) restore() {
	if f.winner < 0 {
		return
	}
	f.s.best = nil
	for p := f.winner; f.origin[p].from >= 0; p = f.origin[p].from {
		for c, n := range f.point(p) {
			if more := n - f.point(f.origin[p].from)[c]; more > 0 {
				f.s.best = append(f.s.best, Run{Class: c, Node: f.origin[p].node, Count: int(more)})
			}
		}
	}
	slices.Reverse(f.s.best)
}

func (f *front) spend() bool {
	f.s.steps++
	return f.s.steps <= f.s.budget
}
