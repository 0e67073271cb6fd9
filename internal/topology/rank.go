package topology

import (
	"cmp"
	"slices"
)

// share is the members of one group and class that a plan places, and their places.
type share struct {
	members []int   // by rank
	places  []int32 // nodes, in the order of the tree
}

// ranked gives each member its node, so that consecutive ranks follow the order of the tree. Equal members cross from one
// domain into the next as seldom as possible, at every level; so do equal units, which may change places as a whole.
func (s *search) ranked(best *candidate) []int32 {
	order := best.view.tree.order
	shares := map[[2]int]*share{} // by group and class
	for _, r := range best.runs {
		key := [2]int{r.group, r.Class}
		if shares[key] == nil {
			shares[key] = &share{}
		}
		for range r.Count {
			shares[key].places = append(shares[key].places, r.Node)
		}
	}
	for i, m := range s.members {
		key := [2]int{-1, m.Class}
		if m.Unit >= 0 && best.view.units[m.Unit].asks() {
			key[0] = m.Unit
		}
		if sh := shares[key]; sh != nil && len(sh.members) < len(sh.places) {
			sh.members = append(sh.members, i)
		}
	}
	for _, sh := range shares {
		slices.SortFunc(sh.places, func(a, b int32) int { return cmp.Compare(order[a], order[b]) })
		slices.SortStableFunc(sh.members, func(a, b int) int { return cmp.Compare(s.rank(a), s.rank(b)) })
	}
	s.arrange(best, shares)
	at := make([]int32, len(s.members))
	for i := range at {
		at[i] = -1
	}
	for _, sh := range shares {
		for i, member := range sh.members {
			at[member] = sh.places[i]
		}
	}
	return at
}

// arrange gives the first places in the order of the tree to the units with the first ranks, among units that are alike.
func (s *search) arrange(best *candidate, shares map[[2]int]*share) {
	if !best.view.grouped {
		return
	}
	groups := s.groups(best.view, count(best.runs))
	done := make([]bool, len(groups))
	for i, g := range groups {
		if done[i] {
			continue
		}
		var alike []int // units
		for j := i; j < len(groups); j++ {
			if !done[j] && groups[j].alike(g) {
				alike = append(alike, groups[j].unit)
				done[j] = true
			}
		}
		if len(alike) > 1 {
			s.exchange(best, alike, g.counts, shares)
		}
	}
}

// exchange sorts the places of units that are alike.
func (s *search) exchange(best *candidate, units []int, counts []int, shares map[[2]int]*share) {
	first := slices.IndexFunc(counts, func(n int) bool { return n > 0 }) // a class that all of them have
	key := func(unit int) [2]int { return [2]int{unit, first} }
	byPlace, byRank := slices.Clone(units), slices.Clone(units)
	slices.SortStableFunc(byPlace, func(a, b int) int {
		return cmp.Compare(best.view.tree.order[shares[key(a)].places[0]], best.view.tree.order[shares[key(b)].places[0]])
	})
	slices.SortStableFunc(byRank, func(a, b int) int {
		return cmp.Compare(s.rank(shares[key(a)].members[0]), s.rank(shares[key(b)].members[0]))
	})
	for c, n := range counts {
		if n == 0 {
			continue
		}
		places := make([][]int32, len(units))
		for i, unit := range byPlace {
			places[i] = shares[[2]int{unit, c}].places
		}
		for i, unit := range byRank {
			shares[[2]int{unit, c}].places = places[i]
		}
	}
}

func (s *search) rank(member int) int {
	if s.r.Ranks == nil {
		return member
	}
	return s.r.Ranks[member]
}
