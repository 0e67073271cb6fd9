package topology

import (
	"cmp"
	"slices"
)

// question asks for as few domains of a level as possible that together take a number of members.
//
// For members of one class that share nothing but resources, the answer is exact: the largest domains first, and last the
// tightest that takes the rest. For others this is a guess that is checked by planning, widened until it holds and then
// narrowed again.
type question struct {
	s     *search
	tree  *Tree
	aim   aim
	level int
	above int   // the narrowest level of which all nodes are in one domain anyway, -1 if there is none
	ask   []int // members by class
	// held are the domains where members run: using them costs nothing.
	held map[int32]bool
	// fits plans all members on some nodes; nil if it finds no way.
	fits func(nodes []int32) ([]run, error)
	// classes are those with members.
	classes []int
	// end is the number of steps at which a search in a Space gives up.
	end int
}

// exact reports whether rooms tell for certain what fits.
func (q *question) exact() bool { return len(q.classes) == 1 && q.s.space == nil }

// asking makes the question of an aim, about members that are in one domain of the level above anyway.
func (s *search) asking(t *Tree, a aim, above int, ask []int) *question {
	q := &question{s: s, tree: t, aim: a, level: a.preferred, above: above, ask: ask, held: map[int32]bool{}, end: s.steps + min(s.left()/2, 16*s.oneTry(sum(ask)))}
	for _, node := range a.runs {
		if a.preferred >= 0 {
			q.held[t.parcelOf(a.preferred, node)] = true
		}
	}
	for c, n := range ask {
		if n > 0 {
			q.classes = append(q.classes, c)
		}
	}
	return q
}

// takes reports whether the rooms of two areas add up to what is asked for, class by class.
func (q *question) takes(a, b area) bool {
	for _, c := range q.classes {
		if a.caps[c]+b.caps[c] < int64(q.ask[c]) {
			return false
		}
	}
	return true
}

// least is the number of fresh domains that are needed besides the base, going by their room.
func (q *question) least(base area, fresh []area) int {
	fewest := 0
	caps := make([]int64, len(fresh))
	for _, c := range q.classes {
		for i, a := range fresh {
			caps[i] = a.caps[c]
		}
		slices.Sort(caps)
		left, n := int64(q.ask[c])-base.caps[c], 0
		for i := len(caps) - 1; i >= 0 && left > 0; i-- {
			left -= caps[i]
			n++
		}
		fewest = max(fewest, n)
	}
	return fewest
}

// answer improves a plan that lies on the given nodes. Where there is none yet (nil runs) it looks for one.
func (q *question) answer(nodes []int32, runs []run) ([]run, error) {
	base, fresh := q.base(q.s.split(q.tree, q.level, nodes))
	if found, err := q.try(base); err != nil || found != nil {
		return found, err
	}
	if found, err := q.one(base, fresh); err != nil || found != nil {
		return found, err
	}
	var best []run
	var costs []int
	consider := func(found []run) {
		if found == nil {
			return
		}
		if c := q.tree.used(q.aim, q.above, found); best == nil || slices.Compare(c, costs) < 0 {
			best, costs = found, c
		}
	}
	consider(runs)
	found, err := q.few(base, fresh, len(fresh))
	if err != nil {
		return nil, err
	}
	consider(found)
	for level := q.level - 1; best != nil && level > q.above; level-- {
		found, err := q.near(level, base, fresh, costs[0]-len(q.held))
		if err != nil {
			return nil, err
		}
		consider(found)
		if found != nil && len(q.held) == 0 {
			break // nothing wider is better
		}
	}
	return best, nil
}

func (q *question) nothing() area { return area{caps: make([]int64, q.s.classes)} }

// base are the domains where members run, as one area, and the others.
func (q *question) base(areas []area) (area, []area) {
	base := q.nothing()
	var fresh []area
	for _, a := range areas {
		if q.held[a.domain] {
			base = base.and(a)
		} else {
			fresh = append(fresh, a)
		}
	}
	return base, fresh
}

// try plans in an area if it has room enough.
func (q *question) try(a area) ([]run, error) {
	if !q.takes(a, q.nothing()) || q.s.space != nil && q.s.steps >= q.end {
		return nil, nil
	}
	return q.fits(a.nodes)
}

// tries is how many domains are planned in at most, one after the other, where a bound does not tell whether they do.
const tries = 256

// shared is in how many levels a domain lies where members run already.
func (q *question) shared(a area) int {
	n := 0
	for level := q.level - 1; level > q.above; level-- {
		domain := q.tree.Domain(level, a.nodes[0])
		if domain >= 0 && slices.ContainsFunc(q.aim.runs, func(node int32) bool { return q.tree.Domain(level, node) == domain }) {
			n++
		}
	}
	return n
}

// one looks for a single domain: the nearest to members that run, of these the tightest.
func (q *question) one(base area, fresh []area) ([]run, error) {
	var enough []area
	for _, a := range fresh {
		if q.takes(base, a) {
			enough = append(enough, a)
		}
	}
	slices.SortStableFunc(enough, func(a, b area) int {
		return cmp.Or(cmp.Compare(q.shared(b), q.shared(a)), tighter(a, b))
	})
	for i := 0; i < len(enough) && i < tries; i++ {
		if runs, err := q.try(base.and(enough[i])); err != nil || runs != nil {
			return runs, err
		}
	}
	return nil, nil
}

// few plans in at most limit of the fresh domains besides the base. Nil if that does not work.
func (q *question) few(base area, fresh []area, limit int) ([]run, error) {
	order, enough := q.largest(base, fresh)
	enough = max(enough, 1) // none is known not to do
	if enough > limit {
		return nil, nil
	}
	limit = min(limit, len(order))
	failed := enough - 1
	var runs []run
	n := enough
	for step := 1; ; step *= 2 {
		var err error
		if runs, err = q.try(base.and(order[:n]...)); err != nil {
			return nil, err
		}
		if runs != nil {
			break
		}
		if n == limit {
			return nil, nil
		}
		failed, n = n, min(n+step, limit)
	}
	for n-failed > 1 {
		middle := (n + failed) / 2
		fewer, err := q.try(base.and(order[:middle]...))
		if err != nil {
			return nil, err
		}
		if fewer == nil {
			failed = middle
		} else {
			runs, n = fewer, middle
		}
	}
	if q.s.space != nil {
		return runs, nil // each try is dear
	}
	return q.tail(base.and(order[:n-1]...), order[n-1:], runs)
}

// tail exchanges the last domain for the tightest that does as well.
func (q *question) tail(first area, others []area, runs []run) ([]run, error) {
	last := others[0]
	candidates := slices.Clone(others[1:])
	slices.SortStableFunc(candidates, tighter)
	failures := 0
	for _, a := range candidates {
		if tighter(a, last) >= 0 || failures == 4 {
			break
		}
		if !q.takes(first, a) {
			continue
		}
		better, err := q.try(first.and(a))
		if err != nil || better != nil {
			return better, err
		}
		failures++
	}
	return runs, nil
}

// largest orders domains by what they take of what the ones before leave, and tells how many suffice by their room: more than
// there are if all do not.
func (q *question) largest(base area, fresh []area) (order []area, enough int) {
	left := make([]int, len(q.ask))
	for _, c := range q.classes {
		left[c] = max(0, q.ask[c]-int(min(base.caps[c], int64(q.ask[c]))))
	}
	order = slices.Clone(fresh)
	sortBy := func(list []area) {
		slices.SortStableFunc(list, func(a, b area) int { return cmp.Compare(b.size(left), a.size(left)) })
	}
	sortBy(order)
	for n := 0; n < len(order); n++ {
		if sum(left) == 0 {
			return order, n
		}
		if len(q.classes) > 1 && n > 0 && n < 64 {
			sortBy(order[n:])
		}
		for c := range left {
			left[c] -= int(min(order[n].caps[c], int64(left[c])))
		}
	}
	if sum(left) > 0 {
		return order, len(order) + 1
	}
	return order, len(order)
}

// size is how many of the members an area takes, and among those that take all the rest of one class how large it is.
func (a area) size(left []int) int64 {
	size := int64(0)
	for c, n := range left {
		if n > 0 {
			size += min(a.caps[c], int64(n))
		}
	}
	return size
}

// near looks for domains inside one domain of a wider level, no more than limit.
func (q *question) near(level int, base area, fresh []area, limit int) ([]run, error) {
	groups := map[int32][]area{}
	var order []int32
	for _, a := range fresh {
		wider := q.tree.Domain(level, a.nodes[0])
		if wider < 0 {
			continue
		}
		if groups[wider] == nil {
			order = append(order, wider)
		}
		groups[wider] = append(groups[wider], a)
	}
	type scope struct {
		areas []area
		few   int
		here  int // 0 where members run
		room  int64
	}
	var scopes []scope
	for _, wider := range order {
		sc := scope{areas: groups[wider]}
		joint := base.and(sc.areas...)
		if !q.takes(joint, q.nothing()) {
			continue
		}
		if sc.few, sc.room = q.least(base, sc.areas), joint.room; sc.few <= limit {
			sc.here = 1
			if slices.ContainsFunc(q.aim.runs, func(node int32) bool { return q.tree.Domain(level, node) == wider }) {
				sc.here = 0
			}
			scopes = append(scopes, sc)
		}
	}
	slices.SortStableFunc(scopes, func(a, b scope) int {
		return cmp.Or(cmp.Compare(a.few, b.few), cmp.Compare(a.here, b.here), cmp.Compare(a.room, b.room))
	})
	for _, sc := range scopes {
		found, err := q.few(base, sc.areas, limit)
		if err != nil || found != nil {
			return found, err
		}
	}
	return nil, nil
}
