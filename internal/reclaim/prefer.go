package reclaim

import (
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// lostForNear is how many times the work may be lost so that the claimant gets one domain of the level that it prefers.
const lostForNear = 2

// nearer asks for victims in one domain of the level that the claimant prefers. It returns them if they cost about the same as
// those of a decision that does not look at that, and the decision if not.
func (d *decider) nearer(decision Decision) (Decision, error) {
	r := d.p.Topology
	if decision.Result != gang.Placed || len(decision.Victims) == 0 || r == nil || r.Gang.Preferred == "" || d.spent() {
		return decision, nil
	}
	near, together := *r, d.p
	near.Gang.Required, near.Gang.Preferred = r.Gang.Preferred, ""
	together.Topology = &near
	together.Budget = d.p.Budget - d.steps
	sub := newDecider(together)
	better, err := sub.decide()
	d.steps += sub.steps
	if err != nil || better.Result != gang.Placed || !d.aboutAsCheap(better.Victims, decision.Victims) {
		return decision, err
	}
	// Somewhere else it might do with fewer of them: then they are not all needed.
	s := newScene(&d.p)
	for _, u := range better.Victims {
		s.take(u)
	}
	if fits, err := d.judge(s); err != nil || !fits {
		return decision, err
	}
	if done, err := d.prune(s, nil, true); err != nil || !done || len(s.taken) < len(better.Victims) {
		return decision, err
	}
	return better, nil
}

// aboutAsCheap reports whether victims are no more than others but for the work that is lost.
func (d *decider) aboutAsCheap(victims, others []int) bool {
	a, b := d.priceOf(victims, 1), d.priceOf(others, 1)
	return compareBool(a.whole, b.whole) <= 0 && a.priority <= b.priority && a.evicted <= b.evicted && a.lost <= resource.Product(lostForNear, b.lost)
}
