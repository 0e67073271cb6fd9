package topology

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// firstFit places groups one after the other, each in the first domain, in the order of the tree, where its members fit
// one by one on the first node with room. It is no good plan, but now and then one with fewer domains than what cleverness
// finds, and then it is taken. Nil if that does not work, or if there is a Space.
func (s *search) firstFit(v *view, groups []group, nodes []int32) []run {
	if s.space != nil {
		return nil
	}
	gr := s.ground(v, nodes)
	defer func() { _ = gr.clear() }() // only a Space can fail
	all := []run{}
	for _, g := range groups {
		var placed []run
		for _, a := range gr.domainsFor(g) {
			if a.times(g.counts, 1) > 0 {
				if placed = s.nodeByNode(v, g, a.nodes); placed != nil {
					break
				}
			}
		}
		if placed == nil {
			return nil
		}
		all = append(all, placed...)
	}
	return all
}

// nodeByNode takes the first nodes with room, for one class after the other. Nil if that does not take all members; then
// nothing is taken.
func (s *search) nodeByNode(v *view, g group, nodes []int32) []run {
	mark := len(s.trail)
	order := slices.Clone(nodes)
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(v.tree.order[a], v.tree.order[b]) })
	placed := []run{}
	for c, left := range g.counts {
		for _, node := range order {
			if n := min(left, int(s.row(node)[c])); n > 0 {
				one := []run{{Run: gang.Run{Class: c, Node: node, Count: n}, group: g.unit}}
				_, _ = s.take(one) // there is no Space that could refuse
				placed = append(placed, one...)
				left -= n
			}
		}
		if left > 0 {
			_ = s.rollback(mark)
			return nil
		}
	}
	return placed
}
