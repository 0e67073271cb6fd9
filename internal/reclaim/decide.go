package reclaim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// decider is one decision on its way.
type decider struct {
	p        Problem
	dominant string // resource, see Problem.MaxRatio
	sparing  bool   // what is evicted matters more than what that costs

	eligible []int           // units that may go as far as each alone is concerned
	all      *scene          // with all of them gone
	total    resource.Vector // room then, over all nodes
	want     []int           // members to make room for, by class

	// domains is set where members have to be together, so that room is more than what nodes have: the planner judges
	// all of it, and answer is what it said last.
	domains bool
	answer  topology.Answer
	alike   []alike

	layout []gang.Run // the plan that fits found last
	steps  int        // taken of the budget
	doubt  bool       // the planner left something open, so nothing is proved by it
	over   string     // how the best victims exceed MaxRatio
}

func newDecider(p Problem) *decider {
	p.Budget = cmp.Or(p.Budget, DefaultBudget)
	d := &decider{p: p, domains: required(p.Topology)}
	d.dominant = d.dominantResource()
	if d.domains {
		d.alike = partsAlike(p)
	}
	return d
}

func (d *decider) spent() bool { return d.steps >= d.p.Budget }

// decide goes through the steps that the comment of the package explains.
func (d *decider) decide() (Decision, error) {
	switch {
	case !d.domains:
		return d.first(d.asItIs, d.atMost, d.bounded, d.greedy, d.withinRatio, d.inLine, d.searched)
	case requiredByParts(d.p.Topology):
		return d.first(d.asItIs, d.atMost, d.bounded, d.likeLine, d.withinRatio, d.inLine, d.searched)
	}
	return d.first(d.asItIs, d.atMost, d.byDomain)
}

// first is the decision of the first step that comes to one; without words it is none.
func (d *decider) first(steps ...func() (Decision, error)) (Decision, error) {
	for _, step := range steps {
		if decision, err := step(); err != nil || decision.Why != "" {
			return decision, err
		}
	}
	return Decision{}, nil
}

// asItIs answers for a gang that fits without any victim, or never can.
func (d *decider) asItIs() (Decision, error) {
	s := newScene(&d.p)
	if refusal := s.refusal(); refusal != nil {
		if refusal.Never() {
			return Decision{Result: gang.Impossible, Why: refusal.String()}, nil
		}
		return Decision{}, nil
	}
	outcome, err := d.plan(s)
	if err == nil && d.answer.Fault != "" {
		return Decision{Result: gang.Impossible, Why: d.answer.Fault}, nil
	}
	if err != nil || outcome.Result != gang.Placed {
		return Decision{}, err
	}
	if ok, err := d.verify(s); err != nil || !ok {
		return Decision{}, err
	}
	runs, err := d.laidOut(s, outcome.Runs)
	return Decision{Result: gang.Placed, Runs: runs, Why: "fits without evicting anything"}, err
}

// atMost answers if the claimant does not fit even with everything gone that may go.
func (d *decider) atMost() (Decision, error) {
	d.all = newScene(&d.p)
	units := make([]int, len(d.p.Units))
	for u := range units {
		units[u] = u
	}
	d.takeAll(d.all, units, resource.Unlimited)
	d.eligible = slices.Clone(d.all.taken)
	if refusal := d.all.refusal(); refusal != nil {
		return Decision{Result: gang.Impossible, Why: d.whyNoQuota(*refusal)}, nil
	}
	outcome, err := d.plan(d.all)
	if err != nil {
		return Decision{}, err
	}
	if outcome.Result != gang.Placed {
		return Decision{Result: outcome.Result, Why: d.whyNoRoom(outcome)}, nil
	}
	d.total = d.all.sum()
	d.minimum(outcome)
	return Decision{}, nil
}

// takeAll takes all of the given units that may go now, as far as each alone is concerned, and that use no more than limit of
// the dominant resource. More than these can never go: what is taken brings queues closer to their guarantees, which only
// protects more, and gives the claimant room in its own, which is why the units go level by level.
func (d *decider) takeAll(s *scene, units []int, limit int64) {
	d.steps += len(units)
	may := make([]bool, len(d.p.Units))
	allowed := make([]bool, len(d.p.Units))
	levels := make([]int, len(units))
	for i, u := range units {
		allowed[u] = s.mayDisrupt(u)
		levels[i] = s.level[u]
	}
	slices.Sort(levels)
	for _, level := range slices.Compact(levels) {
		for _, u := range units {
			if s.level[u] == level && !s.gone[u] && allowed[u] && s.letsGo(u) {
				may[u] = true
			}
		}
		for _, u := range units {
			if s.level[u] != level || !may[u] {
				continue
			}
			if use, ok := d.wholeUse(s, u, may); ok && use <= limit {
				s.take(u)
			}
		}
	}
}

// wholeUse is what goes of the dominant resource when a unit goes with all that has to go with it, and whether all of that
// may go.
func (d *decider) wholeUse(s *scene, u int, may []bool) (int64, bool) {
	unit := &d.p.Units[u]
	use := unit.Usage[d.dominant]
	if !unit.Rest {
		return use, true
	}
	for _, v := range s.gangs[unit.Gang].surplus {
		switch {
		case may[v]:
			use = resource.Sum(use, d.p.Units[v].Usage[d.dominant])
		case !s.gone[v]:
			return 0, false
		}
	}
	return use, true
}

// minimum chooses how many members of each class to make room for: what the Need asks, the smallest members first, and no
// more than fit together.
func (d *decider) minimum(fits gang.Outcome) {
	classes := d.p.Gang.Classes
	d.want = make([]int, len(classes))
	order := make([]int, len(classes))
	for c := range order {
		order[c] = c
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.size(a), d.size(b)) })
	left := d.p.Gang.Need.Total
	add := func(limit int, ok func(c int) bool) {
		for _, c := range order {
			if n := min(limit, fits.Fit[c]-d.want[c]); n > 0 && ok(c) {
				d.want[c] += n
				limit -= n
				left -= n
			}
		}
	}
	for role, need := range d.p.Gang.Need.Role {
		add(need, func(c int) bool { return classes[c].Role == role })
	}
	add(left, func(int) bool { return true })
}

// size is how much of all that could be free one member of a class takes, in millionths, summed over the resources.
func (d *decider) size(class int) int64 {
	size := int64(0)
	for dim, amount := range d.p.Gang.Classes[class].Request {
		size += share(amount, d.total[dim])
	}
	return size
}

// plan asks the planner how far the claimant comes with what is gone.
func (d *decider) plan(s *scene) (gang.Outcome, error) {
	return d.planFor(s, nil)
}

// planFor does so for no more than the wanted members of each class; nil means all. Where members have to be together it is
// for all.
func (d *decider) planFor(s *scene, want []int) (gang.Outcome, error) {
	problem := s.room()
	request := d.p.Topology
	if !d.domains {
		request = nil
	}
	if want != nil && request == nil {
		problem.Classes = slices.Clone(problem.Classes)
		for c := range want {
			problem.Classes[c].Count = want[c]
		}
	}
	answer, err := topology.Plan(problem, request, nil)
	if err != nil {
		return gang.Outcome{}, fmt.Errorf("planning the claimant in queue %s: %w", d.p.Queue, err)
	}
	d.answer = answer
	d.steps += len(s.free)*len(s.allowed) + answer.Steps/16 // the planner's steps are much smaller
	if request != nil {
		d.steps += planSteps * (len(s.free) + len(request.Members))
	}
	d.doubt = d.doubt || answer.Result == gang.BudgetSpent
	return answer.Outcome, nil
}

// planSteps is for how many steps a node and a member count where domains are searched.
const planSteps = 32

// laidOut puts a plan in order as the claimant prefers it.
func (d *decider) laidOut(s *scene, runs []gang.Run) ([]gang.Run, error) {
	if d.p.Topology == nil || d.domains {
		return runs, nil
	}
	answer, err := topology.Plan(s.room(), d.p.Topology, nil)
	if err != nil {
		return nil, fmt.Errorf("laying out the claimant in queue %s: %w", d.p.Queue, err)
	}
	if answer.Result != gang.Placed {
		return runs, nil
	}
	return answer.Runs, nil
}
