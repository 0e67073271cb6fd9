package ledger

import (
	"math/big"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// oracle answers as a Ledger without averages should: from the queues and the list of all charges, with numbers of any size,
// and each time from scratch.
type oracle struct {
	capacity resource.Amounts
	queues   map[string]Queue
	charges  []charge
	// implicit is Default while nobody has set it.
	implicit string
}

type charge struct {
	queue  string
	amount resource.Amounts
	firm   bool
}

func newOracle() *oracle {
	return &oracle{implicit: Default, queues: map[string]Queue{Default: {Name: Default, Weight: 1, Reclaimable: true}}}
}

func (o *oracle) remove(name string) {
	delete(o.queues, name)
	if name == Default {
		o.implicit = Default
		o.queues[Default] = Queue{Name: Default, Weight: 1, Reclaimable: true}
	}
}

// inCycle follows parents for longer than any way to the top could be.
func (o *oracle) inCycle(name string) bool {
	next := o.queues[name].Parent
	for range len(o.queues) {
		if next == name {
			return true
		}
		next = o.queues[next].Parent
	}
	return false
}

func (o *oracle) chain(name string) []string {
	chain := []string{name}
	for !o.inCycle(name) && o.queues[name].Parent != "" {
		name = o.queues[name].Parent
		chain = append(chain, name)
	}
	return chain
}

// used sums up the positive amounts of all charges below a queue, saturated at the end only.
func (o *oracle) used(name, resource string, firmOnly bool) int64 {
	sum := new(big.Int)
	for _, c := range o.charges {
		if slices.Contains(o.chain(c.queue), name) && (c.firm || !firmOnly) && c.amount[resource] > 0 {
			sum.Add(sum, big.NewInt(c.amount[resource]))
		}
	}
	return saturated(sum)
}

func saturated(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return -1 << 63
	}
	return resource.Unlimited
}

func (o *oracle) usage(name string) resource.Amounts {
	usage := resource.Amounts{}
	for _, c := range o.charges {
		for r := range c.amount {
			if used := o.used(name, r, false); used != 0 {
				usage[r] = used
			}
		}
	}
	return usage
}

func (o *oracle) covered(name string, amount resource.Amounts) bool {
	named := false
	for r, guarantee := range o.queues[name].Guarantee {
		if amount[r] > 0 {
			named = true
			if resource.Sum(o.used(name, r, false), amount[r]) > max(guarantee, 0) {
				return false
			}
		}
	}
	return named
}

// admits says whether Check should find nothing.
func (o *oracle) admits(name string, amount resource.Amounts, firm bool) bool {
	for _, q := range o.chain(name) {
		named := false
		for r, asked := range amount {
			if asked <= 0 {
				continue
			}
			if limit, ok := o.queues[q].Limit[r]; ok && resource.Sum(o.used(q, r, false), asked) > max(limit, 0) {
				return false
			}
			if guarantee, ok := o.queues[q].Guarantee[r]; ok && firm {
				named = true
				if resource.Sum(o.used(q, r, true), asked) > max(guarantee, 0) {
					return false
				}
			}
		}
		if _, known := o.queues[q]; firm && !named && q != o.implicit && (known || o.charged(q)) {
			return false
		}
	}
	return true
}

// charged says whether a name that is no queue is in the books.
func (o *oracle) charged(name string) bool {
	for _, c := range o.charges {
		for _, amount := range c.amount {
			if c.queue == name && amount > 0 {
				return true
			}
		}
	}
	for _, q := range o.queues {
		if q.Parent == name {
			return true
		}
	}
	return false
}

// share is the weighted dominant share of what is above the guarantee.
func (o *oracle) share(name string) *big.Rat {
	q, share := o.queues[name], new(big.Rat)
	for r, used := range o.usage(name) {
		above := max(resource.Difference(used, max(q.Guarantee[r], 0)), 0)
		part := big.NewRat(above, max(o.capacity[r], 1))
		if part.Cmp(share) > 0 {
			share = part
		}
	}
	return share.Quo(share, new(big.Rat).SetInt64(max(q.Weight, 1)))
}

// first is the index of the head whose turn it is, below the queue "" for all.
func (o *oracle) first(heads []Head, below string) int {
	best, bestQueue := -1, ""
	for name := range o.names() {
		chain := o.chain(name)
		if below == "" && len(chain) != 1 || below != "" && (len(chain) == 1 || chain[1] != below) {
			continue
		}
		candidate := -1
		for i, h := range heads {
			if _, ok := o.queues[h.Queue]; ok && h.Queue == name && (candidate < 0 || h.compare(&heads[candidate]) < 0) {
				candidate = i
			}
		}
		if candidate < 0 {
			candidate = o.first(heads, name)
		}
		if candidate >= 0 && (best < 0 || o.before(name, heads[candidate], bestQueue, heads[best])) {
			best, bestQueue = candidate, name
		}
	}
	return best
}

// names are all queues and what they name as parents.
func (o *oracle) names() map[string]bool {
	names := map[string]bool{}
	for name, q := range o.queues {
		names[name] = true
		if q.Parent != "" {
			names[q.Parent] = true
		}
	}
	return names
}

func (o *oracle) before(a string, headA Head, b string, headB Head) bool {
	if ca, cb := o.covered(a, headA.Amount), o.covered(b, headB.Amount); ca != cb {
		return ca
	}
	if wa, wb := o.queues[a].Weight > 0, o.queues[b].Weight > 0; wa != wb {
		return wa
	}
	if order := o.share(a).Cmp(o.share(b)); order != 0 {
		return order < 0
	}
	return headA.compare(&headB) < 0
}
