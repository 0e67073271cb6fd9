package gang

import (
	"cmp"
	"slices"
)

// tryout searches exactly where a Space decides what fits. It places members one by one, takes them back, and never
// looks twice at the same members on the same nodes, however they came there.
//
// That takes long on large clusters, so the likely things are tried before: what resources alone suggest, and to begin
// somewhere else. All of it is proof too: what resources alone exclude, no Space allows.
type tryout struct {
	s     *search
	b     *bounds
	order []int
	nodes [][]int32 // by class, in the order in which they are tried
	seen  map[placement]struct{}
	now   placement
}

// placement identifies a set of placed members: the sum of the hashes of (class, node), so that the order of placing
// does not matter. With 128 bits no two sets that a search can see are confused in practice.
type placement [2]uint64

func newTryout(s *search, b *bounds) *tryout {
	t := &tryout{s: s, b: b, order: b.orders()[0], nodes: make([][]int32, len(s.Classes)), seen: map[placement]struct{}{}}
	for c, class := range s.Classes {
		for _, sp := range s.spots(c, class.Count) {
			t.nodes[c] = append(t.nodes[c], sp.node)
		}
	}
	return t
}

func (t *tryout) run() error {
	if t.s.Need.Met() {
		return nil // nothing is at stake but single members, which are tried again with the next change
	}
	refused := t.s.refused
	if worthIt, err := t.withoutSpace(); err != nil || !worthIt || t.s.complete() {
		return err
	}
	if err := t.restart(refused); err != nil || t.s.complete() {
		return err
	}
	return t.explore()
}

// withoutSpace plans by resources alone, with a quarter of the budget. It reports false if that proves that the best plan
// so far cannot be exceeded. If resources are so scarce that only exact search finds their plan, that plan is tried.
func (t *tryout) withoutSpace() (bool, error) {
	relaxed := newSearch(t.s.Problem, nil, t.s.budget/4)
	if err := relaxed.run(); err != nil {
		return false, err
	}
	t.s.steps += relaxed.steps
	switch better := relaxed.bestValid && total(relaxed.bestFit) >= t.s.goal(); {
	case !better && !relaxed.spent:
		return false, nil
	case better && relaxed.steps > 0:
		return true, t.s.follow(relaxed.best, t.order)
	}
	return true, nil
}

// restart begins with one of the nodes that were refused though they had room, and fills the gang from there.
//
// Where members want to be near each other, the first one decides for all, and nodes elsewhere refuse the others. A node
// that is refused in every attempt lies where none of them has begun; so there are as many attempts as there are zones
// or racks, not as many as nodes. Those with the most room come first, as it was room that lacked.
func (t *tryout) restart(refused []int32) error {
	slices.SortStableFunc(refused, func(a, b int32) int { return cmp.Compare(t.b.most(b), t.b.most(a)) })
	limit := t.s.steps + (t.s.budget-t.s.steps)/2
	for len(refused) > 0 && t.s.steps < limit {
		node := refused[0]
		refused = refused[1:]
		if err := t.begin(node); err != nil {
			return err
		}
		if len(t.s.runs) == 0 {
			continue
		}
		if err := t.s.attempt(t.order); err != nil || t.s.complete() {
			return err
		}
		again := slices.Sorted(slices.Values(t.s.refused))
		refused = slices.DeleteFunc(refused, func(node int32) bool {
			_, found := slices.BinarySearch(again, node)
			return !found
		})
	}
	return nil
}

// begin places the first member that a node takes.
func (t *tryout) begin(node int32) error {
	for _, c := range t.order {
		if t.s.Classes[c].Count == 0 || !slices.Contains(t.nodes[c], node) {
			continue
		}
		if n, err := t.s.place(c, node, 1); err != nil || n > 0 {
			return err
		}
	}
	return nil
}

// explore tries every way to go on from what is placed now, until all members are placed or the budget is spent.
func (t *tryout) explore() error {
	t.s.consider()
	if t.s.complete() || !t.promising() {
		return nil
	}
	for _, c := range t.order {
		if t.s.placed[c] == t.s.Classes[c].Count {
			continue
		}
		for _, node := range t.nodes[c] {
			if err := t.try(c, node); err != nil {
				return err
			}
			if t.s.spent || t.s.complete() {
				return nil
			}
		}
	}
	return nil
}

// try places one member and explores from there, unless that has been done.
func (t *tryout) try(class int, node int32) error {
	before := t.now
	next := before.plus(class, node)
	if _, ok := t.seen[next]; ok || t.s.room.slots(class, node, 1) == 0 {
		return nil
	}
	if t.s.steps >= t.s.budget {
		t.s.spent = true
		return nil
	}
	n, err := t.s.place(class, node, 1)
	if err != nil || n == 0 {
		return err
	}
	t.seen[next] = struct{}{}
	t.now = next
	if err := t.explore(); err != nil {
		return err
	}
	t.now = before
	return t.s.undo()
}

// promising reports whether the room that is left, by resources alone, allows a better plan than the best so far.
func (t *tryout) promising() bool {
	counts := make([]int, len(t.nodes))
	for c, nodes := range t.nodes {
		left := t.s.Classes[c].Count - t.s.placed[c]
		for i := 0; i < len(nodes) && left > 0; i++ {
			left -= t.s.room.slots(c, nodes[i], left)
		}
		counts[c] = t.s.Classes[c].Count - left
	}
	return total(counts) >= t.s.goal() && t.s.valid(counts)
}

func (p placement) plus(class int, node int32) placement {
	member := uint64(class)<<32 | uint64(uint32(node))
	return placement{p[0] + mix(member), p[1] + mix(^member)}
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
