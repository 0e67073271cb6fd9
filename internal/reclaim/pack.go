package reclaim

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// item is a unit when it is a matter of what it uses of one resource and frees of one dimension.
type item struct{ use, frees int64 }

// densest puts those first that free the most for what they use.
func densest(a, b item) int {
	return cmp.Or(compareBool(a.use > 0, b.use > 0), perMember(b.frees, b.use, a.frees, a.use))
}

// pack is how much of a dimension units free at most whose use of a resource stays within a limit, if they could be
// evicted in parts.
func (d *decider) pack(s *scene, units []int, name string, limit int64, dim int) int64 {
	var items []item
	freed, used := int64(0), int64(0)
	for _, u := range units {
		it := item{use: max(d.p.Units[u].Usage[name], 0), frees: d.frees(s, u, dim)}
		freed, used = resource.Sum(freed, it.frees), resource.Sum(used, it.use)
		items = append(items, it)
	}
	if used <= limit {
		return freed
	}
	slices.SortFunc(items, densest)
	freed = 0
	for _, it := range items {
		if it.use > limit {
			return resource.Sum(freed, part(it.frees, limit, it.use))
		}
		freed = resource.Sum(freed, it.frees)
		limit -= it.use
	}
	return freed
}

// part is whole*part/of, rounded up, for a part that is less than of.
func part(whole, part, of int64) int64 {
	high, low := bits.Mul64(uint64(whole), uint64(part))
	quotient, rest := bits.Div64(high, low, uint64(of))
	return int64(quotient) + int64(min(rest, 1))
}

// enoughNodes reports whether the nodes that can each be cleared for a member within a limit of the dominant resource are
// enough for all members that are needed.
func (d *decider) enoughNodes(limit int64) bool {
	s := newScene(&d.p)
	on := make([][]int, len(s.free))
	for _, u := range d.eligible {
		for _, part := range s.parts[u] {
			on[part.Node] = append(on[part.Node], u)
		}
	}
	for class := range d.p.Gang.Classes {
		members := d.required(class)
		for node, slots := range d.all.slots[class] {
			if members > 0 && slots > 0 && d.clearing(s, class, int32(node), on[node]) <= limit {
				members -= slots
			}
		}
		if members > 0 {
			return false
		}
	}
	return true
}

// clearing is how much of the dominant resource has to be evicted at least for a member of a class to fit on a node.
func (d *decider) clearing(s *scene, class int, node int32, units []int) int64 {
	most := int64(0)
	for dim, amount := range d.p.Gang.Classes[class].Request {
		missing := resource.Difference(amount, s.free[node][dim])
		if amount <= 0 || missing <= 0 {
			continue
		}
		var items []item
		for _, u := range units {
			frees := int64(0)
			for _, part := range s.parts[u] {
				if part.Node == node {
					frees = max(part.Amount[dim], 0)
				}
			}
			if frees > 0 {
				items = append(items, item{use: max(d.p.Units[u].Usage[d.dominant], 0), frees: frees})
			}
		}
		slices.SortFunc(items, densest)
		used := int64(0)
		for _, it := range items {
			if it.frees >= missing {
				used = resource.Sum(used, part(it.use, missing, it.frees))
				break
			}
			used = resource.Sum(used, it.use)
			missing -= it.frees
		}
		most = max(most, used)
	}
	return most
}
