package ledger

import (
	"cmp"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Head is the gang that is next in its queue.
type Head struct {
	Queue    string
	Amount   resource.Amounts // asked and not charged
	Priority int32
	Born     time.Time
	ID       string // unique
}

// First returns the index of the head whose turn it is, -1 if there is none; heads of queues that do not exist are passed
// over. It descends the tree from the top. Of sibling queues, each with the head that is first below it, goes first:
//
//  1. the one whose guarantee covers its head
//  2. the one with a weight
//  3. the one with the lower weighted dominant share, see share
//  4. the one whose head has the higher priority, then is older, then is of the queue with the lesser name
//
// The answer does not depend on the order of heads. There should be at most one head for a queue.
func (l *Ledger) First(heads []Head) int {
	var room [256]int32
	at := room[:]
	if len(l.nodes) > len(room) {
		at = make([]int32, len(l.nodes))
	}
	for i := range heads {
		n, ok := l.nodes[heads[i].Queue]
		if !ok || !n.exists {
			continue
		}
		if other := at[n.index]; other == 0 || heads[i].compare(&heads[other-1]) < 0 {
			at[n.index] = int32(i + 1)
		}
	}
	return l.firstOf(l.tops, heads, at)
}

// firstOf returns the head that is first among sibling queues, -1 for none. What at holds for a node is the index of its own
// head plus one.
func (l *Ledger) firstOf(siblings []*node, heads []Head, at []int32) int {
	var best contender
	found := -1
	for _, n := range siblings {
		i := int(at[n.index]) - 1
		if i < 0 {
			if i = l.firstOf(n.children, heads, at); i < 0 {
				continue
			}
		}
		c := contender{node: n, head: &heads[i], covered: n.covers(heads[i].Amount), share: l.share(n)}
		if found < 0 || c.compare(&best) < 0 {
			found, best = i, c
		}
	}
	return found
}

// contender is a queue with the head that it puts forward.
type contender struct {
	node    *node
	head    *Head
	covered bool
	share   fraction
}

func (a *contender) compare(b *contender) int {
	if a.covered != b.covered {
		return first(a.covered)
	}
	if weighted := a.node.queue.Weight > 0; weighted != (b.node.queue.Weight > 0) {
		return first(weighted)
	}
	if order := a.share.compare(b.share); order != 0 {
		return order
	}
	return a.head.compare(b.head)
}

func (h *Head) compare(other *Head) int {
	return cmp.Or(
		cmp.Compare(other.Priority, h.Priority),
		h.Born.Compare(other.Born),
		cmp.Compare(h.Queue, other.Queue),
		cmp.Compare(h.ID, other.ID),
	)
}

func first(yes bool) int {
	if yes {
		return -1
	}
	return 1
}
