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
	if err != nil || fits && d.enoughNodes(most) && d.proof(most) == nil || !fits && d.doubt {
		return Decision{}, err
	}
	return Decision{Result: gang.Impossible, Why: cmp.Or(d.over, d.whyRatio())}, nil
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
	if err == nil && outcome.Result != gang.Placed && !d.domains {
		outcome, err = d.planFor(s, d.want)
	}
	if err != nil {
		return Decision{}, err
	}
	if outcome.Result != gang.Placed {
		return Decision{Result: gang.BudgetSpent, Why: d.whyNoRoom(outcome)}, nil
	}
	runs, err := d.laidOut(s, outcome.Runs)
	if err != nil {
		return Decision{}, err
	}
	decision := Decision{Result: gang.Placed, Victims: slices.Clone(s.taken), Runs: runs, Evicted: d.evicted(s)}
	slices.SortStableFunc(decision.Victims, func(a, b int) int { return cmp.Compare(s.level[a], s.level[b]) })
	decision.Ratio = d.ratio(decision.Evicted)
	decision.Why = d.whyVictims(s, decision)
	return decision, nil
}
