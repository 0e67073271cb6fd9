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

// inTree finds the best plan in one Topology. Nil if there is none.
func (s *search) inTree(v *view) (*candidate, error) {
	var best *candidate
	for _, o := range s.options(v) {
		if best != nil && o.most <= count(best.runs) && (len(best.costs) == 0 || o.most < count(best.runs) || o.fewest >= best.costs[0]) {
			continue
		}
		if s.space != nil && s.steps >= s.budget {
			s.spent = true
			break
		}
		found, err := s.inside(v, o)
		if err != nil {
			return nil, err
		}
		if found.beats(best) {
			best = found
		}
	}
	return best, nil
}

// options lists the domains that could take the gang, the most promising first: those that take most of it, with the
// fewest domains of the preferred level, with the least room left.
func (s *search) options(v *view) []option {
	counts := s.counts()
	nodes, domains := v.areas(v.gang)
	var options []option
	for i := range nodes {
		o := option{area: s.area(domains[i], nodes[i])}
		o.most = o.area.most(counts)
		if o.most < s.p.Need.Total {
			s.spare(o, counts)
			continue
		}
		if v.gang.preferred >= 0 {
			o.fewest = s.question(v, counts).lower(s.split(v.tree, v.gang.preferred, nodes[i]))
		}
		options = append(options, o)
	}
	slices.SortStableFunc(options, func(a, b option) int {
		return cmp.Or(cmp.Compare(b.most, a.most), cmp.Compare(a.fewest, b.fewest), cmp.Compare(a.room, b.room), cmp.Compare(a.idle, b.idle))
	})
	return options
}

// spare notes what a domain could take that is not worth planning in.
func (s *search) spare(o option, counts []int) {
	fit := make([]int, len(counts))
	for c, n := range counts {
		fit[c] = int(min(int64(n), o.caps[c]))
	}
	s.note(fit)
}

// inside plans the gang in one domain. Nil if it does not fit there.
func (s *search) inside(v *view, in option) (*candidate, error) {
	outcome, err := s.plan(s.everywhere(s.counts(), in.nodes), s.p.Need, s.left()/2)
	if err != nil {
		return nil, err
	}
	if outcome.Result != gang.Placed {
		s.note(outcome.Fit)
		s.spent = s.spent || outcome.Result == gang.BudgetSpent
		return nil, nil
	}
	c := &candidate{view: v, runs: whole(outcome.Runs), room: in.room, idle: in.idle}
	if v.gang.preferred >= 0 && sum(outcome.Fit) > 0 {
		q := s.question(v, outcome.Fit)
		q.fits = func(nodes []int32) ([]run, error) {
			o, err := s.plan(s.everywhere(outcome.Fit, nodes), gang.Need{Total: sum(outcome.Fit)}, s.left()/8)
			if err != nil || o.Result != gang.Placed {
				return nil, err
			}
			return whole(o.Runs), nil
		}
		if c.runs, err = q.answer(in.nodes, c.runs); err != nil {
			return nil, err
		}
	}
	c.costs = v.costs(c.runs)
	return c, nil
}

// whole are runs of members that no unit keeps apart.
func whole(runs []gang.Run) []run {
	list := make([]run, len(runs))
	for i, r := range runs {
		list[i] = run{Run: r, group: -1}
	}
	return list
}

// costs are the numbers of domains that a plan uses, with those in use before: of the preferred level, then of the wider
// ones.
func (v *view) costs(runs []run) []int {
	var costs []int
	for level := v.gang.preferred; level > v.gang.required && level >= 0; level-- {
		costs = append(costs, v.tree.used(level, runs, v.gang.runs))
	}
	return costs
}

// used counts the domains of a level that a plan uses and those in which members run. A node in no domain counts as one.
func (t *Tree) used(level int, runs []run, running []int32) int {
	seen := map[int32]struct{}{}
	add := func(node int32) {
		domain := t.Domain(level, node)
		if domain < 0 {
			domain = -1 - node
		}
		seen[domain] = struct{}{}
	}
	for _, r := range runs {
		add(r.Node)
	}
	for _, node := range running {
		add(node)
	}
	return len(seen)
}
