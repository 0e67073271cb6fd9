// Package ledger keeps the books of a cluster that is shared by queues: the tree of queues with what each is guaranteed,
// limited to and weighs, what the gangs of each use, and the decisions that follow from nothing but these numbers: may a gang
// be admitted, whose turn is it, and who may take back from whom.
//
// Usage is charged at a gang's queue and at every queue above it. It belongs to the name of a queue, not to its object: gangs
// that run while their queue is changed, moved, deleted or made anew stay counted.
//
// A guarantee speaks of the resources that it names. An amount is covered by it if it asks for at least one of those, and if
// for each of those that it asks for, usage and amount together stay within the guarantee. Other resources play no role.
//
// All arithmetic is exact or saturates; an amount below zero counts as zero. No clock is read. A Ledger is not safe for
// concurrent use, but methods that only read may be called concurrently between changes.
package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Default is the name of the queue that exists without being set: a top queue of weight 1 without guarantee or limit.
const Default = "default"

// Stop says whether a queue takes in gangs.
type Stop int

// From open to closed.
const (
	None  Stop = iota // gangs are admitted
	Hold              // no gang is admitted
	Drain             // no gang is admitted, and running ones are evicted
)

// Queue is what the ledger knows of a queue from its object.
type Queue struct {
	Name, Parent string           // no parent: a top queue
	Weight       int64            // share among siblings of what the guarantees leave; below 0 counts as 0: only what nobody else wants
	Guarantee    resource.Amounts // what can be taken back on demand
	Limit        resource.Amounts // for the whole subtree; a resource that is absent has no limit
	Reclaimable  bool             // what is used above the guarantee may be taken back
	MinRuntime   time.Duration    // a gang is no victim before it has run for so long; 0: as the parent says
	Stop         Stop
}

// Ledger holds queues and their usage; New makes one.
type Ledger struct {
	dims     map[string]int   // of resource names; only ever grows
	names    []string         // of dimensions
	capacity []int64          // of the cluster, by dimension
	nodes    map[string]*node // queues, and names that are charged or named as a parent without being queues
	tops     []*node          // sorted by name

	halfLife time.Duration // 0: usage is not averaged
	asOf     time.Time     // when averages were last brought up to date
}

// New returns a ledger of an empty cluster with only the queue Default.
func New() *Ledger {
	l := &Ledger{dims: map[string]int{}, nodes: map[string]*node{}}
	l.DeleteQueue(Default)
	return l
}

// SetCapacity says how much the cluster has to share: what its nodes can allocate.
func (l *Ledger) SetCapacity(total resource.Amounts) {
	clear(l.capacity)
	for name, amount := range total {
		d := l.dimension(name)
		l.capacity = grown(l.capacity, d)
		l.capacity[d] = max(amount, 0)
	}
}

// SetQueue adds a queue, or changes the one of this name.
func (l *Ledger) SetQueue(q Queue) {
	q.Weight = max(q.Weight, 0)
	q.Guarantee, q.Limit = q.Guarantee.Clone(), q.Limit.Clone()
	n := l.node(q.Name)
	moved := !n.exists || n.queue.Parent != q.Parent
	n.queue, n.exists, n.implicit = q, true, false
	n.guarantee, n.limit = l.bounds(q.Guarantee), l.bounds(q.Limit)
	if moved {
		l.rebuild()
	}
}

// DeleteQueue forgets a queue and its average, but not what its gangs use. Deleting Default, or what does not exist, leaves
// the implicit queue, or nothing.
func (l *Ledger) DeleteQueue(name string) {
	if name == Default {
		l.SetQueue(Queue{Name: Default, Weight: 1, Reclaimable: true})
		l.nodes[Default].implicit = true
		l.nodes[Default].average = nil
		return
	}
	n, ok := l.nodes[name]
	if !ok {
		return
	}
	n.queue, n.exists, n.guarantee, n.limit, n.average = Queue{Name: name}, false, nil, nil, nil
	l.rebuild()
}

// Queue returns a queue, and whether it exists.
func (l *Ledger) Queue(name string) (Queue, bool) {
	n, ok := l.nodes[name]
	if !ok || !n.exists {
		return Queue{}, false
	}
	q := n.queue
	q.Guarantee, q.Limit = q.Guarantee.Clone(), q.Limit.Clone()
	return q, true
}

// Queues returns the names of all queues, sorted.
func (l *Ledger) Queues() []string {
	names := make([]string, 0, len(l.nodes))
	for name, n := range l.nodes {
		if n.exists {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// dimension returns the dimension of a resource, and gives it one at first sight.
func (l *Ledger) dimension(name string) int {
	d, ok := l.dims[name]
	if !ok {
		d = len(l.names)
		l.dims[name] = d
		l.names = append(l.names, name)
	}
	return d
}

// bound is a guarantee of, or a limit to, one resource.
type bound struct {
	resource string
	dim      int
	amount   int64
}

// bounds returns the amounts sorted by resource name.
func (l *Ledger) bounds(amounts resource.Amounts) []bound {
	bounds := make([]bound, 0, len(amounts))
	for name, amount := range amounts {
		bounds = append(bounds, bound{resource: name, dim: l.dimension(name), amount: max(amount, 0)})
	}
	slices.SortFunc(bounds, func(a, b bound) int { return cmp.Compare(a.resource, b.resource) })
	return bounds
}
