package reclaim

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// bounded answers if the guarantees of the victims' queues let go of too little.
func (d *decider) bounded() (Decision, error) {
	if short := d.proof(resource.Unlimited); short != nil {
		why, err := d.whyGuarantees()
		return Decision{Result: gang.Impossible, Why: why}, err
	}
	return Decision{}, nil
}

// greedy answers if greedy choice finds victims within MaxRatio that Verify agrees to.
func (d *decider) greedy() (Decision, error) {
	for _, d.sparing = range []bool{false, true} {
		s := newScene(&d.p)
		if _, ok := d.choose(s, d.want); !ok {
			return Decision{}, nil
		}
		if fits, err := d.fits(s); err != nil || !fits {
			return Decision{}, err
		}
		if done, err := d.prune(s, nil, false); err != nil || !done {
			return Decision{}, err
		}
		if evicted := d.evicted(s)[d.dominant]; evicted > d.most() {
			d.over = cmp.Or(d.over, d.whyTooMuch(evicted))
			continue
		}
		if ok, err := d.verify(s); err != nil || !ok {
			return Decision{}, err
		}
		return d.placed(s)
	}
	return Decision{}, nil
}

// withinRatio answers if no victims can be within MaxRatio.
func (d *decider) withinRatio() (Decision, error) {
	most := d.most()
	if most == resource.Unlimited {
		return Decision{}, nil
	}
	s := newScene(&d.p)
	d.takeAll(s, d.eligible, most)
	fits, err := d.fits(s)
	if err != nil || fits && d.proof(most) == nil || !fits && d.doubt {
		return Decision{}, err
	}
	return Decision{Result: gang.Impossible, Why: cmp.Or(d.over, d.whyRatio())}, nil
}

// verified answers for gangs of which arithmetic cannot tell whether they fit. It lines up all units by the nodes that they
// make room on, searches by halving for the shortest part of the line that Verify agrees to, and spares what it can of that.
func (d *decider) verified() (Decision, error) {
	if d.p.Verify == nil {
		return Decision{}, nil
	}
	if ok, err := d.verify(d.all); err != nil {
		return Decision{}, err
	} else if !ok {
		return Decision{Result: gang.Impossible, Why: d.whyVerify()}, nil
	}
	s, groups, err := d.lineUp()
	if err != nil {
		return Decision{}, err
	}
	line := slices.Clone(s.taken)
	low, high := -1, len(groups)-1 // up to group low does not suffice, up to high does
	if high < 0 {
		return Decision{}, nil
	}
	if ok, err := d.judge(s); err != nil || !ok {
		return Decision{}, err
	}
	for high-low > 1 && !d.spent() {
		middle := (low + high) / 2
		s.undo(min(len(s.taken), groups[middle]))
		for _, u := range line[len(s.taken):groups[middle]] {
			s.take(u)
		}
		ok, err := d.judge(s)
		if err != nil {
			return Decision{}, err
		}
		if ok {
			high = middle
		} else {
			low = middle
		}
	}
	s.undo(min(len(s.taken), groups[high]))
	for _, u := range line[len(s.taken):groups[high]] {
		s.take(u)
	}
	blocks := [][]int{line[:groups[0]]}
	for i := 1; i <= high; i++ {
		blocks = append(blocks, line[groups[i-1]:groups[i]])
	}
	if done, err := d.prune(s, blocks, true); err != nil || !done {
		return Decision{}, err
	}
	if evicted := d.evicted(s)[d.dominant]; evicted > d.most() {
		d.over = cmp.Or(d.over, d.whyTooMuch(evicted))
		return Decision{}, nil
	}
	return d.placed(s)
}

// judge asks arithmetic, then Verify.
func (d *decider) judge(s *scene) (bool, error) {
	if fits, err := d.fits(s); err != nil || !fits {
		return false, err
	}
	return d.verify(s)
}

// lineUp takes all units that may be taken one after the other, in the order of greedy choice for as many members as
// possible. groups are the lengths of the line after each step of that.
func (d *decider) lineUp() (*scene, []int, error) {
	d.sparing = d.over != ""
	s := newScene(&d.p)
	c, _ := d.choose(s, d.all.total)
	for c.cheapest() {
	}
	s.sweep()
	return s, c.groups, nil
}

// searched answers when nothing quicker did.
func (d *decider) searched() (Decision, error) {
	d.doubt, d.sparing = false, d.over != ""
	x, result, err := d.search()
	if err != nil {
		return Decision{}, err
	}
	if result == gang.Placed {
		if done, err := d.prune(x.s, nil, true); err != nil {
			return Decision{}, err
		} else if done {
			return d.placed(x.s)
		}
		result = gang.BudgetSpent
	}
	if result == gang.Impossible && d.doubt {
		result = gang.BudgetSpent
	}
	why, err := d.whySearched(result)
	return Decision{Result: result, Why: why}, err
}

// placed is the answer once the victims are known.
func (d *decider) placed(s *scene) (Decision, error) {
	outcome, err := d.plan(s)
	if err == nil && outcome.Result != gang.Placed {
		outcome, err = d.planFor(s, d.want)
	}
	if err != nil {
		return Decision{}, err
	}
	if outcome.Result != gang.Placed {
		return Decision{Result: gang.BudgetSpent, Why: d.whyNoRoom(outcome)}, nil
	}
	decision := Decision{Result: gang.Placed, Victims: slices.Clone(s.taken), Runs: outcome.Runs, Evicted: d.evicted(s)}
	slices.SortStableFunc(decision.Victims, func(a, b int) int { return cmp.Compare(s.level[a], s.level[b]) })
	decision.Ratio = d.ratio(decision.Evicted)
	decision.Why = d.whyVictims(s, decision)
	return decision, nil
}
