package ledger

import (
	"math"
	"math/bits"

	"github.com/muster-scheduling/muster/internal/resource"
)

// FairShare returns what the queue would have if all queues wanted everything: level by level from the top, its guarantee and,
// by weight among its siblings, a part of what their guarantees leave, up to its limit; what a limit cuts off goes to the
// others. Where the guarantees are more than there is, they shrink alike. Shares of siblings add up exactly.
func (l *Ledger) FairShare(queue string) resource.Amounts {
	n, ok := l.nodes[queue]
	if !ok || !n.exists {
		return resource.Amounts{}
	}
	shares := resource.Amounts{}
	for d, name := range l.names {
		if share := l.fairShare(n, d); share > 0 {
			shares[name] = share
		}
	}
	return shares
}

func (l *Ledger) fairShare(n *node, d int) int64 {
	total, siblings := at(l.capacity, d), l.tops
	if n.parent != nil {
		total, siblings = l.fairShare(n.parent, d), n.parent.children
		if !n.parent.exists {
			total = 0
		}
	}
	if total == 0 {
		return 0
	}
	claims := make([]claim, len(siblings))
	mine := 0
	for i, sibling := range siblings {
		claims[i] = sibling.claim(d)
		if sibling == n {
			mine = i
		}
	}
	return split(total, claims)[mine]
}

// claim is what a queue brings forward when siblings share a resource.
type claim struct {
	guarantee, limit, weight int64
}

func (n *node) claim(d int) claim {
	c := claim{limit: math.MaxInt64}
	if !n.exists {
		return c
	}
	c.weight = n.queue.Weight
	for _, limit := range n.limit {
		if limit.dim == d {
			c.limit = limit.amount
		}
	}
	for _, g := range n.guarantee {
		if g.dim == d {
			c.guarantee = min(g.amount, c.limit)
		}
	}
	return c
}

// split shares a total between claims.
func split(total int64, claims []claim) []int64 {
	shares := make([]int64, len(claims))
	weights := make([]int64, len(claims))
	var guaranteed int64
	for i, c := range claims {
		shares[i] = c.guarantee
		guaranteed = resource.Sum(guaranteed, c.guarantee)
		if c.guarantee < c.limit {
			weights[i] = c.weight
		}
	}
	if guaranteed > total {
		return apportion(total, shares)
	}
	for rest := total - guaranteed; ; {
		parts := apportion(rest, weights)
		full := false
		for i, c := range claims {
			if room := c.limit - c.guarantee; weights[i] > 0 && parts[i] > room {
				shares[i], weights[i], full = c.limit, 0, true
				rest -= room
			}
		}
		if !full {
			for i, part := range parts {
				shares[i] += part
			}
			return shares
		}
	}
}

// apportion divides a total in proportion to weights into whole parts, each less than 1 off, that add up to the total; without
// any weight all parts are zero.
func apportion(total int64, weights []int64) []int64 {
	parts := make([]int64, len(weights))
	shift := bits.Len(uint(len(weights))) // so that the sum of the weights fits in any case
	if small := sumOf(weights, 0); small < math.MaxInt64 {
		shift = 0
	}
	all := uint64(sumOf(weights, shift))
	if all == 0 {
		return parts
	}
	var before, given uint64
	for i, weight := range weights {
		before += uint64(weight) >> shift
		high, low := bits.Mul64(uint64(total), before)
		until, _ := bits.Div64(high, low, all)
		parts[i], given = int64(until-given), until
	}
	return parts
}

// sumOf adds up the weights, each shifted right, and saturates.
func sumOf(weights []int64, shift int) (all int64) {
	for _, weight := range weights {
		all = resource.Sum(all, weight>>shift)
	}
	return all
}
