package state

import (
	"maps"
	"slices"
	"time"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// QueueState is a queue at one moment. Its numbers are for the queue with all below it.
type QueueState struct {
	ledger.Queue
	// Object is the Queue as the API server has it, shared and not to be changed; nil for the queue that exists without
	// being made.
	Object *schedulingv1alpha1.Queue
	// Leaf is set where no queue is below this one, so that gangs may be in it.
	Leaf bool
	// Usage is what admitted gangs use, FairShare what the queue would have if all queues wanted everything.
	Usage, FairShare resource.Amounts
	// Decayed is the average of past usage at the time AsOf; empty where the past does not count.
	Decayed resource.Amounts
	AsOf    time.Time
	// Admitted gangs run or are being bound, Pending ones wait. Reasons counts the pending ones by why they wait.
	Admitted, Pending int
	Reasons           map[gang.Reason]int
	// Head is first in line; nil where nobody stands in it.
	Head *Head
	// Fault is why the tree does not let gangs into the queue, or, where it is no leaf, into those below; nil for no reason.
	// Shortfall is why its guarantee is more than the cluster can keep.
	Fault, Shortfall *ledger.Fault
	// Stopped is how the queue is closed by itself or, as StoppedBy names it, by a queue above.
	Stopped   ledger.Stop
	StoppedBy string
}

// Head is the gang that is first in a line, or a member beyond the minimum of one that runs.
type Head struct {
	Key Key
	// Pod is set where Key.Name is the name of a pod.
	Pod     bool
	Verdict gang.Verdict
}

// Queues lists all queues by name, and what the nodes can give to pods in all.
func (r *Registry) Queues() ([]QueueState, resource.Amounts) {
	c := r.census()
	c.books.Advance(c.now)
	c.rollUp()
	names := c.books.Queues()
	states := make([]QueueState, 0, len(names))
	for _, name := range names {
		states = append(states, c.state(name))
	}
	return states, c.capacity
}

// census is what is read under the registry's lock in one pass; all else is derived from it without.
type census struct {
	now      time.Time
	books    *ledger.Ledger
	capacity resource.Amounts
	objects  map[string]*schedulingv1alpha1.Queue
	counts   map[string]*counts
	inner    map[string]bool
}

// counts are the gangs of a queue.
type counts struct {
	admitted, pending int
	reasons           map[gang.Reason]int
	heads             []ledger.Head
	words             []*Head
}

func (r *Registry) census() *census {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &census{
		now: r.now(), books: r.line.Ledger.Clone(), capacity: r.line.Capacity(),
		objects: make(map[string]*schedulingv1alpha1.Queue, len(r.queues)), counts: map[string]*counts{}, inner: map[string]bool{},
	}
	for name, traits := range r.queues {
		c.objects[name] = traits.object
	}
	for _, e := range r.gangs {
		reason := e.noted.Reason
		switch waits := reason != gang.None && reason != gang.Committing; {
		case len(e.members) == 0: // A PodGroup alone is no job, and what has ended waits for nothing.
		case waits:
			of := c.of(e.queue())
			of.pending++
			of.reasons[reason]++
		case e.running()+e.reserved > 0 || reason == gang.Committing:
			c.of(e.queue()).admitted++
		}
	}
	for queue, first := range r.line.Firsts() {
		claim := r.claims[first.ID]
		if claim == nil {
			continue
		}
		head := &Head{Key: claim.e.key, Pod: claim.e.key.Single(), Verdict: claim.e.noted}
		if claim.m != nil {
			head.Key.Name, head.Pod, head.Verdict = claim.m.pod.Name, true, r.line.Why(first.ID, c.now)
		}
		of := c.of(queue)
		of.heads = []ledger.Head{{Queue: queue, Amount: first.Amount, Priority: first.Priority, Born: first.Born, ID: first.ID}}
		of.words = []*Head{head}
	}
	return c
}

func (c *census) of(queue string) *counts {
	if c.counts[queue] == nil {
		c.counts[queue] = &counts{reasons: map[gang.Reason]int{}}
	}
	return c.counts[queue]
}

// rollUp adds what is in a queue to all above it.
func (c *census) rollUp() {
	own := make(map[string]counts, len(c.counts))
	for queue, of := range c.counts {
		own[queue] = counts{
			admitted: of.admitted, pending: of.pending, reasons: maps.Clone(of.reasons), heads: of.heads, words: of.words,
		}
	}
	for queue, own := range own {
		for _, above := range c.books.Chain(queue)[1:] {
			of := c.of(above)
			of.admitted += own.admitted
			of.pending += own.pending
			for reason, count := range own.reasons {
				of.reasons[reason] += count
			}
			of.heads, of.words = append(of.heads, own.heads...), append(of.words, own.words...)
		}
	}
	for _, name := range c.books.Queues() {
		if queue, exists := c.books.Queue(name); exists && queue.Parent != "" {
			c.inner[queue.Parent] = true
		}
	}
}

func (c *census) state(name string) QueueState {
	queue, _ := c.books.Queue(name)
	s := QueueState{
		Queue: queue, Object: c.objects[name], Leaf: !c.inner[name], Usage: c.books.Usage(name), FairShare: c.books.FairShare(name),
		Fault: c.books.Fault(name), Shortfall: c.books.Shortfall(name), Reasons: map[gang.Reason]int{},
	}
	if s.Fault != nil && s.Fault.Code == ledger.NotALeaf {
		s.Fault = nil
	}
	s.StoppedBy, s.Stopped = c.books.Stopped(name)
	if decayed, asOf := c.books.Decayed(name); len(decayed) > 0 {
		s.Decayed, s.AsOf = decayed, asOf
	}
	if of := c.counts[name]; of != nil {
		s.Admitted, s.Pending, s.Reasons = of.admitted, of.pending, of.reasons
		if first := c.books.First(of.heads); first >= 0 {
			s.Head = of.words[first]
		}
	}
	return s
}

// RestoreUsage takes the averages of past usage from the Queues, as the replica that led until now has left them.
func (r *Registry) RestoreUsage() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.queues)) {
		r.restoreUsage(r.queues[name].object)
	}
	r.line.Wake()
}

func (r *Registry) restoreUsage(q *schedulingv1alpha1.Queue) {
	usage := q.Status.Usage
	if usage == nil {
		usage = &schedulingv1alpha1.QueueUsage{}
	}
	r.line.Ledger.Restore(q.Name, AmountsOf(usage.Decayed), usage.AsOf.Time, r.now())
}
