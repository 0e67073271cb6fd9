package topology

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// option is a domain in which the gang may be, and what is known of it before planning.
type option struct {
	area
	most   int // members that it could take
	fewest int // domains of the preferred level that would do, by what each has room for
}

// inTree finds the best plan in one Topology. Nil if there is none. Domains whose search stops early for want of steps
// are searched again with all that is left, unless the gang fits elsewhere.
func (s *search) inTree(v *view) (*candidate, error) {
	best, open, err := s.among(v, s.options(v), nil, func(int) int {
		if s.space != nil {
			return min(s.left()/8, s.oneTry(len(s.members)))
		}
		return s.left() / 8
	})
	if err != nil || len(open) == 0 {
		return best, err
	}
	best, open, err = s.among(v, open, best, func(more int) int { return s.left() / more })
	s.spent = s.spent || best == nil && len(open) > 0
	return best, err
}

// oneTry is about what it takes of the budget to place so many members in a Space if most of them fit at once.
func (s *search) oneTry(members int) int { return placeSteps * (members + members/2) }

// among finds the best plan in some domains, if it is better than the one that is known. For each it spends as many steps
// as share says, given how many domains there are to go. It also returns the domains about which the steps left open
// whether they take more of the gang.
func (s *search) among(v *view, options []option, best *candidate, share func(more int) int) (*candidate, []option, error) {
	var open []option
	for i, o := range options {
		if best != nil && !s.promises(o, best) {
			continue
		}
		if s.steps >= s.budget && (s.space != nil || v.grouped) {
			open = append(open, o)
			continue
		}
		found, proved, err := s.inside(v, o, max(1, share(len(options)-i)))
		if err != nil {
			return nil, nil, err
		}
		if found == nil && proved == unknown || found != nil && s.space != nil && count(found.runs) < o.most && s.needed(v) > 0 {
			open = append(open, o)
		}
		if found.beats(best) {
			best = found
		}
	}
	return best, open, nil
}

// promises reports whether a domain could take more members than a plan has, or need fewer domains for them. In a Space
// the latter is not looked for: rooms say too little about it.
func (s *search) promises(o option, best *candidate) bool {
	if n := count(best.runs); o.most != n {
		return o.most > n
	}
	return len(best.costs) > 0 && o.fewest < best.costs[0] && s.space == nil
}

// options lists the domains that could take the gang, the most promising first: those that take most of it, with the
// fewest domains of the preferred level, with the least room left.
func (s *search) options(v *view) []option {
	needed := s.needed(v)
	nodes, domains := v.areas(v.gang)
	var options []option
	for i := range nodes {
		o := option{area: s.area(domains[i], nodes[i])}
		if o.most = s.most(v, o.area); o.most < needed {
			continue
		}
		if v.gang.preferred >= 0 {
			ask := s.counts()
			if o.most < len(s.members) {
				ask = make([]int, s.classes) // which of them come is not known yet
			}
			q := s.asking(v.tree, v.gang, v.gang.required, ask)
			o.fewest = len(q.held) + q.least(q.base(s.split(v.tree, v.gang.preferred, nodes[i])))
		}
		options = append(options, o)
	}
	slices.SortStableFunc(options, func(a, b option) int {
		return cmp.Or(cmp.Compare(b.most, a.most), cmp.Compare(a.fewest, b.fewest), tighter(a.area, b.area))
	})
	return options
}

// needed is how many members have to be placed together.
func (s *search) needed(v *view) int {
	if v.grouped {
		return max(0, s.r.Needed)
	}
	return s.p.Need.Total
}

// most is an upper bound of how many members an area takes.
func (s *search) most(v *view, a area) int {
	if !v.grouped {
		return a.most(s.counts())
	}
	counts := make([]int64, s.classes)
	for i, m := range s.members {
		if counts[m.Class]++; counts[m.Class] > a.caps[m.Class] {
			return i
		}
	}
	return len(s.members)
}

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
		return s.solve(v, s.groups(v, n), in.nodes, max(1, end-s.steps)/2)
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

// costs are the numbers of domains that a plan uses, with those in use before: of the level that the gang prefers; of
// those that its units prefer, added up; and the same for all wider levels that are left to choose.
func (v *view) costs(runs []run) []int {
	gangs := v.tree.used(v.gang, v.gang.required, runs)
	units := make([]int, 0, len(v.tree.levels))
	for u, a := range v.units {
		if a.preferred < 0 {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(runs), func(r run) bool { return r.group != u })
		for i, n := range v.tree.used(a, max(a.required, v.gang.required), own) {
			if i == len(units) {
				units = append(units, 0)
			}
			units[i] += n
		}
	}
	var costs []int
	for i := range max(len(gangs), len(units)) {
		if i < len(gangs) {
			costs = append(costs, gangs[i])
		}
		if i < len(units) {
			costs = append(costs, units[i])
		}
	}
	return costs
}

// used counts the domains that a plan uses and those in which members run: of the preferred level, then of the wider ones
// down to above, of which there is one anyway. A node in no domain counts as one.
func (t *Tree) used(a aim, above int, runs []run) []int {
	var used []int
	for level := a.preferred; level > above && level >= 0; level-- {
		seen := map[int32]struct{}{}
		for _, r := range runs {
			seen[t.parcelOf(level, r.Node)] = struct{}{}
		}
		for _, node := range a.runs {
			seen[t.parcelOf(level, node)] = struct{}{}
		}
		used = append(used, len(seen))
	}
	return used
}
