package topology

import (
	"github.com/muster-scheduling/muster/internal/gang"
)

// inside plans the gang in one domain. Nil if it does not fit there, or no way was found.
func (s *search) inside(v *view, in option, steps int) (*candidate, proof, error) {
	if v.grouped {
		return s.prefix(v, in, steps)
	}
	if c, err := s.gathered(v, in); err != nil || c != nil {
		return c, unknown, err
	}
	outcome, err := s.plan(s.everywhere(s.counts(), in.nodes), s.p.Need, steps)
	if err != nil {
		return nil, unknown, err
	}
	if outcome.Result != gang.Placed {
		s.note(outcome.Fit)
		return nil, proof(outcome.Result == gang.Impossible), nil
	}
	one := members(outcome.Fit)
	c := s.candidate(v, in, s.own(one, outcome.Runs))
	if v.gang.preferred < 0 || len(c.runs) == 0 {
		return c, unknown, nil
	}
	fits := func(nodes []int32) ([]run, error) { return s.fit(one, nodes) }
	better, err := s.gather(v, in, []group{one}, c, fits)
	return better, unknown, err
}

// members are a group of members that belong to no unit.
func members(counts []int) group {
	return group{unit: -1, aim: nothing, counts: counts}
}

// gathered plans the whole gang right where it should be, if it is certain that it fits into the domain. Nil elsewhere.
func (s *search) gathered(v *view, in option) (*candidate, error) {
	counts := s.counts()
	q := s.asking(v.tree, v.gang, v.gang.required, counts)
	if v.gang.preferred < 0 || !q.exact() || in.most < len(s.members) || !s.sufficient(counts) {
		return nil, nil
	}
	q.fits = func(nodes []int32) ([]run, error) { return s.fit(members(counts), nodes) }
	runs, err := q.answer(in.nodes, nil)
	if err != nil || runs == nil {
		return nil, err
	}
	return s.candidate(v, in, runs), nil
}

// sufficient reports whether members cover what each role needs.
func (s *search) sufficient(counts []int) bool {
	of := map[string]int{}
	for c, n := range counts {
		of[s.p.Classes[c].Role] += n
	}
	for role, need := range s.p.Need.Role {
		if of[role] < need {
			return false
		}
	}
	return sum(counts) >= s.p.Need.Total
}

// prefix plans as many of the first members as fit, at least those that are needed.
func (s *search) prefix(v *view, in option, steps int) (*candidate, proof, error) {
	end := s.steps + steps
	try := func(n int) ([]run, proof, error) {
		share := max(1, end-s.steps)
		if n > s.needed(v) {
			share = max(1, share/4) // what is needed matters more
		}
		return s.solve(v, s.groups(v, n), in.nodes, share)
	}
	runs, proved, err := try(in.most)
	if err == nil && runs == nil && in.most > s.needed(v) {
		runs, proved, err = longest(s.needed(v), in.most, try)
	}
	if err != nil || runs == nil {
		return nil, proved, err
	}
	c := s.candidate(v, in, runs)
	groups := s.groups(v, count(runs))
	fits := func(nodes []int32) ([]run, error) {
		if s.space != nil {
			return s.oneByOne(v, s.orders(v, groups, nodes)[0], nodes)
		}
		runs, _, err := s.solve(v, groups, nodes, s.left()/16)
		return runs, err
	}
	better, err := s.gather(v, in, groups, c, fits)
	return better, unknown, err
}

// longest finds the most members that can be placed, between low and below high. Nil if low cannot.
func longest(low, high int, try func(n int) ([]run, proof, error)) ([]run, proof, error) {
	runs, proved, err := try(low)
	for err == nil && runs != nil && high-low > 1 {
		middle := (low + high) / 2
		var more []run
		if more, _, err = try(middle); more == nil {
			high = middle
		} else {
			low, runs = middle, more
		}
	}
	return runs, proved, err
}

// gather improves a plan: with fewer domains of the level that the gang prefers, or that its units prefer.
func (s *search) gather(v *view, in option, groups []group, c *candidate, fits func([]int32) ([]run, error)) (*candidate, error) {
	if len(c.costs) == 0 {
		return c, nil
	}
	if v.gang.preferred >= 0 {
		ask := make([]int, s.classes)
		for _, r := range c.runs {
			ask[r.Class] += r.Count
		}
		q := s.asking(v.tree, v.gang, v.gang.required, ask)
		q.fits = fits
		runs, err := q.answer(in.nodes, c.runs)
		if err != nil {
			return nil, err
		}
		if better := s.candidate(v, in, runs); better.beats(c) {
			c = better
		}
	}
	if plain := s.firstFit(v, groups, in.nodes); plain != nil {
		if other := s.candidate(v, in, plain); other.beats(c) {
			c = other
		}
	}
	return c, nil
}

// fit places all members of a group, which may go to any of the nodes. Nil if they do not fit.
func (s *search) fit(g group, nodes []int32) ([]run, error) {
	steps := s.left() / 8
	if s.space != nil {
		steps = min(steps, s.oneTry(sum(g.counts))) // there are other domains
	}
	o, err := s.plan(s.everywhere(g.counts, nodes), gang.Need{Total: sum(g.counts)}, steps)
	if err != nil || o.Result != gang.Placed {
		return nil, err
	}
	return s.own(g, o.Runs), nil
}

// own are runs of members of one group.
func (s *search) own(g group, runs []gang.Run) []run {
	list := make([]run, len(runs))
	for i, r := range runs {
		list[i] = run{Run: r, group: g.unit}
	}
	return list
}

func (s *search) candidate(v *view, in option, runs []run) *candidate {
	return &candidate{view: v, runs: runs, costs: v.costs(runs), room: in.room, idle: in.idle}
}
