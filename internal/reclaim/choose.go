package reclaim

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// chooser takes units from a scene until quota and room suffice, always the cheapest set that makes room for one more
// member on some node, judged by its price for each member that it makes room for anywhere.
type chooser struct {
	*scene
	d    *decider
	on   [][]int // by node: the units with a pod there, the cheapest first
	rank []int   // all that may go, the cheapest first
	// place is where a unit stands in rank.
	place []int

	todo []int // classes to be placed, the most demanding first
	want []int // members to be placed, by class

	strict bool   // takes nothing that brings a queue below its guarantee
	pool   []bool // by unit: what may be taken at present

	offers  *offers // of the first class of todo; nil: not made
	version []int   // by node: of what its offer was made for
	groups  []int   // lengths of taken after each step
	passed  int     // how far cheapest has come in rank
}

// choose takes units until the wanted members of each class fit and there is quota, or as long as that leads anywhere. The
// room of the scene is that without the members afterwards.
func (d *decider) choose(s *scene, want []int) (*chooser, bool) {
	c := &chooser{
		scene: s, d: d, rank: d.rank(d.eligible), want: slices.Clone(want), strict: true, pool: make([]bool, len(d.p.Units)), place: make([]int, len(d.p.Units)),
		on: make([][]int, len(s.free)), version: make([]int, len(s.free)),
	}
	for i, u := range c.rank {
		c.place[u] = i
		for _, part := range s.parts[u] {
			c.on[part.Node] = append(c.on[part.Node], u)
		}
	}
	for class := range want {
		c.todo = append(c.todo, class)
	}
	slices.SortStableFunc(c.todo, func(a, b int) int { return cmp.Compare(d.size(b), d.size(a)) })
	done := c.run()
	s.sweep()
	return c, done
}

// run goes for quota first, so that what has to go for it makes room as well.
func (c *chooser) run() bool {
	var short ledger.Refusal
	for refusal := c.refusal(); refusal != nil; refusal = c.refusal() {
		if refusal.Never() {
			return false
		}
		if refusal.Queue != short.Queue || refusal.Resource != short.Resource {
			short = *refusal
			c.draw(func(u int) bool {
				unit := &c.p.Units[u]
				return unit.Usage[short.Resource] > 0 && slices.Contains(c.ledger.Chain(unit.Queue), short.Queue)
			})
		}
		if !c.step() && !c.cheapest() && !c.relent() {
			return false
		}
	}
	c.draw(func(int) bool { return true })
	for c.next() {
		if !c.step() && !c.relent() {
			return false
		}
	}
	return true
}

// draw sets what may be taken.
func (c *chooser) draw(pool func(int) bool) {
	for u := range c.pool {
		c.pool[u] = pool(u)
	}
	c.offers, c.passed = nil, 0
}

// relent drops what keeps the chooser from going on: first the will to leave all queues their guarantees, then it takes what
// gives the claimant the right to units of queues that are further away. It reports whether there was something.
func (c *chooser) relent() bool {
	c.offers, c.passed = nil, 0
	if c.strict {
		c.strict = false
		return true
	}
	barred := -1 // a unit of the highest level that the claimant is not entitled to
	for _, u := range c.rank {
		if !c.gone[u] && (barred < 0 || c.level[u] > c.level[barred]) && !c.holdsRight(u) {
			barred = u
		}
	}
	if barred < 0 {
		return false
	}
	pool := c.pool
	defer func() { c.pool, c.passed = pool, 0 }()
	c.pool = make([]bool, len(pool))
	for u := range pool {
		c.pool[u] = c.level[u] < c.level[barred]
	}
	for !c.holdsRight(barred) {
		if !c.cheapest() {
			return false
		}
	}
	return true
}

// cheapest takes the cheapest unit that may be taken. What it has passed over stays out of the question until more is allowed.
func (c *chooser) cheapest() bool {
	for ; c.passed < len(c.rank); c.passed++ {
		u := c.rank[c.passed]
		if c.gone[u] || !c.pool[u] {
			continue
		}
		if mark := len(c.taken); c.evict(u) {
			c.commit(slices.Clone(c.taken[mark:]))
			return true
		}
	}
	return false
}

// exhaust takes all that may be taken.
func (c *chooser) exhaust() {
	c.draw(func(int) bool { return true })
	for c.cheapest() || c.relent() {
	}
}

// next places members where there is room without evicting more, and reports whether some are left.
func (c *chooser) next() bool {
	for len(c.todo) > 0 {
		class := c.todo[0]
		if c.offers == nil {
			c.fill(class)
		}
		if c.want[class] > 0 {
			return true
		}
		c.todo, c.offers = c.todo[1:], nil
	}
	return false
}

// fill places members of a class where they fit, the tightest nodes first.
func (c *chooser) fill(class int) {
	nodes := slices.DeleteFunc(slices.Clone(c.p.Gang.Classes[class].Nodes), func(node int32) bool { return c.slots[class][node] == 0 })
	slices.SortStableFunc(nodes, func(a, b int32) int { return cmp.Compare(c.slots[class][a], c.slots[class][b]) })
	c.settle(class, nodes)
}

// settle places members of a class on the given nodes as far as they are wanted and fit.
func (c *chooser) settle(class int, nodes []int32) {
	request := c.p.Gang.Classes[class].Request
	for _, node := range nodes {
		n := min(c.want[class], c.slots[class][node])
		if n == 0 {
			continue
		}
		c.want[class] -= n
		for d, amount := range request {
			c.free[node][d] = resource.Difference(c.free[node][d], resource.Product(max(amount, 0), int64(n)))
		}
		c.recount(node)
	}
}

// step evicts the cheapest set that makes room for one more member, and places what fits then.
func (c *chooser) step() bool {
	if !c.next() {
		return false
	}
	class := c.todo[0]
	if c.offers == nil {
		c.offers = &offers{sparing: c.d.sparing}
		for _, node := range c.p.Gang.Classes[class].Nodes {
			c.renew(class, node)
		}
	}
	if best, ok := c.best(class); ok {
		for _, u := range best.units {
			c.take(u)
		}
		c.commit(best.units)
		return true
	}
	if c.offers.stale {
		c.offers = nil
		return c.step()
	}
	return false
}

// best returns the cheapest offer, as it is now.
func (c *chooser) best(class int) (offer, bool) {
	for len(c.offers.all) > 0 {
		best := heap.Pop(c.offers).(offer)
		if best.version != c.version[best.node] {
			continue
		}
		fresh, ok := c.offer(class, best.node)
		if ok && (len(c.offers.all) == 0 || !c.offers.before(c.offers.all[0], fresh)) {
			return fresh, true
		}
		if ok {
			heap.Push(c.offers, fresh)
		}
	}
	return offer{}, false
}
