package topology

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Plan is gang.Plan under the constraints of r; with a nil r it is gang.Plan. Of the domains in which a gang may be, one
// that takes all of it wins, else the one that takes most; then those where it uses the fewest domains of the preferred
// level; then the one with the least room left; then the first by name.
//
// Plan changes nothing of what it is given and gives equal answers to equal questions. The Space is asked with the
// classes of the problem. The error is the Space's, or says that the request does not belong to the problem.
func Plan(p gang.Problem, r *Request, space gang.Space) (Answer, error) {
	if r == nil {
		outcome, err := gang.Plan(p, space)
		return Answer{Outcome: outcome}, err
	}
	members, err := r.members(p)
	if err != nil {
		return Answer{}, err
	}
	views, fault, ignored := r.views()
	if fault != "" {
		return Answer{Outcome: gang.Outcome{Result: gang.Impossible, Fit: make([]int, len(p.Classes))}, Fault: fault}, nil
	}
	if len(views) == 0 {
		views = []*view{unconstrained(len(p.Nodes), len(r.Units))}
	}
	s := newSearch(p, r, members, space)
	var best *candidate
	for _, v := range views {
		v.look(members, r.Needed)
		found, err := s.inTree(v)
		if err != nil {
			return Answer{}, fmt.Errorf("planning a gang of %d members on %d nodes: %w", len(members), len(p.Nodes), err)
		}
		if found.beats(best) {
			best = found
		}
	}
	if best != nil {
		return s.answer(best, ignored), nil
	}
	a := Answer{Outcome: gang.Outcome{Result: gang.Impossible, Steps: s.steps}, Ignored: ignored}
	if s.spent {
		a.Result = gang.BudgetSpent
	}
	if a.Domains, err = s.refusals(views); err != nil {
		return Answer{}, fmt.Errorf("looking for the best domains: %w", err)
	}
	a.Fit = s.attempt
	if a.Fit == nil {
		a.Fit = make([]int, len(p.Classes))
	}
	return a, nil
}

// members are the members of the request, whose classes and units are checked to exist.
func (r *Request) members(p gang.Problem) ([]Member, error) {
	for _, t := range r.Trees {
		if t != nil && len(t.all) != len(p.Nodes) {
			return nil, fmt.Errorf("planning by Topology %s: it is about %d nodes, and there are %d", t.name, len(t.all), len(p.Nodes))
		}
	}
	left := make([]int, len(p.Classes))
	total := 0
	for c, class := range p.Classes {
		left[c] = class.Count
		total += class.Count
	}
	members := r.Members
	if members == nil {
		for c, class := range p.Classes {
			for range class.Count {
				members = append(members, Member{Class: c, Unit: -1})
			}
		}
	}
	for i, m := range members {
		if m.Class < 0 || m.Class >= len(left) || m.Unit < -1 || m.Unit >= len(r.Units) {
			return nil, fmt.Errorf("planning a gang: member %d is of class %d and unit %d: there are %d classes and %d units", i, m.Class, m.Unit, len(left), len(r.Units))
		}
		left[m.Class]--
	}
	if len(members) != total || slices.ContainsFunc(left, func(n int) bool { return n != 0 }) {
		return nil, fmt.Errorf("planning a gang: the request has %d members, the classes have %d, not the same of each", len(members), total)
	}
	if r.Ranks != nil && len(r.Ranks) != len(members) {
		return nil, fmt.Errorf("planning a gang: %d members have %d ranks", len(members), len(r.Ranks))
	}
	return members, nil
}

// candidate is a plan inside one domain.
type candidate struct {
	view  *view
	runs  []run
	costs []int // numbers of domains, what matters most first
	room  int64 // left in the domain
	idle  int
}

// run places members of a class on a node. Those of a unit that asks for something are told apart from others.
type run struct {
	gang.Run
	group int
}

func count(runs []run) int {
	n := 0
	for _, run := range runs {
		n += run.Count
	}
	return n
}

// beats reports whether c is better than another plan, which was found before it. Nil is no plan.
func (c *candidate) beats(other *candidate) bool {
	if c == nil || other == nil {
		return c != nil
	}
	return cmp.Or(
		cmp.Compare(count(other.runs), count(c.runs)),
		slices.Compare(c.costs, other.costs),
		cmp.Compare(c.room, other.room),
		cmp.Compare(c.idle, other.idle),
	) < 0
}

// answer puts the best plan into the terms of the caller.
func (s *search) answer(best *candidate, ignored string) Answer {
	a := Answer{Outcome: gang.Outcome{Fit: make([]int, len(s.p.Classes)), Steps: s.steps}, Ignored: ignored}
	for _, run := range best.runs {
		a.Fit[run.Class] += run.Count
		a.Runs = append(a.Runs, run.Run)
	}
	a.At = s.ranked(best)
	a.Where = best.view.where(best.runs)
	return a
}

// where is the title of the narrowest domain that holds all of a plan.
func (v *view) where(runs []run) string {
	for level := len(v.tree.domains) - 1; level >= 0 && len(runs) > 0; level-- {
		domain := v.tree.Domain(level, runs[0].Node)
		outside := func(r run) bool { return v.tree.Domain(level, r.Node) != domain }
		if domain >= 0 && !slices.ContainsFunc(runs, outside) {
			return v.tree.Title(level, domain)
		}
	}
	return ""
}
