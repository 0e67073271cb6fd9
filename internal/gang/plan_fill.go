package gang

import (
	"cmp"
	"slices"
)

// fill places up to want members of a class where it has room and returns how many. With a Space it goes over the nodes
// again as long as that places more: a member that is refused may be accepted once others are placed. So it does with a
// class that is to be spread, which puts one member on each node at a time.
func (s *search) fill(class, want int) (int, error) {
	filled := 0
	for {
		n, refused, err := s.pass(class, want-filled)
		filled += n
		if err != nil || filled == want || s.space == nil && !(s.Classes[class].Spread && n > 0) {
			return filled, err
		}
		if n == 0 {
			s.refused = refused
			return filled, nil
		}
	}
}

// pass goes once over the nodes that have room, until want members are placed. It returns how many are, and the nodes
// that refused.
func (s *search) pass(class, want int) (filled int, refused []int32, err error) {
	var took []int32 // nodes that did, in order
	inVain, spread := 0, s.Classes[class].Spread
	for _, sp := range s.spots(class, want) {
		if filled == want {
			break
		}
		most := min(sp.slots, want-filled)
		if spread {
			most = 1
		}
		n, err := s.place(class, sp.node, most)
		if err != nil {
			return filled, nil, err
		}
		filled += n
		if n == 0 {
			refused = append(refused, sp.node)
			continue
		}
		took = append(took, sp.node)
		if s.space == nil || inVain == patience || spread {
			continue
		}
		if n, err = s.revisit(class, want-filled, took[max(0, len(took)-revisited):]); err != nil {
			return filled, nil, err
		}
		filled += n
		if inVain++; n > 0 {
			inVain = 0
		}
	}
	return filled, refused, nil
}

const (
	// revisited is how many nodes are asked again after another one took a member.
	revisited = 4
	// patience is how often that may be in vain, one time after the other, before it is left to the next pass.
	patience = 8
)

// revisit fills up nodes that took a member before. Where members have to be spread over a few zones, each of these nodes
// takes one as soon as the others have theirs, and no further node has to be opened.
func (s *search) revisit(class, want int, nodes []int32) (int, error) {
	filled := 0
	for {
		before := filled
		for _, node := range nodes {
			n, err := s.place(class, node, s.room.slots(class, node, want-filled))
			if err != nil {
				return filled, err
			}
			filled += n
		}
		if filled == before {
			return filled, nil
		}
	}
}

// fillInTurns fills the classes in several orders until all members are placed, and keeps the best. Calls of a Space count here
// too: half of the budget is left for what comes after.
func (s *search) fillInTurns(b *bounds) error {
	for _, order := range b.orders() {
		if err := s.attempt(order); err != nil || s.complete() || s.steps > s.budget/2 {
			return err
		}
	}
	return nil
}

// attempt adds to what is placed what the roles need, then the rest, the classes in the given order. It considers what
// comes of it and takes everything back.
func (s *search) attempt(order []int) error {
	if err := s.rounds(order, s.lack); err != nil {
		return err
	}
	if err := s.rounds(order, func(class int) int { return s.Classes[class].Count - s.placed[class] }); err != nil {
		return err
	}
	s.consider()
	return s.clear()
}

// rounds fills the classes up to what want says, one after the other. With a Space it goes round again as long as that
// places more: members of one class may be what those of another wait for.
func (s *search) rounds(order []int, want func(class int) int) error {
	stuck := make([]int, len(s.Classes)) // how many members were placed when the class could not go on
	for {
		before := total(s.placed)
		for _, c := range order {
			n := want(c)
			if n <= 0 || stuck[c] > 0 && stuck[c] == total(s.placed) {
				continue
			}
			filled, err := s.fill(c, n)
			if err != nil {
				return err
			}
			if filled < n {
				stuck[c] = total(s.placed)
			}
		}
		if total(s.placed) == before || s.space == nil {
			return nil
		}
	}
}

// lack is how many members of a class its role still needs, at most those that are left.
func (s *search) lack(class int) int {
	for _, role := range s.roles {
		if !slices.Contains(role.classes, class) {
			continue
		}
		lack := role.need
		for _, c := range role.classes {
			lack -= s.placed[c]
		}
		return min(lack, s.Classes[class].Count-s.placed[class])
	}
	return 0
}

// orders lists the orders in which classes are worth filling, without repetition: from the most constrained on, that is
// with the least room for its number of members; from the least room on, whatever the number, which is right where the
// nodes of one class are among those of the next; from the largest members on; and, as all of them can be wrong, from the
// least constrained on.
func (b *bounds) orders() [][]int {
	classes := len(b.alone)
	room, size := make([]int64, classes), make([]int64, classes)
	for i, n := range b.slots {
		room[i%classes] += int64(n)
	}
	for c := range size {
		size[c] = b.weight(c)
	}
	count := func(c int) int64 { return int64(b.s.Classes[c].Count) }
	byNeed := func(a, c int) int { return cmp.Compare(room[a]*count(c), room[c]*count(a)) }
	var orders [][]int
	for _, less := range []func(a, c int) int{
		byNeed,
		func(a, c int) int { return cmp.Compare(room[a], room[c]) },
		func(a, c int) int { return cmp.Compare(size[c], size[a]) },
		func(a, c int) int { return byNeed(c, a) },
	} {
		order := b.s.allClasses()
		slices.SortStableFunc(order, less)
		if !slices.ContainsFunc(orders, func(o []int) bool { return slices.Equal(o, order) }) {
			orders = append(orders, order)
		}
	}
	return orders
}
