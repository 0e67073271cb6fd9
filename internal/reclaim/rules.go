package reclaim

import (
	"slices"

	"github.com/muster-scheduling/muster/internal/ledger"
)

// levelOf says how far apart two queues are: the number of steps from the claimant's queue up to the first queue that is
// above both. Whether the claimant is entitled to units of a level depends on nothing but what queues of lower levels use.
func levelOf(claimant, victim []string) int {
	for i, queue := range claimant {
		if slices.Contains(victim, queue) {
			return i
		}
	}
	return len(claimant)
}

// mayTake reports whether the queues and the PodDisruptionBudgets let go of a unit, now that the others are gone.
func (s *scene) mayTake(u int) bool {
	return s.mayDisrupt(u) && s.letsGo(u)
}

// mayDisrupt reports whether the PodDisruptionBudgets allow to evict a unit.
func (s *scene) mayDisrupt(u int) bool {
	budgets := s.p.Units[u].Budgets
	for i, budget := range budgets {
		pods := 1 // of the unit, up to this one
		for _, other := range budgets[:i] {
			if other == budget {
				pods++
			}
		}
		if s.disrupted[budget]+pods > s.p.Disruptions[budget] {
			return false
		}
	}
	return true
}

// letsGo reports whether the queues let go of a unit.
func (s *scene) letsGo(u int) bool {
	unit := &s.p.Units[u]
	if unit.Preempt {
		return unit.Queue == s.p.Queue
	}
	return s.holdsRight(u) && s.ledger.Takeable(s.p.Queue, unit.Queue, s.p.Asked, unit.Usage)
}

// holdsRight reports whether the claimant's half of the rule allows a unit.
func (s *scene) holdsRight(u int) bool {
	unit := &s.p.Units[u]
	return unit.Preempt || s.ledger.Entitled(s.p.Queue, unit.Queue, s.p.Asked)
}

// entitled reports whether the claimant is entitled to all units that are gone. What was taken of one level makes room in
// the guarantee that the next depends on, so putting a unit back may cost the right to another one.
func (s *scene) entitled() bool {
	for level, n := range s.levels {
		if n > 0 && !s.ledger.Entitled(s.p.Queue, s.queue[level], s.p.Asked) {
			return false
		}
	}
	return true
}

// needed reports whether a unit has to go because the minimum of its gang does.
func (s *scene) needed(u int) bool {
	unit := &s.p.Units[u]
	if unit.Rest {
		return false
	}
	rest := s.gangs[unit.Gang].rest
	return rest >= 0 && s.gone[rest]
}

// refusal says why the claimant has no quota, nil if it has.
func (s *scene) refusal() *ledger.Refusal {
	return s.ledger.Check(s.p.Queue, s.p.Asked, s.p.Firm)
}
