package reclaim

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// offer is a set of units of which, once they are gone, one more member fits on a node.
type offer struct {
	node    int32
	version int
	units   []int // in the order in which they may be taken
	price   price
}

// offer finds the cheapest set that makes room for one more member of a class on a node. The scene is as before afterwards.
func (c *chooser) offer(class int, node int32) (offer, bool) {
	request := c.p.Gang.Classes[class].Request
	mark := len(c.taken)
	defer func() { c.undo(mark) }()
	c.d.steps += 1 + len(c.on[node])
	before := map[int32]int{node: c.slots[class][node]}
	for _, u := range c.on[node] {
		if c.slots[class][node] > 0 {
			break
		}
		if c.gone[u] || !c.pool[u] || !c.relieves(u, node, request) {
			continue
		}
		c.note(before, class, u)
		c.evict(u)
	}
	if c.slots[class][node] == 0 {
		return offer{}, false
	}
	c.thin(mark, class, node)
	units := slices.Clone(c.taken[mark:])
	gain := 0
	for n, slots := range before {
		gain += c.slots[class][n] - slots
	}
	return offer{node: node, version: c.version[node], units: units, price: c.d.priceOf(units, min(gain, c.want[class]))}, true
}

// note keeps how many members fit on the nodes that are touched when a unit goes.
func (c *chooser) note(before map[int32]int, class, u int) {
	touch := func(u int) {
		for _, part := range c.parts[u] {
			if _, known := before[part.Node]; !known {
				before[part.Node] = c.slots[class][part.Node]
			}
		}
	}
	touch(u)
	if c.p.Units[u].Rest {
		for _, v := range c.gangs[c.p.Units[u].Gang].surplus {
			touch(v)
		}
	}
}

// relieves reports whether a unit, or what goes with it, gives the node something that one more member lacks there.
func (c *chooser) relieves(u int, node int32, request resource.Vector) bool {
	i, _ := slices.BinarySearchFunc(c.parts[u], node, func(part Pod, node int32) int { return cmp.Compare(part.Node, node) })
	for d, amount := range request {
		if amount > c.free[node][d] && amount > 0 && c.parts[u][i].Amount[d] > 0 {
			return true
		}
	}
	return false
}

// thin puts back what the node's next member does not need of the units taken after the mark, the dearest first.
func (c *chooser) thin(mark, class int, node int32) {
	dearest := slices.Clone(c.taken[mark:])
	slices.SortFunc(dearest, func(a, b int) int { return cmp.Compare(c.place[b], c.place[a]) })
	for _, u := range dearest {
		if len(c.taken) == mark+1 || c.needed(u) {
			continue
		}
		at := slices.Index(c.taken, u)
		c.putBack(u)
		if c.slots[class][node] > 0 && c.entitled() {
			continue
		}
		c.take(u)
		last := len(c.taken) - 1 // back to where it was, so that the order stays one in which all may be taken
		copy(c.taken[at+1:], c.taken[at:last])
		c.taken[at] = u
	}
}

// renew makes the offer of a node anew.
func (c *chooser) renew(class int, node int32) {
	if fresh, ok := c.offer(class, node); ok {
		heap.Push(c.offers, fresh)
	}
}

// commit places members where units have made room, and renews the offers that this has changed.
func (c *chooser) commit(units []int) {
	c.groups = append(c.groups, len(c.taken))
	var touched []int32
	for _, u := range units {
		for _, part := range c.parts[u] {
			touched = append(touched, part.Node)
		}
	}
	slices.Sort(touched)
	touched = slices.Compact(touched)
	if len(c.todo) == 0 || c.offers == nil {
		return
	}
	class := c.todo[0]
	slices.SortStableFunc(touched, func(a, b int32) int { return cmp.Compare(c.slots[class][a], c.slots[class][b]) })
	c.settle(class, touched)
	if c.want[class] == 0 {
		return
	}
	touched = slices.DeleteFunc(touched, func(node int32) bool { return !c.allowed[class][node] })
	if len(touched) > renewed {
		slices.SortStableFunc(touched, func(a, b int32) int { return cmp.Compare(c.lack(class, a), c.lack(class, b)) })
		touched = touched[:renewed]
		c.offers.stale = true
	}
	for _, node := range touched {
		c.version[node]++
		c.renew(class, node)
	}
}

// renewed is how many offers are made anew at most when units go that are on many nodes. Offers are looked at again before
// they are taken, so an old one is only less likely to be taken than it should be.
const renewed = 32

// lack is how much of its request a member lacks on a node, in millionths, of the resource that it lacks most of.
func (c *chooser) lack(class int, node int32) int64 {
	lack := int64(0)
	for d, amount := range c.p.Gang.Classes[class].Request {
		if missing := resource.Difference(amount, c.free[node][d]); amount > 0 && missing > 0 {
			lack = max(lack, share(missing, amount))
		}
	}
	return lack
}

// offers is a heap, the cheapest offer first.
type offers struct {
	all     []offer
	sparing bool
	stale   bool // some were not made anew though they might have become better, or possible
}

func (o *offers) before(a, b offer) bool {
	return cmp.Or(a.price.compare(b.price, o.sparing), cmp.Compare(a.node, b.node)) < 0
}

func (o *offers) Len() int           { return len(o.all) }
func (o *offers) Less(i, j int) bool { return o.before(o.all[i], o.all[j]) }
func (o *offers) Swap(i, j int)      { o.all[i], o.all[j] = o.all[j], o.all[i] }
func (o *offers) Push(x any)         { o.all = append(o.all, x.(offer)) }
func (o *offers) Pop() any {
	last := o.all[len(o.all)-1]
	o.all = o.all[:len(o.all)-1]
	return last
}
