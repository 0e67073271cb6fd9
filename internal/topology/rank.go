package topology

import (
	"cmp"
	"slices"
)

// ranked gives each member its node, so that consecutive ranks follow the order of the tree. Among equal members that
// crosses from one domain into the next as seldom as possible, at every level.
func (s *search) ranked(best *candidate) []int32 {
	at := make([]int32, len(s.members))
	for i := range at {
		at[i] = -1
	}
	places := make([][]int32, s.classes)
	for _, run := range best.runs {
		for range run.Count {
			places[run.Class] = append(places[run.Class], run.Node)
		}
	}
	chosen := make([][]int, s.classes)
	for i, m := range s.members {
		if len(chosen[m.Class]) < len(places[m.Class]) {
			chosen[m.Class] = append(chosen[m.Class], i)
		}
	}
	for c := range places {
		slices.SortFunc(places[c], func(a, b int32) int { return cmp.Compare(best.view.tree.order[a], best.view.tree.order[b]) })
		slices.SortStableFunc(chosen[c], func(a, b int) int { return cmp.Compare(s.rank(a), s.rank(b)) })
		for i, member := range chosen[c] {
			at[member] = places[c][i]
		}
	}
	return at
}

func (s *search) rank(member int) int {
	if s.r.Ranks == nil {
		return member
	}
	return s.r.Ranks[member]
}
