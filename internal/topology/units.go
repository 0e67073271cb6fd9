package topology

import (
	"cmp"
	"slices"
)

// group is the members of a unit that asks for something, or all other members (unit -1).
type group struct {
	unit   int
	aim    aim
	counts []int // by class
}

// groups divides the first n members. Those of no asking unit are the last group.
func (s *search) groups(v *view, n int) []group {
	of := make([]int, len(v.units)) // index in groups plus 1
	var groups []group
	others := group{unit: -1, aim: aim{required: -1, preferred: -1, pin: -1}, counts: make([]int, s.classes)}
	for _, m := range s.members[:n] {
		if m.Unit < 0 || !v.units[m.Unit].asks() {
			others.counts[m.Class]++
			continue
		}
		if of[m.Unit] == 0 {
			groups = append(groups, group{unit: m.Unit, aim: v.units[m.Unit], counts: make([]int, s.classes)})
			of[m.Unit] = len(groups)
		}
		groups[of[m.Unit]-1].counts[m.Class]++
	}
	if sum(others.counts) > 0 {
		groups = append(groups, others)
	}
	return groups
}

// asked reports whether a unit with members asks for something.
func (v *view) asked(members []Member) bool {
	return slices.ContainsFunc(members, func(m Member) bool { return m.Unit >= 0 && v.units[m.Unit].asks() })
}

// alike reports whether two groups may change places.
func (g group) alike(other group) bool {
	return g.aim.required == other.aim.required && g.aim.preferred == other.aim.preferred &&
		len(g.aim.runs) == 0 && len(other.aim.runs) == 0 && g.unit >= 0 && other.unit >= 0 && slices.Equal(g.counts, other.counts)
}

// proof is what a search without a plan knows.
type proof bool

const (
	impossible proof = true
	unknown    proof = false
)

// solve places all members of the groups on some nodes: group by group, in several orders, and if that fails by trying
// all domains for them, within a number of steps. Runs are nil if there is no way, or none was found.
func (s *search) solve(v *view, groups []group, nodes []int32, steps int) ([]run, proof, error) {
	if s.hopeless(v, groups, nodes) {
		return nil, impossible, nil
	}
	for _, order := range s.orders(v, groups, nodes) {
		if runs, err := s.oneByOne(v, order, nodes); err != nil || runs != nil {
			return runs, unknown, err
		}
		if s.space != nil && s.steps >= s.budget {
			return nil, unknown, nil
		}
	}
	return newAssignment(s, v, groups, nodes, steps).run()
}

// hopeless reports whether the rooms of the domains, added up for each kind of groups, do not suffice.
func (s *search) hopeless(v *view, groups []group, nodes []int32) bool {
	all := make([]int64, s.classes)
	for _, g := range groups {
		for c, n := range g.counts {
			all[c] += int64(n)
		}
	}
	whole := s.area(-1, nodes)
	for c, n := range all {
		if whole.caps[c] < n {
			return true
		}
	}
	done := make([]bool, len(groups))
	for i, g := range groups {
		if done[i] || g.aim.required < 0 {
			continue
		}
		times := 1
		for j := i + 1; j < len(groups); j++ {
			if groups[j].alike(g) {
				times++
				done[j] = true
			}
		}
		for _, a := range s.domainsFor(v, g, nodes) {
			times -= a.times(g.counts, times)
		}
		if times > 0 {
			return true
		}
	}
	return false
}

// times is how often groups with these numbers of members fit into an area by its room, at most limit.
func (a area) times(counts []int, limit int) int {
	for c, n := range counts {
		if n > 0 {
			limit = int(min(int64(limit), a.caps[c]/int64(n)))
		}
	}
	return limit
}

// domainsFor are the domains among some nodes in which a group may be.
func (s *search) domainsFor(v *view, g group, nodes []int32) []area {
	if g.aim.required < 0 {
		return []area{s.area(-1, nodes)}
	}
	areas := s.split(v.tree, g.aim.required, nodes)
	return slices.DeleteFunc(areas, func(a area) bool {
		return int(a.domain) >= v.tree.Domains(g.aim.required) || g.aim.pin >= 0 && a.domain != g.aim.pin
	})
}

// orders lists the orders in which groups are worth placing: those first that have a domain already, then the largest for
// the room of the domains; the same with the smallest number of domains first; and as they come. Members of no group go
// last.
func (s *search) orders(v *view, groups []group, nodes []int32) [][]group {
	type key struct {
		free    bool
		loose   int // -1 the level that is required: narrow first
		domains int
		size    float64
	}
	keys := map[int]key{}
	known := map[int][]area{}
	for _, g := range groups {
		areas, ok := known[g.aim.required]
		if !ok || g.aim.pin >= 0 {
			areas = s.domainsFor(v, g, nodes)
			known[g.aim.required] = areas
			if g.aim.pin >= 0 {
				delete(known, g.aim.required)
			}
		}
		k := key{free: g.aim.pin < 0, loose: -1 - g.aim.required}
		for _, a := range areas {
			share := 0.0
			for c, n := range g.counts {
				if n > 0 {
					share += float64(n) / max(float64(a.caps[c]), 0.5)
				}
			}
			if a.times(g.counts, 1) == 1 {
				k.domains++
				k.size = max(k.size, share)
			}
		}
		keys[g.unit] = k
	}
	rank := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	last := func(a, b group) int {
		return cmp.Or(cmp.Compare(rank(a.unit < 0), rank(b.unit < 0)), cmp.Compare(rank(keys[a.unit].free), rank(keys[b.unit].free)))
	}
	bySize := func(a, b group) int { return cmp.Compare(keys[b.unit].size, keys[a.unit].size) }
	byDomains := func(a, b group) int { return cmp.Compare(keys[a.unit].domains, keys[b.unit].domains) }
	byLevel := func(a, b group) int { return cmp.Compare(keys[a.unit].loose, keys[b.unit].loose) }
	var orders [][]group
	for _, less := range []func(a, b group) int{
		func(a, b group) int { return cmp.Or(last(a, b), byLevel(a, b), bySize(a, b)) },
		func(a, b group) int { return cmp.Or(last(a, b), byDomains(a, b), bySize(a, b)) },
		last,
	} {
		order := slices.Clone(groups)
		slices.SortStableFunc(order, less)
		same := func(other []group) bool {
			return slices.EqualFunc(other, order, func(a, b group) bool { return a.unit == b.unit })
		}
		if !slices.ContainsFunc(orders, same) {
			orders = append(orders, order)
		}
	}
	return orders
}

// oneByOne places one group after the other, each as well as it goes. Nil if one does not fit.
func (s *search) oneByOne(v *view, groups []group, nodes []int32) (runs []run, err error) {
	mark := len(s.trail)
	defer func() {
		if undone := s.rollback(mark); err == nil {
			err = undone
		}
	}()
	runs = []run{}
	for _, g := range groups {
		more, err := s.placeGroup(v, g, nodes, runs)
		if err != nil || more == nil {
			return nil, err
		}
		if ok, err := s.take(more); err != nil || !ok {
			return nil, err
		}
		runs = append(runs, more...)
	}
	return runs, nil
}

// placeGroup places one group next to what is placed: rather in a domain that the gang uses, else in the tightest.
func (s *search) placeGroup(v *view, g group, nodes []int32, placed []run) ([]run, error) {
	areas := s.domainsFor(v, g, nodes)
	used := map[int32]bool{}
	for _, r := range placed {
		used[v.tree.Domain(g.aim.required, r.Node)] = true
	}
	slices.SortStableFunc(areas, func(a, b area) int {
		if used[a.domain] != used[b.domain] {
			if used[a.domain] {
				return -1
			}
			return 1
		}
		return tighter(a, b)
	})
	for _, a := range areas {
		if a.times(g.counts, 1) == 0 {
			continue
		}
		if runs, err := s.placeIn(v, g, a.nodes); err != nil || runs != nil {
			return runs, err
		}
	}
	return nil, nil
}

// placeIn places one group in one domain. Nil if it does not fit.
func (s *search) placeIn(v *view, g group, nodes []int32) ([]run, error) {
	runs, err := s.fit(g, nodes)
	if err != nil || runs == nil || g.aim.preferred < 0 {
		return runs, err
	}
	q := s.asking(v.tree, g.aim, max(g.aim.required, v.gang.required), g.counts)
	q.fits = func(nodes []int32) ([]run, error) { return s.fit(g, nodes) }
	return q.answer(nodes, runs)
}
