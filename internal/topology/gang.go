package topology

import (
	"cmp"
	"slices"
)

// option is a domain in which the gang may be, and what is known of it before planning.
type option struct {
	area
	most   int // members that it could take
	fewest int // domains of the preferred level that would do, by what each has room for; or of those of units
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
		} else {
			o.fewest = v.preferring
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
