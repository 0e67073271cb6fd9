package topology

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

const (
	// told is how many domains a refusal names.
	told = 3
	// toldSteps is the budget of planning in one of them.
	toldSteps = 1 << 12
)

// refusals tells how much the domains can take that could take most: of a unit that finds no domain even alone, else of
// the gang.
func (s *search) refusals(views []*view) ([]Refusal, error) {
	space := s.space
	s.space = nil // it only takes away; resources tell well enough how far a domain goes
	defer func() { s.space = space }()
	var all []Refusal
	for _, v := range views {
		list, err := s.refused(v)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	mostFirst(all)
	return all[:min(len(all), told)], nil
}

func mostFirst(list []Refusal) {
	slices.SortStableFunc(list, func(a, b Refusal) int { return cmp.Compare(b.Fit, a.Fit) })
}

// refused looks at the domains of one Topology, by falling bounds, until no bound promises more than what is known.
func (s *search) refused(v *view) ([]Refusal, error) {
	asked := s.needed(v)
	nodes, domains := v.areas(v.gang)
	var options []option
	for i := range nodes {
		o := option{area: s.area(domains[i], nodes[i])}
		o.most = min(s.most(v, o.area), asked)
		options = append(options, o)
	}
	slices.SortStableFunc(options, func(a, b option) int { return cmp.Compare(b.most, a.most) })
	var list []Refusal
	for i, o := range options {
		if len(list) >= told && (list[told-1].Fit >= o.most || v.grouped || i >= 4*told) {
			break
		}
		fit, err := s.reach(v, o, asked)
		if err != nil {
			return nil, err
		}
		list = append(list, Refusal{Domain: v.tree.Title(v.gang.required, o.domain), Fit: fit, Asked: asked})
		mostFirst(list)
	}
	if v.gang.required >= 0 {
		return list[:min(len(list), told)], nil
	}
	for _, g := range s.groups(v, min(asked, len(s.members))) {
		if lonely, err := s.lonely(v, g); err != nil || len(lonely) > 0 {
			return lonely, err
		}
	}
	if !v.grouped {
		return nil, nil // the outcome says how many fit anywhere
	}
	return list, nil
}

// reach is how many members a domain takes, of those that are needed.
func (s *search) reach(v *view, o option, asked int) (int, error) {
	if !v.grouped {
		outcome, err := s.plan(s.everywhere(s.counts(), o.nodes), gang.Need{Total: asked}, toldSteps)
		s.note(outcome.Fit)
		return min(sum(outcome.Fit), asked), err
	}
	runs, _, err := longest(0, o.most+1, func(n int) ([]run, proof, error) {
		groups := s.groups(v, n)
		if s.hopeless(v, groups, o.nodes) {
			return nil, impossible, nil
		}
		runs, err := s.oneByOne(v, s.orders(v, groups, o.nodes)[0], o.nodes)
		return runs, unknown, err
	})
	fit := make([]int, s.classes)
	for _, r := range runs {
		fit[r.Class] += r.Count
	}
	s.note(fit)
	return count(runs), err
}

// lonely tells how much of a group its best domains take, if none takes it whole although it is alone.
func (s *search) lonely(v *view, g group) ([]Refusal, error) {
	if g.aim.required < 0 {
		return nil, nil
	}
	asked := sum(g.counts)
	areas := s.domainsFor(v, g, v.tree.all)
	slices.SortStableFunc(areas, func(a, b area) int { return cmp.Compare(b.most(g.counts), a.most(g.counts)) })
	var list []Refusal
	for _, a := range areas[:min(len(areas), told)] {
		outcome, err := s.plan(s.everywhere(g.counts, a.nodes), gang.Need{Total: asked}, toldSteps)
		if err != nil || outcome.Result != gang.Impossible {
			return nil, err
		}
		list = append(list, Refusal{Domain: v.tree.Title(g.aim.required, a.domain), Fit: sum(outcome.Fit), Asked: asked, Unit: s.r.Units[g.unit].Name})
	}
	mostFirst(list)
	return list, nil
}
