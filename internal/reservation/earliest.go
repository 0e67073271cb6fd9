package reservation

import (
	"fmt"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
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
	s := newSearch(p, t)
	var runs []gang.Run
	start, found, err := t.first(func(start int64, final bool) (bool, error) {
		share := int64(searchShare)
		if final {
			share = 1
		}
		outcome, err := s.plan(t.fill(start), share)
		if outcome.Result == gang.Placed && err == nil {
			runs = outcome.Runs
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return Start{}, err
	}
	if !found {
		return s.unknown()
	}
	return Start{Result: gang.Placed, Known: true, At: p.Now.Add(time.Duration(start)), Runs: needed(s.planned, runs)}, nil
}

// first finds the first start that fits, among those that Earliest speaks of. The last call that is true is for that
// start; final is set for the latest start of all.
func (t *timeline) first(fits func(start int64, final bool) (bool, error)) (int64, bool, error) {
	stretches := t.stretches()
	for i, starts := range stretches {
		final := i == len(stretches)-1
		if i >= maxStretches-1 && !final {
			continue
		}
		ok, err := fits(starts[len(starts)-1], final)
		if err != nil {
			return 0, false, err
		}
		if ok {
			return halve(starts, fits)
		}
	}
	return 0, false, nil
}

// halve finds the first of ascending starts that fits, where the last does.
func halve(starts []int64, fits func(int64, bool) (bool, error)) (int64, bool, error) {
	low, high := -1, len(starts)-1
	for high-low > 1 {
		middle := (low + high) / 2
		ok, err := fits(starts[middle], false)
		if err != nil {
			return 0, false, err
		}
		if ok {
			high = middle
		} else {
			low = middle
		}
	}
	return starts[high], true, nil
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
	timeline *timeline
	planned  gang.Problem
	topology *topology.Request
}

// newSearch leaves out members that a plan of what is needed can not contain.
func newSearch(p Problem, t *timeline) *search {
	s := &search{timeline: t}
	if p.Topology == nil {
		s.planned = reduced(p.Gang)
	} else {
		s.planned, s.topology = leading(p.Gang, p.Topology)
	}
	return s
}

// plan places what is needed into the given room, with a part of the budget.
func (s *search) plan(room []gang.Node, share int64) (gang.Outcome, error) {
	p := s.planned
	p.Nodes = room
	if p.Budget == 0 {
		p.Budget = gang.DefaultBudget
	}
	p.Budget = max(1, int(int64(p.Budget)/share))
	answer, err := topology.Plan(p, s.topology, nil)
	if err != nil {
		return answer.Outcome, fmt.Errorf("looking for the earliest start of a gang: %w", err)
	}
	return answer.Outcome, nil
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

// leading does so for a gang that asks for domains. Where parts of it do, the first members are those that are needed; else
// its Need says which, and any of a class will do.
func leading(p gang.Problem, r *topology.Request) (gang.Problem, *topology.Request) {
	if !slices.ContainsFunc(r.Units, func(u topology.Unit) bool { return u.Want != topology.Want{} }) {
		return p, r
	}
	cut := *r
	cut.Members = r.Members[:min(r.Needed, len(r.Members))]
	cut.Ranks = r.Ranks[:min(r.Needed, len(r.Ranks))]
	p.Classes = slices.Clone(p.Classes)
	for i := range p.Classes {
		p.Classes[i].Count = 0
	}
	for _, member := range cut.Members {
		p.Classes[member.Class].Count++
	}
	return p, &cut
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
