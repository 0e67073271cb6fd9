package ledger

import "github.com/muster-scheduling/muster/internal/resource"

// Entitled is the claimant's half of the reclaim rule: a gang of queue claimant may take back from gangs of queue victim if
// its amount, not charged yet, is covered by the guarantee of the claimant's branch, which is the highest queue above the
// claimant (or itself) that is not above the victim as well.
func (l *Ledger) Entitled(claimant, victim string, amount resource.Amounts) bool {
	c, v := l.nodes[claimant], l.nodes[victim]
	if c == nil || v == nil {
		return false
	}
	branch := branchOf(c, v)
	return branch != nil && branch.covers(amount)
}

// Takeable is the victim's half of the reclaim rule, for one unit of pods that go together: every queue from the victim's up
// to its branch, seen from the claimant, must let go of it. A queue does if it is reclaimable and uses more than its guarantee
// of a resource that the claimant asks for and the unit uses. Where the guarantee names resources that the unit uses, only
// those count: else any CPU would lay open a queue that is below its guarantee of GPUs.
//
// It is judged on the usage before the unit goes, so a unit that straddles the guarantee may be taken. To judge several,
// release each before the next is asked about.
func (l *Ledger) Takeable(claimant, victim string, asked, unit resource.Amounts) bool {
	c, v := l.nodes[claimant], l.nodes[victim]
	if c == nil || v == nil || c == v {
		return false
	}
	branch := branchOf(v, c)
	if branch == nil { // the victim's queue got queues of its own while the gang ran, the claimant's among them
		return v.queue.Reclaimable && overlap(asked, unit)
	}
	for x := v; ; x = x.parent {
		if !x.letsGo(asked, unit) {
			return false
		}
		if x == branch {
			return true
		}
	}
}

// branchOf returns the highest of the queues from n upwards that is not other or above it; nil if n itself is.
func branchOf(n, other *node) (branch *node) {
	for ; n != nil && !n.isAbove(other); n = n.parent {
		branch = n
	}
	return branch
}

// isAbove reports whether n is other or above it.
func (n *node) isAbove(other *node) bool {
	for ; other != nil; other = other.parent {
		if other == n {
			return true
		}
	}
	return false
}

func (n *node) letsGo(asked, unit resource.Amounts) bool {
	if n.exists && !n.queue.Reclaimable {
		return false
	}
	named := false
	for _, g := range n.guarantee {
		if unit[g.resource] <= 0 {
			continue
		}
		if asked[g.resource] > 0 && n.used.at(g.dim) > g.amount {
			return true
		}
		named = true
	}
	if named {
		return false
	}
	return overlap(asked, unit)
}

// overlap reports whether both ask for a resource.
func overlap(a, b resource.Amounts) bool {
	for name, amount := range a {
		if amount > 0 && b[name] > 0 {
			return true
		}
	}
	return false
}
