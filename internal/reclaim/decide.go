package reclaim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// decider is one decision on its way.
type decider struct {
	p        Problem
	dominant string // resource, see Problem.MaxRatio
	sparing  bool   // what is evicted matters more than what that costs

	eligible []int // units that may go as far as each alone is concerned
	all      *scene
	total    resource.Vector // room with all of them gone, over all nodes
	steps    int             // taken of the budget
}

func newDecider(p Problem) *decider {
	p.Budget = cmp.Or(p.Budget, DefaultBudget)
	d := &decider{p: p}
	d.dominant = d.dominantResource()
	return d
}

// dominantResource is the one that MaxRatio speaks of.
func (d *decider) dominantResource() string {
	best, bestGPU := "", false
	for name, asked := range d.p.Asked {
		if asked <= 0 {
			continue
		}
		gpu := strings.Contains(name, "gpu") || strings.HasPrefix(name, "nvidia.com/")
		switch {
		case best == "" || gpu && !bestGPU:
		case bestGPU && !gpu:
			continue
		default:
			order := -perMember(asked, max(d.p.Capacity[name], 1), d.p.Asked[best], max(d.p.Capacity[best], 1))
			if len(d.p.Capacity) == 0 {
				order = 0
			}
			if cmp.Or(order, cmp.Compare(name, best)) > 0 {
				continue
			}
		}
		best, bestGPU = name, gpu
	}
	return best
}

// plan asks the planner how far the claimant comes with what is gone.
func (d *decider) plan(s *scene) (gang.Outcome, error) {
	d.steps += len(s.free) * len(s.allowed)
	outcome, err := gang.Plan(s.room(), nil)
	if err != nil {
		return gang.Outcome{}, fmt.Errorf("planning the claimant in queue %s: %w", d.p.Queue, err)
	}
	d.steps += outcome.Steps / 16 // these are much smaller
	return outcome, nil
}

// verify asks whether the gang fits with what is gone.
func (d *decider) verify(s *scene) (bool, error) {
	if d.p.Verify == nil {
		return true, nil
	}
	d.steps += VerifySteps
	gone := slices.Clone(s.taken)
	slices.Sort(gone)
	ok, err := d.p.Verify(gone)
	if err != nil {
		return false, fmt.Errorf("verifying that the claimant in queue %s fits with %d units gone: %w", d.p.Queue, len(gone), err)
	}
	return ok, nil
}

// decide goes through the steps that the comment of the package explains.
func (d *decider) decide() (Decision, error) {
	s := newScene(&d.p)
	decision, done, err := d.asItIs(s)
	if done || err != nil {
		return decision, err
	}
	d.gather()
	fits, decision, err := d.atMost()
	if err != nil || decision.Why != "" {
		return decision, err
	}
	want := d.minimum(fits)
	over := ""
	for _, d.sparing = range []bool{false, true} {
		s := newScene(&d.p)
		if _, ok := d.choose(s, want); !ok {
			break
		}
		d.prune(s)
		if why := d.tooMuch(s); why != "" {
			over = why
			continue
		}
		if ok, err := d.verify(s); err != nil {
			return Decision{}, err
		} else if ok {
			return d.placed(s)
		}
		break
	}
	return Decision{Result: gang.BudgetSpent, Why: cmp.Or(over, "no victims were found")}, nil
}

// asItIs answers for a gang that fits without any victim.
func (d *decider) asItIs(s *scene) (Decision, bool, error) {
	refusal := s.refusal()
	if refusal != nil {
		if refusal.Never() {
			return Decision{Result: gang.Impossible, Why: refusal.String()}, true, nil
		}
		return Decision{}, false, nil
	}
	outcome, err := d.plan(s)
	if err != nil || outcome.Result != gang.Placed {
		return Decision{}, false, err
	}
	ok, err := d.verify(s)
	if err != nil || !ok {
		return Decision{}, false, err
	}
	return Decision{Result: gang.Placed, Runs: outcome.Runs, Why: "fits without evicting anything"}, true, nil
}

// gather finds the units that may go as far as each alone is concerned, and the scene in which all of them are gone. More
// than these never go: what is taken can bring a queue down to its guarantee, which only protects more, and lets the claimant
// into its own, which is considered level by level.
func (d *decider) gather() {
	d.all = newScene(&d.p)
	may := make([]bool, len(d.p.Units))
	for _, level := range slices.Compact(slices.Sorted(slices.Values(d.all.level))) {
		for u := range may {
			may[u] = may[u] || d.all.level[u] == level && d.all.mayTake(u)
		}
		for u := range may {
			if may[u] && d.all.level[u] == level && d.whole(u, may) {
				d.all.take(u)
			}
		}
	}
	d.eligible = slices.Clone(d.all.taken)
}

// whole reports whether all may go that has to go with a unit.
func (d *decider) whole(u int, may []bool) bool {
	if !d.p.Units[u].Rest {
		return true
	}
	return !slices.ContainsFunc(d.all.gangs[d.p.Units[u].Gang].surplus, func(v int) bool { return !may[v] })
}

// atMost looks at the room with everything gone that may go. It answers if the claimant does not fit even then.
func (d *decider) atMost() (gang.Outcome, Decision, error) {
	if refusal := d.all.refusal(); refusal != nil {
		return gang.Outcome{}, Decision{Result: gang.Impossible, Why: d.whyNoQuota(*refusal)}, nil
	}
	outcome, err := d.plan(d.all)
	if err != nil || outcome.Result == gang.Placed {
		return outcome, Decision{}, err
	}
	return outcome, Decision{Result: outcome.Result, Why: d.whyNoRoom(outcome)}, nil
}

// minimum chooses how many members of each class to make room for: what the Need asks, the smallest members first, and no
// more than fit together.
func (d *decider) minimum(fits gang.Outcome) []int {
	classes := d.p.Gang.Classes
	want := make([]int, len(classes))
	order := make([]int, len(classes))
	for c := range order {
		order[c] = c
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.size(a), d.size(b)) })
	left := d.p.Gang.Need.Total
	add := func(limit int, ok func(c int) bool) {
		for _, c := range order {
			if n := min(limit, fits.Fit[c]-want[c]); n > 0 && ok(c) {
				want[c] += n
				limit -= n
				left -= n
			}
		}
	}
	for role, need := range d.p.Gang.Need.Role {
		add(need, func(c int) bool { return classes[c].Role == role })
	}
	add(left, func(int) bool { return true })
	return want
}

// size is how much of all that could be free one member of a class takes, in millionths, summed over the resources.
func (d *decider) size(class int) int64 {
	if d.total == nil {
		d.total = d.all.sum()
	}
	size := int64(0)
	for dim, amount := range d.p.Gang.Classes[class].Request {
		size += share(amount, d.total[dim])
	}
	return size
}

// placed is the answer once the victims are known.
func (d *decider) placed(s *scene) (Decision, error) {
	outcome, err := d.plan(s)
	if err != nil {
		return Decision{}, err
	}
	if outcome.Result != gang.Placed {
		return Decision{Result: outcome.Result, Why: d.whyNoRoom(outcome)}, nil
	}
	decision := Decision{Result: gang.Placed, Victims: slices.Clone(s.taken), Runs: outcome.Runs, Evicted: d.evicted(s)}
	slices.SortStableFunc(decision.Victims, func(a, b int) int { return cmp.Compare(s.level[a], s.level[b]) })
	decision.Ratio = d.ratio(decision.Evicted)
	decision.Why = d.whyVictims(s, decision)
	return decision, nil
}
