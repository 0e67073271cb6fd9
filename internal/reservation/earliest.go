package reservation

import (
	"fmt"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Start says when and where a gang can start.
type Start struct {
	// Result is Placed where the gang can start one day, Impossible where it would not fit even if nothing ran and
	// nothing was held, and BudgetSpent where the planner gave up on that question.
	Result gang.Result
	// Known says that all that is in the way has an expected end.
	Known bool
	// At is the time, never before now. Zero unless Known.
	At time.Time
	// Runs place what the gang needs, and no more. Unless Known, they are on the nodes where the fewest pods without
	// expected end have to go, the oldest first; or there are none, where the gang waits for a hold of others that never ends.
	Runs []gang.Run
}

// maxStretches bounds how many stretches of time between starts and ends of holds are looked at.
const maxStretches = 32

// searchShare is the part of the planner's budget that each step of a search may spend.
const searchShare = 8

// Earliest tells the first time from which on a gang has room for its whole run time, where all uses end when they are
// expected to and the holds of others are kept.
//
// Without such holds room only grows, and the time is found by halving. Each hold divides time into stretches in which
// a later start has more room. Of every stretch the last start is planned, and the first stretch where that succeeds
// is halved. Where there are more than 32 stretches the first 31 are looked at and the last, after all holds that end: the
// answer may then be late, but does not delay others, and comes closer as time goes by. The same happens where the
// planner's budget is spent: a start at which the gang was not placed for that reason is not the answer.
//
// The error is the planner's.
func Earliest(p Problem) (Start, error) {
	t := newTimeline(p)
	s := search{problem: p, timeline: t, planned: reduced(p.Gang)}
	stretches := t.stretches()
	for i, starts := range stretches {
		if i >= maxStretches-1 && i < len(stretches)-1 {
			continue
		}
		share := int64(searchShare)
		if i == len(stretches)-1 {
			share = 1
		}
		if outcome, err := s.plan(t.fill(starts[len(starts)-1]), share); err != nil {
			return Start{}, err
		} else if outcome.Result == gang.Placed {
			return s.halve(starts, outcome)
		}
	}
	return s.unknown()
}

// stretches are the starts that are worth looking at, cut into stretches in which room only grows.
func (t *timeline) stretches() [][]int64 {
	var stretches [][]int64
	rest := t.ends
	for _, next := range append(t.breaks[1:], forever) {
		n, _ := slices.BinarySearch(rest, next)
		if n > 0 {
			stretches = append(stretches, rest[:n])
		}
		rest = rest[n:]
	}
	return stretches
}

type search struct {
	problem  Problem
	timeline *timeline
	planned  gang.Problem
}

// plan places what is needed into the given room, with a part of the budget.
func (s *search) plan(room []gang.Node, share int64) (gang.Outcome, error) {
	p := s.planned
	p.Nodes = room
	if p.Budget == 0 {
		p.Budget = gang.DefaultBudget
	}
	p.Budget = max(1, int(int64(p.Budget)/share))
	outcome, err := gang.Plan(p, nil)
	if err != nil {
		return outcome, fmt.Errorf("looking for the earliest start of a gang: %w", err)
	}
	return outcome, nil
}

// halve finds the first of the starts at which the gang can be placed. It can be at the last, as outcome says.
func (s *search) halve(starts []int64, outcome gang.Outcome) (Start, error) {
	low, high := -1, len(starts)-1
	for high-low > 1 {
		middle := (low + high) / 2
		o, err := s.plan(s.timeline.fill(starts[middle]), searchShare)
		if err != nil {
			return Start{}, err
		}
		if o.Result == gang.Placed {
			high, outcome = middle, o
		} else {
			low = middle
		}
	}
	return Start{
		Result: gang.Placed,
		Known:  true,
		At:     s.problem.Now.Add(time.Duration(starts[high])),
		Runs:   needed(s.planned, outcome.Runs),
	}, nil
}

// reduced leaves out members that a plan of what is needed can not contain.
func reduced(p gang.Problem) gang.Problem {
	roles := 0
	for _, n := range p.Need.Role {
		roles += n
	}
	p.Classes = slices.Clone(p.Classes)
	for i, class := range p.Classes {
		others := roles - p.Need.Role[class.Role]
		p.Classes[i].Count = max(0, min(class.Count, p.Need.Total-others))
	}
	return p
}

// needed cuts a plan down to what the gang needs, from its end.
func needed(p gang.Problem, runs []gang.Run) []gang.Run {
	placed, total := map[string]int{}, 0
	for _, run := range runs {
		placed[p.Classes[run.Class].Role] += run.Count
		total += run.Count
	}
	kept := slices.Clone(runs)
	for i := len(kept) - 1; i >= 0; i-- {
		role := p.Classes[kept[i].Class].Role
		spare := max(0, min(kept[i].Count, total-p.Need.Total, placed[role]-p.Need.Role[role]))
		kept[i].Count -= spare
		placed[role] -= spare
		total -= spare
	}
	return slices.DeleteFunc(kept, func(r gang.Run) bool { return r.Count == 0 })
}

// Hold is the hold that keeps a Start for a gang. It belongs to the same Problem.
func (p Problem) Hold(name string, start Start) Hold {
	hold := Hold{Gang: name, Made: p.Now, Start: start.At, Amount: map[string]resource.Amounts{}}
	if start.Known && p.Runtime > 0 {
		hold.End = start.At.Add(p.Runtime)
	}
	for _, run := range start.Runs {
		node := p.Nodes[run.Node].Name
		if hold.Amount[node] == nil {
			hold.Amount[node] = resource.Amounts{}
		}
		for d, amount := range p.Gang.Classes[run.Class].Request {
			if amount > 0 {
				hold.Amount[node].Add(resource.Amounts{p.Table.Name(d): resource.Product(amount, int64(run.Count))})
			}
		}
	}
	return hold
}
