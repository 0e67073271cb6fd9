package reservation

import (
	"cmp"
	"math"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// unknown answers for a gang that some pod without expected end is in the way of. The pods are imagined to end one after
// the other, in the order of endless, and halving finds after how many of them the gang fits.
func (s *search) unknown() (Start, error) {
	order := s.timeline.endless(s.asked())
	outcome, err := s.without(order, 1)
	if err != nil {
		return Start{}, err
	}
	if outcome.Result != gang.Placed {
		return s.behindHolds(order, outcome.Result)
	}
	low, high := 0, len(order)
	for high-low > 1 {
		middle := (low + high) / 2
		o, err := s.without(order[:middle], searchShare)
		if err != nil {
			return Start{}, err
		}
		if o.Result == gang.Placed {
			high, outcome = middle, o
		} else {
			low = middle
		}
	}
	return Start{Result: gang.Placed, Runs: needed(s.planned, outcome.Runs)}, nil
}

// behindHolds tells a gang that waits for a hold that never ends from one that does not fit the cluster.
func (s *search) behindHolds(order []use, result gang.Result) (Start, error) {
	if len(s.timeline.held) == 0 {
		return Start{Result: result}, nil
	}
	s.timeline.held = nil
	outcome, err := s.without(order, 1)
	return Start{Result: outcome.Result}, err
}

// without plans into the room that is left when all that is known to end has ended, and the given uses too. Nodes where
// fewer of them had to go are preferred.
func (s *search) without(gone []use, share int64) (gang.Outcome, error) {
	room := s.timeline.fill(last)
	count := make([]int64, len(room))
	for _, use := range gone {
		for d := range room[use.node].Free {
			room[use.node].Free[d] = resource.Sum(room[use.node].Free[d], use.Amount[d])
		}
		count[use.node]++
	}
	plain := s.planned.Classes
	defer func() { s.planned.Classes = plain }()
	s.planned.Classes = slices.Clone(plain)
	for i := range s.planned.Classes {
		class := &s.planned.Classes[i]
		class.Score = make([]int64, len(class.Nodes))
		for j, node := range class.Nodes {
			class.Score[j] = -count[node]
		}
	}
	return s.plan(room, share)
}

// asked marks the resources that the gang asks for.
func (s *search) asked() []bool {
	asked := make([]bool, s.timeline.dims)
	for _, class := range s.planned.Classes {
		for d, amount := range class.Request {
			asked[d] = asked[d] || amount > 0 && class.Count > 0
		}
	}
	return asked
}

// endless lists the uses without end that take something of what is asked: the first of each node, then the second of
// each, and so on. On a node the largest come first, so that few have to go, and then the oldest. Among nodes, those come
// first where the youngest so far is older.
func (t *timeline) endless(asked []bool) []use {
	type step struct {
		use
		size     int64
		rank     int
		youngest int64
	}
	var steps []step
	for _, u := range t.uses {
		if size := size(u.Amount, t.nodes[u.node].Allocatable, asked); u.end == forever && size > 0 {
			steps = append(steps, step{use: u, size: size, youngest: started(u.Use)})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(b.size, a.size), cmp.Compare(a.youngest, b.youngest))
	})
	for i := 1; i < len(steps); i++ {
		if before := steps[i-1]; steps[i].node == before.node {
			steps[i].rank = before.rank + 1
			steps[i].youngest = max(steps[i].youngest, before.youngest)
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.youngest, b.youngest))
	})
	order := make([]use, len(steps))
	for i, s := range steps {
		order[i] = s.use
	}
	return order
}

// size is the largest share of its node that a use takes of anything asked for, in thousandths; 0 where it takes nothing.
func size(amount, allocatable resource.Vector, asked []bool) int64 {
	size := int64(0)
	for d, a := range amount {
		if asked[d] && a > 0 {
			size = max(size, 1, resource.Product(a, 1000)/max(1, allocatable[d]))
		}
	}
	return size
}

func started(u Use) int64 {
	if u.Since.IsZero() {
		return math.MaxInt64
	}
	return u.Since.UnixNano()
}
