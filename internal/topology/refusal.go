package topology

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// told is how many domains a refusal names.
const told = 3

// refusals tells how much of the gang the domains can take that could take most.
func (s *search) refusals(views []*view) []Refusal {
	var all []Refusal
	for _, v := range views {
		if v.gang.required < 0 {
			continue
		}
		all = append(all, s.refused(v)...)
	}
	slices.SortStableFunc(all, func(a, b Refusal) int { return cmp.Compare(b.Fit, a.Fit) })
	return all[:min(len(all), told)]
}

// refused looks at the domains of one Topology, by falling bounds, until no bound promises more than what is known.
func (s *search) refused(v *view) []Refusal {
	counts, asked := s.counts(), s.p.Need.Total
	nodes, domains := v.areas(v.gang)
	var options []option
	for i := range nodes {
		o := option{area: s.area(domains[i], nodes[i])}
		o.most = min(o.area.most(counts), asked)
		options = append(options, o)
	}
	slices.SortStableFunc(options, func(a, b option) int { return cmp.Compare(b.most, a.most) })
	var list []Refusal
	space := s.space
	s.space = nil // it only takes away; resources tell well enough how far a domain goes
	defer func() { s.space = space }()
	for i, o := range options {
		if len(list) >= told && (list[told-1].Fit >= o.most || i >= 4*told) {
			break
		}
		outcome, err := s.plan(s.everywhere(counts, o.nodes), gang.Need{Total: asked}, 1<<12)
		if err != nil {
			continue
		}
		list = append(list, Refusal{Domain: v.tree.Title(v.gang.required, o.domain), Fit: min(sum(outcome.Fit), asked), Asked: asked})
		slices.SortStableFunc(list, func(a, b Refusal) int { return cmp.Compare(b.Fit, a.Fit) })
	}
	return list[:min(len(list), told)]
}
