package gang

import (
	"encoding/binary"
	"slices"
)

// combine lists the maximal numbers of members per class that fit on the i-th node side by side, or false when the
// budget is spent. Equal nodes share one list.
func (f *front) combine(i int) ([][]int32, bool) {
	kind := make([]byte, 0, 8*f.s.room.dims+4*f.classes)
	for _, amount := range f.s.room.at(f.nodes[i]) {
		kind = binary.LittleEndian.AppendUint64(kind, uint64(amount))
	}
	for _, n := range f.slots[i] {
		kind = binary.LittleEndian.AppendUint32(kind, uint32(n))
	}
	if known, ok := f.combinations[string(kind)]; ok {
		return known, true
	}
	all, ok := f.extend(i, nil, nil)
	if !ok {
		return nil, false
	}
	kept, ok := f.maxima(all, combinationsPerPoint*f.width)
	list := make([][]int32, len(kept))
	for k, cand := range kept {
		list[k] = cand.counts
	}
	f.combinations[string(kind)] = list
	return list, ok
}

// extend appends to found every way to go on with the i-th node, which has the given numbers of the first classes.
func (f *front) extend(i int, counts []int32, found []candidate) ([]candidate, bool) {
	c, node := len(counts), f.nodes[i]
	if !f.spend(1) {
		return nil, false
	}
	if f.allFit(i, c) {
		full := append(slices.Clone(counts), f.slots[i][c:]...)
		return append(found, candidate{counts: full, weight: f.weigh(full)}), true
	}
	for n := f.s.room.slots(c, node, int(f.slots[i][c])); n >= 0; n-- {
		f.s.room.take(c, node, n)
		more, ok := f.extend(i, append(counts, int32(n)), found)
		f.s.room.give(c, node, n)
		if !ok {
			return nil, false
		}
		if found = more; c == f.classes-1 {
			break // fewer of the last class are never a maximum
		}
	}
	return found, true
}

// allFit reports whether the i-th node has room, side by side, for all that each class from c on could have if it had
// the node to itself. Then there is no better way to go on.
func (f *front) allFit(i, c int) bool {
	if c == f.classes {
		return true
	}
	node, n := f.nodes[i], int(f.slots[i][c])
	if f.s.room.slots(c, node, n) < n {
		return false
	}
	f.s.room.take(c, node, n)
	fits := f.allFit(i, c+1)
	f.s.room.give(c, node, n)
	return fits
}
