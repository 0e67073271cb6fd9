package reclaim

import "github.com/muster-scheduling/muster/internal/resource"

// evict takes a unit, and with the minimum of a gang all members beyond it; nothing if one of them may not go.
func (c *chooser) evict(u int) bool {
	mark := len(c.taken)
	if c.p.Units[u].Rest {
		for _, v := range c.gangs[c.p.Units[u].Gang].surplus {
			if !c.gone[v] && !c.evictOne(v) {
				c.undo(mark)
				return false
			}
		}
	}
	if !c.evictOne(u) {
		c.undo(mark)
		return false
	}
	return true
}

func (c *chooser) evictOne(u int) bool {
	if !c.mayTake(u) {
		return false
	}
	c.take(u)
	if c.strict && c.straddles(u) {
		c.putBack(u)
		return false
	}
	return true
}

// straddles reports whether a unit that is gone has brought a queue below its guarantee: whether one more unit of the size
// of the least amounts that there are could not be taken if the queue still had it.
func (c *chooser) straddles(u int) bool {
	unit := &c.p.Units[u]
	if unit.Preempt || c.ledger.Takeable(c.p.Queue, unit.Queue, c.p.Asked, unit.Usage) {
		return false
	}
	least := make(resource.Amounts, len(unit.Usage))
	for name, amount := range unit.Usage {
		if amount > 0 {
			least[name] = 1
		}
	}
	c.ledger.Charge(unit.Queue, least, false)
	defer c.ledger.Release(unit.Queue, least, false)
	return !c.ledger.Takeable(c.p.Queue, unit.Queue, c.p.Asked, unit.Usage)
}
