package gang

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// front searches exactly what can be placed where members share nothing but resources.
//
// It goes through the nodes once and keeps, for the nodes so far, the numbers of members per class that can be placed on
// them: only the maxima (the Pareto front), because whoever can place more can place less. A node adds any of its
// maximal combinations to any point. Points that cannot come to the goal, whatever the nodes that are left hold, are
// dropped. This is the dynamic program for the multiple knapsack problem (Martello and Toth, "Knapsack Problems", 1990),
// with dominance, over counts instead of single items.
//
// A front may become large, so the search widens: it first keeps only the few points that use most of the cluster,
// which finds nearly every plan that there is, and then more and more, until no point was left out or the budget is
// spent. Only a search that left nothing out proves anything.
type front struct {
	s       *search
	classes int
	nodes   []int32 // those on which any member fits, in the order of preference
	slots   [][]int32
	// reach is how many members of each class nodes[i:] hold if it has them to itself: entry i*classes+class. ahead is
	// an upper bound of what they hold of all classes.
	reach []int32
	ahead []int
	// weight of a member is what it takes of the cluster, over all resources.
	weight []int64

	width        int                  // of the present sweep
	cut          bool                 // it left something out
	combinations map[string][][]int32 // in it, of a kind of node

	goal   int
	counts []int32  // of all points kept, one after the other
	origin []origin // of each point
	winner int32    // the best point, or -1
}

// origin tells from which point a point came, and on which node.
type origin struct {
	from int32
	node int32
}

const (
	firstWidth           = 8
	widening             = 4
	combinationsPerPoint = 8
)

func newFront(s *search, b *bounds) *front {
	f := &front{s: s, classes: len(s.Classes), goal: s.goal(), winner: -1}
	for node := range s.Nodes {
		if b.most(int32(node)) > 0 {
			f.nodes = append(f.nodes, int32(node))
		}
	}
	slices.SortStableFunc(f.nodes, func(a, b int32) int { return cmp.Compare(idleRank(s.Nodes[a]), idleRank(s.Nodes[b])) })
	all := s.allClasses()
	f.reach = make([]int32, (len(f.nodes)+1)*f.classes)
	f.ahead = make([]int, len(f.nodes)+1)
	f.slots = make([][]int32, len(f.nodes))
	for i := len(f.nodes) - 1; i >= 0; i-- {
		f.slots[i] = b.at(f.nodes[i])
		f.ahead[i] = f.ahead[i+1] + s.room.together(all, f.nodes[i], f.slots[i])
		for c, n := range f.slots[i] {
			f.reach[i*f.classes+c] = min(f.count(c), f.reach[(i+1)*f.classes+c]+n)
		}
	}
	f.weight = make([]int64, f.classes)
	for c := range f.weight {
		f.weight[c] = b.weight(c)
	}
	return f
}

func idleRank(n Node) int {
	if n.Idle {
		return 1
	}
	return 0
}

// run returns the plan with the most members that reaches the goal, or none, and whether the search was exhaustive.
func (f *front) run() (plan []Run, exhaustive bool) {
	for width := firstWidth; ; width *= widening {
		cut, ok := f.sweep(width)
		if f.winner >= 0 {
			plan = f.plan()
		}
		if !ok || !cut || f.goal > f.s.pending {
			return plan, ok
		}
	}
}

// sweep goes through the nodes once, with fronts of at most width points. It reports whether points were left out, and
// false when the budget is spent.
func (f *front) sweep(width int) (cut, ok bool) {
	f.counts, f.origin, f.winner = f.counts[:0], f.origin[:0], -1
	f.combinations, f.width, f.cut = map[string][][]int32{}, width, false
	f.keep(candidate{counts: make([]int32, f.classes), from: -1}, -1)
	first := int32(0) // of the present front
	for i, node := range f.nodes {
		next, ok := f.advance(i, first)
		if !ok {
			return f.cut, false
		}
		first = int32(len(f.origin))
		for _, cand := range next {
			f.keep(cand, node)
		}
		if len(next) == 0 || f.goal > f.s.pending {
			break
		}
	}
	return f.cut, true
}

// candidate is a point that the next front may have.
type candidate struct {
	counts []int32
	weight int64
	from   int32
}

// point is the counts of a kept point.
func (f *front) point(p int32) []int32 { return f.counts[int(p)*f.classes : (int(p)+1)*f.classes] }

func (f *front) count(class int) int32 { return int32(f.s.Classes[class].Count) }

// keep adds a point to the present front and notes it if it is the best so far.
func (f *front) keep(cand candidate, node int32) {
	f.counts = append(f.counts, cand.counts...)
	f.origin = append(f.origin, origin{cand.from, node})
	if members := f.worth(cand.counts); members >= f.goal {
		f.goal = members + 1
		f.winner = int32(len(f.origin) - 1)
	}
}

// worth is the number of members of a valid plan, or -1.
func (f *front) worth(counts []int32) int {
	wide := make([]int, f.classes)
	for c, n := range counts {
		wide[c] = int(n)
	}
	if !f.s.valid(wide) {
		return -1
	}
	return total(wide)
}

func (f *front) weigh(counts []int32) int64 {
	sum := int64(0)
	for c, n := range counts {
		sum += int64(n) * f.weight[c]
	}
	return sum
}

// advance returns the maximal candidates once the i-th node is added to the points from first on, or false when the
// budget is spent.
func (f *front) advance(i int, first int32) ([]candidate, bool) {
	combinations, ok := f.combine(i)
	if !ok {
		return nil, false
	}
	var candidates []candidate
	var slab []int32
	for p := first; p < int32(len(f.origin)); p++ {
		for _, add := range combinations {
			if !f.spend(1) {
				return nil, false
			}
			start := len(slab)
			for c, n := range f.point(p) {
				slab = append(slab, min(n+add[c], f.count(c)))
			}
			if counts := slab[start:]; f.promising(counts, i+1) {
				candidates = append(candidates, candidate{counts, f.weigh(counts), p})
			} else {
				slab = slab[:start]
			}
		}
	}
	return f.maxima(candidates, f.width)
}

// promising reports whether counts could grow to the goal with the nodes from the i-th on.
func (f *front) promising(counts []int32, i int) bool {
	reach, now, most := f.reach[i*f.classes:], 0, 0
	for c, n := range counts {
		now += int(n)
		most += int(min(f.count(c), n+reach[c]))
	}
	if min(most, now+f.ahead[i]) < f.goal {
		return false
	}
	for _, role := range f.s.roles {
		most = 0
		for _, c := range role.classes {
			most += int(min(f.count(c), counts[c]+reach[c]))
		}
		if most < role.need {
			return false
		}
	}
	return true
}

// maxima drops the candidates that another one equals or exceeds in every class. Of more than width candidates it keeps
// the heaviest. It returns false when the budget is spent.
func (f *front) maxima(candidates []candidate, width int) ([]candidate, bool) {
	order := func(a, b candidate) int { return slices.Compare(b.counts, a.counts) }
	if len(candidates) > width {
		order = func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.weight, a.weight), slices.Compare(b.counts, a.counts))
		}
	}
	if !f.spend(len(candidates) * bits.Len(uint(len(candidates)))) {
		return nil, false
	}
	slices.SortStableFunc(candidates, order) // either way no candidate covers an earlier one
	kept := candidates[:0]
	highest := int32(math.MinInt32) // in the last class, of those kept: nobody covers what exceeds that
	for _, cand := range candidates {
		if len(kept) == width {
			f.cut = true
			break
		}
		last := cand.counts[f.classes-1]
		covered := false
		for k := len(kept) - 1; k >= 0 && last <= highest && !covered; k-- {
			if !f.spend(1) {
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

// plan tells how the winner came about, node by node.
func (f *front) plan() []Run {
	var runs []Run
	for p := f.winner; f.origin[p].from >= 0; p = f.origin[p].from {
		for c, n := range f.point(p) {
			if more := n - f.point(f.origin[p].from)[c]; more > 0 {
				runs = append(runs, Run{Class: c, Node: f.origin[p].node, Count: int(more)})
			}
		}
	}
	slices.Reverse(runs)
	return runs
}

// spend takes steps from the budget, or returns false if it has fewer.
func (f *front) spend(steps int) bool {
	if f.s.budget-f.s.steps < steps {
		return false
	}
	f.s.steps += steps
	return true
}
