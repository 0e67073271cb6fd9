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
	others := members(make([]int, s.classes))
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

// look finds out which units have members.
func (v *view) look(members []Member, needed int) {
	seen := make([]bool, len(v.units))
	for i, m := range members {
		if m.Unit < 0 || seen[m.Unit] {
			continue
		}
		seen[m.Unit] = true
		v.grouped = v.grouped || v.units[m.Unit].asks()
		if i < needed && v.units[m.Unit].preferred >= 0 {
			v.preferring++
		}
	}
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

// domainsFor are the domains among some nodes in which a group may be.
func (s *search) domainsFor(v *view, g group, nodes []int32) []area {
	if g.aim.required < 0 {
		return []area{s.area(-1, nodes)}
	}
	return g.among(s.parcel(v.tree, g.aim.required, nodes))
}

// among are those of the domains of its level in which a group may be.
func (g group) among(p *parcels) []area {
	switch {
	case g.aim.pin < 0:
		return p.areas
	case p.at[g.aim.pin] < 0:
		return nil
	}
	return p.areas[p.at[g.aim.pin]:][:1]
}

// orders lists the orders in which groups are worth placing: those first that have a domain already, then the narrowest
// levels and the largest for the room of the domains; the same with the smallest number of domains first; and as they
// come. Members of no group go last.
func (s *search) orders(v *view, groups []group, nodes []int32) [][]group {
	keys := s.keys(v, groups, nodes)
	by := func(field func(k key) float64) func(a, b group) int {
		return func(a, b group) int { return cmp.Compare(field(keys[a.unit]), field(keys[b.unit])) }
	}
	last, level := by(func(k key) float64 { return k.last }), by(func(k key) float64 { return k.level })
	domains, size := by(func(k key) float64 { return k.domains }), by(func(k key) float64 { return -k.size })
	var orders [][]group
	for _, less := range []func(a, b group) int{
		func(a, b group) int { return cmp.Or(last(a, b), level(a, b), size(a, b)) },
		func(a, b group) int { return cmp.Or(last(a, b), domains(a, b), size(a, b)) },
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

// key is what groups are ordered by, the lower first.
type key struct {
	last    float64 // 0 has a domain, 1 has none, 2 is no unit
	level   float64
	domains float64 // that have room for the group
	size    float64 // the largest part of the room of one of these that it takes
}

func (s *search) keys(v *view, groups []group, nodes []int32) map[int]key {
	keys := map[int]key{}
	levels := map[int]*parcels{}
	for i, g := range groups {
		if i > 0 && g.alike(groups[i-1]) {
			keys[g.unit] = keys[groups[i-1].unit]
			continue
		}
		k := key{level: -float64(g.aim.required)}
		switch {
		case g.unit < 0:
			k.last = 2
		case g.aim.pin < 0:
			k.last = 1
		}
		if g.aim.required >= 0 {
			if levels[g.aim.required] == nil {
				levels[g.aim.required] = s.parcel(v.tree, g.aim.required, nodes)
			}
			for _, a := range g.among(levels[g.aim.required]) {
				if a.times(g.counts, 1) == 1 {
					k.domains++
					k.size = max(k.size, a.share(g.counts))
				}
			}
		}
		keys[g.unit] = k
	}
	return keys
}

// share is what part of an area's room some members take, which have room there.
func (a area) share(counts []int) float64 {
	share := 0.0
	for c, n := range counts {
		if n > 0 {
			share += float64(n) / float64(a.caps[c])
		}
	}
	return share
}

// ground is nodes on which groups are placed one after the other, and how they are divided at each level.
type ground struct {
	s      *search
	v      *view
	nodes  []int32
	levels map[int]*parcels
	mark   int // in search.maps
	trail  int // in search.trail
}

func (s *search) ground(v *view, nodes []int32) *ground {
	return &ground{s: s, v: v, nodes: nodes, levels: map[int]*parcels{}, mark: len(s.maps), trail: len(s.trail)}
}

// clear takes back all that was placed.
func (gr *ground) clear() error {
	err := gr.s.rollback(gr.trail)
	gr.s.maps = gr.s.maps[:gr.mark]
	return err
}

// domainsFor are the domains in which a group may be, as they are now.
func (gr *ground) domainsFor(g group) []area {
	if g.aim.required < 0 {
		return []area{gr.s.area(-1, gr.nodes)}
	}
	if gr.levels[g.aim.required] == nil {
		p := gr.s.parcel(gr.v.tree, g.aim.required, gr.nodes)
		gr.levels[g.aim.required] = p
		gr.s.maps = append(gr.s.maps, p)
	}
	return g.among(gr.levels[g.aim.required])
}

// oneByOne places one group after the other, each as well as it goes. Nil if one does not fit.
func (s *search) oneByOne(v *view, groups []group, nodes []int32) (runs []run, err error) {
	gr := s.ground(v, nodes)
	defer func() {
		if undone := gr.clear(); err == nil {
			err = undone
		}
	}()
	runs = []run{}
	used := map[[2]int32]bool{} // level and domain
	for _, g := range groups {
		more, err := gr.place(g, used)
		if err != nil || more == nil {
			return nil, err
		}
		if ok, err := s.take(more); err != nil || !ok {
			return nil, err
		}
		runs = append(runs, more...)
		for level := range v.tree.domains {
			for _, r := range more {
				used[[2]int32{int32(level), v.tree.Domain(level, r.Node)}] = true
			}
		}
	}
	return runs, nil
}

// place finds room for one group next to what is placed: rather in a domain that the gang uses, else in the tightest.
func (gr *ground) place(g group, used map[[2]int32]bool) ([]run, error) {
	areas := gr.domainsFor(g)
	inUse := func(a area) int {
		if used[[2]int32{int32(g.aim.required), a.domain}] {
			return 0
		}
		return 1
	}
	better := func(i, j int) int {
		return cmp.Or(cmp.Compare(inUse(areas[i]), inUse(areas[j])), tighter(areas[i], areas[j]), cmp.Compare(i, j))
	}
	var enough []int
	first := 0 // the place of the best one
	for i, a := range areas {
		if a.times(g.counts, 1) > 0 {
			enough = append(enough, i)
			if better(i, enough[first]) < 0 {
				first = len(enough) - 1
			}
		}
	}
	for n := range enough {
		switch n {
		case 0: // it mostly does, and then the others need not be sorted
			enough[0], enough[first] = enough[first], enough[0]
		case 1:
			slices.SortFunc(enough[1:], better)
		}
		if runs, err := gr.s.placeIn(gr.v, g, areas[enough[n]].nodes); err != nil || runs != nil {
			return runs, err
		}
	}
	return nil, nil
}

// placeIn places one group in one domain. Nil if it does not fit.
func (s *search) placeIn(v *view, g group, nodes []int32) (runs []run, err error) {
	q := s.asking(v.tree, g.aim, max(g.aim.required, v.gang.required), g.counts)
	if g.aim.preferred < 0 || !q.exact() {
		if runs, err = s.fit(g, nodes); err != nil || runs == nil || g.aim.preferred < 0 {
			return runs, err
		}
	}
	q.fits = func(nodes []int32) ([]run, error) { return s.fit(g, nodes) }
	return q.answer(nodes, runs)
}
