package ledger

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// node is a queue in the tree, or a name that is charged, or named as a parent, without being a queue.
type node struct {
	name             string
	queue            Queue
	exists           bool
	implicit         bool    // Default, which nobody has set
	guarantee, limit []bound // sorted by resource name

	parent   *node // nil for a top queue, and for a member of a cycle, which has no place in a tree
	children []*node
	inCycle  bool
	index    int // among all nodes

	own, ownFirm tally     // what gangs of this very queue use
	used, firm   tally     // of the whole subtree
	average      []float64 // decayed average of used
}

// node returns the node of a name, and makes one at first sight.
func (l *Ledger) node(name string) *node {
	n, ok := l.nodes[name]
	if !ok {
		n = &node{name: name, queue: Queue{Name: name}}
		l.nodes[name] = n
	}
	return n
}

// rebuild derives the tree and the sums in it from the queues and from what each is charged.
func (l *Ledger) rebuild() {
	for name, n := range l.nodes {
		n.parent, n.children, n.inCycle = nil, nil, false
		if n.useless() {
			delete(l.nodes, name) // comes back below if it is a parent
		}
	}
	for _, name := range slices.Collect(maps.Keys(l.nodes)) {
		if n := l.nodes[name]; n.exists && n.queue.Parent != "" {
			n.parent = l.node(n.queue.Parent)
		}
	}
	sorted := slices.SortedFunc(maps.Values(l.nodes), func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	cutCycles(sorted)

	l.tops = nil
	for i, n := range sorted {
		n.index = i
		n.used, n.firm = nil, nil
		if n.parent == nil {
			l.tops = append(l.tops, n)
		} else {
			n.parent.children = append(n.parent.children, n)
		}
	}
	for _, n := range sorted {
		for p := n; p != nil; p = p.parent {
			p.used.addAll(n.own)
			p.firm.addAll(n.ownFirm)
		}
	}
}

// cutCycles leaves the members of cycles without parents.
func cutCycles(nodes []*node) {
	seen := make(map[*node]int, len(nodes)) // by which walk; walks are numbered from 1
	var cyclic []*node
	for i, start := range nodes {
		n := start
		for ; n != nil && seen[n] == 0; n = n.parent {
			seen[n] = i + 1
		}
		if n == nil || seen[n] != i+1 {
			continue // ended at the top, or where an earlier walk has been
		}
		for first := n; ; {
			n.inCycle = true
			cyclic = append(cyclic, n)
			if n = n.parent; n == first {
				break
			}
		}
	}
	for _, n := range cyclic {
		n.parent = nil
	}
}

// Chain returns the queue and all above it, the queue first. A parent that does not exist is the last; queues whose parents
// form a cycle have no queue above them.
func (l *Ledger) Chain(name string) []string {
	chain := []string{name}
	if n, ok := l.nodes[name]; ok {
		for p := n.parent; p != nil; p = p.parent {
			chain = append(chain, p.name)
		}
	}
	return chain
}

// Stopped says how far the queue is stopped by itself and the queues above it, and by which: of several the nearest that
// drains, else the nearest that holds. It returns "" and None for a queue that admits.
func (l *Ledger) Stopped(name string) (queue string, how Stop) {
	for n := l.nodes[name]; n != nil; n = n.parent {
		if n.queue.Stop > how {
			queue, how = n.name, n.queue.Stop
		}
	}
	return queue, how
}

// MinRuntime returns how long a gang of the queue runs before it may be a victim: what the nearest queue of the chain says.
func (l *Ledger) MinRuntime(name string) time.Duration {
	for n := l.nodes[name]; n != nil; n = n.parent {
		if n.queue.MinRuntime > 0 {
			return n.queue.MinRuntime
		}
	}
	return 0
}
