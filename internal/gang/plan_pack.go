package gang

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// spot is a node on which a class has room.
type spot struct {
	score    int64
	cost     int64
	idle     bool
	unwanted int32
	slots    int
	node     int32
}

// preference puts the spots that are to be used first to the front: by the caller's score, then its cost; nodes in use
// before idle ones; those with the fewest resources that the class has no use for.
func preference(a, b spot) int {
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	if a.cost != b.cost {
		return cmp.Compare(a.cost, b.cost)
	}
	if a.idle != b.idle {
		if a.idle {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.unwanted, b.unwanted)
}

// spreading orders the spots of a class that is to be spread: by the caller's score, then from the emptiest on.
func spreading(a, b spot) int {
	if a.score != b.score {
		return cmp.Compare(b.score, a.score)
	}
	if a.idle != b.idle {
		if a.idle {
			return -1
		}
		return 1
	}
	if a.slots != b.slots {
		return cmp.Compare(b.slots, a.slots)
	}
	return cmp.Compare(a.node, b.node)
}

// packing orders the spots completely. Among equally preferred ones, nodes in use are filled from the tightest on, so
// that the large gaps stay; idle ones from the roomiest on, so that as few as possible are opened.
func packing(a, b spot) int {
	if p := preference(a, b); p != 0 {
		return p
	}
	if a.slots != b.slots {
		if a.idle {
			return cmp.Compare(b.slots, a.slots)
		}
		return cmp.Compare(a.slots, b.slots)
	}
	return cmp.Compare(a.node, b.node)
}

// spots lists where a class has room now, in the order in which want members should be placed.
func (s *search) spots(class, want int) []spot {
	cl := &s.Classes[class]
	spots := make([]spot, 0, len(cl.Nodes))
	for i, node := range cl.Nodes {
		slots := s.room.slots(class, node, math.MaxInt32)
		if slots == 0 {
			continue
		}
		sp := spot{slots: slots, node: node, unwanted: s.room.unwanted(class, node)}
		sp.idle = s.Nodes[node].Idle && s.room.members[node] == 0
		if len(cl.Score) > 0 {
			sp.score = cl.Score[i]
		}
		if len(cl.Cost) > 0 {
			sp.cost = cl.Cost[i]
		}
		spots = append(spots, sp)
	}
	if cl.Spread {
		slices.SortFunc(spots, spreading)
		return spots
	}
	slices.SortFunc(spots, packing)
	fitLast(spots, want)
	return spots
}

// fitLast moves to the front of what is left the tightest spot that takes all of what is left, as soon as there is one
// among the equally preferred: before the first spot of a kind is used, and on each idle one.
func fitLast(spots []spot, want int) {
	for i := 0; i < len(spots) && want > 0; {
		end := i + sort.Search(len(spots)-i, func(j int) bool { return preference(spots[i], spots[i+j]) != 0 })
		for first := i; i < end && want > 0; i++ {
			if i == first || spots[i].idle {
				if j := tightest(spots[i:end], want); j >= 0 {
					best := spots[i+j]
					copy(spots[i+1:], spots[i:i+j])
					spots[i] = best
					return
				}
			}
			want -= spots[i].slots
		}
	}
}

// tightest is the index of the spot with the fewest slots that takes want members, or -1. The spots are equally preferred
// and in packing order.
func tightest(spots []spot, want int) int {
	if !spots[0].idle {
		i := sort.Search(len(spots), func(i int) bool { return spots[i].slots >= want })
		if i == len(spots) {
			return -1
		}
		return i
	}
	after := sort.Search(len(spots), func(i int) bool { return spots[i].slots < want })
	if after == 0 {
		return -1
	}
	slots := spots[after-1].slots
	return sort.Search(after, func(i int) bool { return spots[i].slots <= slots })
}
