package ledger

import (
	"fmt"
	"strings"

	"github.com/muster-scheduling/muster/internal/resource"
)

// FaultCode is a fault of a queue as a word, fit for the reason of a condition.
type FaultCode string

// The faults, the first that holds counts.
const (
	NotFound               FaultCode = "NotFound"               // no queue has the name
	ParentNotFound         FaultCode = "ParentNotFound"         // no queue has the name of the parent
	Cycle                  FaultCode = "Cycle"                  // the queue is its own ancestor
	GuaranteeExceedsParent FaultCode = "GuaranteeExceedsParent" // the queue and its siblings guarantee more than their parent
	NotALeaf               FaultCode = "NotALeaf"               // the queue has queues of its own: no fault of the queue, but of gangs in it

	// GuaranteeExceedsCluster comes from Shortfall only, since such a queue works.
	GuaranteeExceedsCluster FaultCode = "GuaranteeExceedsCluster"
)

// Fault says what is wrong with a queue, or with one above it.
type Fault struct {
	Code    FaultCode
	Queue   string // at fault: the queue asked about or one above it
	Message string // with names and numbers
}

// Fault says why no gang can be admitted to the queue because of the tree that it stands in; nil if nothing is wrong. A fault
// of a queue above counts as well. NotALeaf comes last, so where that is returned the queue itself is in order.
func (l *Ledger) Fault(name string) *Fault {
	n, ok := l.nodes[name]
	if !ok || !n.exists {
		return &Fault{Code: NotFound, Queue: name, Message: fmt.Sprintf("queue %s does not exist", name)}
	}
	for p := n; p != nil; p = p.parent {
		if fault := l.faultOf(p); fault != nil {
			return fault
		}
	}
	if len(n.children) > 0 {
		return &Fault{Code: NotALeaf, Queue: name,
			Message: fmt.Sprintf("queue %s has queues of its own (%s): gangs go to one of those", name, listed(n.children))}
	}
	return nil
}

// faultOf returns what is wrong with one queue, whatever is above it.
func (l *Ledger) faultOf(n *node) *Fault {
	switch {
	case !n.exists:
		return nil // a fault of its children, found at them
	case n.inCycle:
		return &Fault{Code: Cycle, Queue: n.name,
			Message: fmt.Sprintf("queue %s is its own ancestor: %s", n.name, l.cycle(n))}
	case n.parent == nil:
		return nil
	case !n.parent.exists:
		return &Fault{Code: ParentNotFound, Queue: n.name,
			Message: fmt.Sprintf("the parent of queue %s, %s, does not exist", n.name, n.parent.name)}
	}
	for _, g := range n.guarantee {
		together, has := guaranteed(n.parent.children, g.resource), n.parent.queue.Guarantee[g.resource]
		if g.amount > 0 && together > has {
			return &Fault{Code: GuaranteeExceedsParent, Queue: n.name,
				Message: fmt.Sprintf("queue %s guarantees %s %s, but the queues in it %s together",
					n.parent.name, Format(g.resource, max(has, 0)), g.resource, Format(g.resource, together))}
		}
	}
	return nil
}

// Shortfall says why the guarantee of the queue could not be kept even if all were taken back: the top queues guarantee more
// of a resource than the cluster has. It is nil if they do not, or nobody knows what the cluster has, and hinders nobody: nodes may be away for a while.
func (l *Ledger) Shortfall(name string) *Fault {
	n, ok := l.nodes[name]
	if !ok {
		return nil
	}
	for _, g := range n.guarantee {
		together, has := guaranteed(l.tops, g.resource), at(l.capacity, g.dim)
		if g.amount > 0 && together > has && !resource.AreDevices(g.resource) {
			return &Fault{Code: GuaranteeExceedsCluster, Queue: name,
				Message: fmt.Sprintf("the cluster has %s %s, but the top queues guarantee %s together",
					Format(g.resource, has), g.resource, Format(g.resource, together))}
		}
	}
	return nil
}

// guaranteed returns how much of a resource the queues guarantee together.
func guaranteed(nodes []*node, name string) (together int64) {
	for _, n := range nodes {
		together = resource.Sum(together, max(n.queue.Guarantee[name], 0))
	}
	return together
}

// cycle draws the way from a member of a cycle back to it.
func (l *Ledger) cycle(n *node) string {
	way := []string{n.name}
	for next := n.queue.Parent; next != n.name; next = l.nodes[next].queue.Parent {
		way = append(way, next)
	}
	return strings.Join(append(way, n.name), " in ")
}

// listed names some of the nodes.
func listed(nodes []*node) string {
	const most = 3
	var names []string
	for _, n := range nodes[:min(len(nodes), most)] {
		names = append(names, n.name)
	}
	if more := len(nodes) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
