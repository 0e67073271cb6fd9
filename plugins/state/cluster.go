package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// SetNode takes note of a node as the API server has it now.
func (r *Registry) SetNode(node *corev1.Node) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	r.line.SetNode(node.Name, AmountsOf(node.Status.Allocatable), nodeTraits(node))
	r.advance(&effects)
	return effects
}

// nodeTraits differs when the node may accept other pods than before.
func nodeTraits(node *corev1.Node) string {
	var traits strings.Builder
	for _, key := range slices.Sorted(maps.Keys(node.Labels)) {
		fmt.Fprintf(&traits, "%s=%s,", key, node.Labels[key])
	}
	for _, taint := range node.Spec.Taints {
		fmt.Fprintf(&traits, "%s=%s:%s,", taint.Key, taint.Value, taint.Effect)
	}
	fmt.Fprintf(&traits, "%t", node.Spec.Unschedulable)
	return traits.String()
}

// DeleteNode forgets a node that is gone.
func (r *Registry) DeleteNode(name string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	r.line.DeleteNode(name)
	r.advance(&effects)
	return effects
}

// SetNamespace takes note of a namespace's labels: they may name the queue of its gangs, and let them into queues.
func (r *Registry) SetNamespace(name string, set labels.Set) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if maps.Equal(r.namespaces[name], set) {
		return effects
	}
	r.namespaces[name] = maps.Clone(set)
	r.reconsider(func(e *entry) bool { return e.key.Namespace == name }, &effects)
	return effects
}

// reconsider lets gangs take their place in the line anew.
func (r *Registry) reconsider(concerned func(*entry) bool, effects *Effects) {
	for _, e := range r.gangs {
		if !concerned(e) {
			continue
		}
		e.stale = true
		e.rebook()
		e.leaveSurplus()
		r.settle(e, effects)
	}
	r.line.Wake()
	r.advance(effects)
}

// SetQueue takes note of a Queue as the API server has it now. It fails on a selector that cannot be read, which the API
// server refuses; the queue then admits nobody.
func (r *Registry) SetQueue(q *schedulingv1alpha1.Queue) (Effects, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if old := r.queues[q.Name].object; old != nil && old.UID == q.UID && old.Generation == q.Generation && q.Generation > 0 {
		r.queues[q.Name] = queueTraits{object: q, selector: r.queues[q.Name].selector}
		return effects, nil // Only the status changed, which is our own word.
	}
	selector, err := selectorOf(q)
	r.queues[q.Name] = queueTraits{object: q, selector: selector}
	r.line.Ledger.SetQueue(queueOf(q))
	if known, _ := r.line.Ledger.Decayed(q.Name); len(known) == 0 && q.Status.Usage != nil {
		r.restoreUsage(q)
	}
	r.reconsider(func(e *entry) bool { return e.queue() == q.Name }, &effects)
	return effects, err
}

// DeleteQueue forgets a Queue that is gone. Gangs that run in it go on and stay counted under its name.
func (r *Registry) DeleteQueue(name string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	delete(r.queues, name)
	r.line.Ledger.DeleteQueue(name)
	r.reconsider(func(e *entry) bool { return e.queue() == name }, &effects)
	return effects
}

// selectorOf is nil where every namespace may submit.
func selectorOf(q *schedulingv1alpha1.Queue) (labels.Selector, error) {
	if q.Spec.NamespaceSelector == nil {
		return nil, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(q.Spec.NamespaceSelector)
	if err != nil {
		return labels.Nothing(), fmt.Errorf("reading the namespaceSelector of queue %s: %w", q.Name, err)
	}
	return selector, nil
}

// queueOf translates a Queue for the ledger.
func queueOf(q *schedulingv1alpha1.Queue) ledger.Queue {
	queue := ledger.Queue{
		Name: q.Name, Parent: q.Spec.Parent, Weight: 1, Reclaimable: true,
		Guarantee: AmountsOf(q.Spec.Guarantee), Limit: limitsOf(q.Spec.Limit),
	}
	if q.Spec.Weight != nil {
		queue.Weight = int64(*q.Spec.Weight)
	}
	if q.Spec.Reclaimable != nil {
		queue.Reclaimable = *q.Spec.Reclaimable
	}
	if q.Spec.MinRuntime != nil {
		queue.MinRuntime = q.Spec.MinRuntime.Duration
	}
	switch q.Spec.Stop {
	case schedulingv1alpha1.StopHold:
		queue.Stop = ledger.Hold
	case schedulingv1alpha1.StopDrain:
		queue.Stop = ledger.Drain
	}
	return queue
}

// limitsOf keeps limits of zero, which AmountsOf would leave out: they allow nothing.
func limitsOf(list corev1.ResourceList) resource.Amounts {
	limits := AmountsOf(list)
	for name := range list {
		if _, positive := limits[string(name)]; !positive {
			limits[string(name)] = 0
		}
	}
	return limits
}

// Reopen lets gangs be tried again that wait for something else than what arithmetic explains.
func (r *Registry) Reopen() Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	r.line.Reopen()
	r.advance(&effects)
	return effects
}

// Spare is what the pods of a request may take of each node on which room is kept for others; other nodes are not named.
// It is nil where nothing is kept.
func (r *Registry) Spare(request Request, table *resource.Table) map[string]resource.Vector {
	r.mu.Lock()
	defer r.mu.Unlock()
	nodes := r.line.HeldNodes(request.ID)
	if len(nodes) == 0 {
		return nil
	}
	now := r.now()
	var until time.Time
	if request.Runtime > 0 {
		until = now.Add(request.Runtime)
	}
	spare := make(map[string]resource.Vector, len(nodes))
	for _, node := range nodes {
		spare[node] = r.line.Spare(table, node, request.ID, now, until)
	}
	return spare
}

// Outlook is what internal/reservation has to know to tell when a request can start.
type Outlook struct {
	// Nodes are the nodes in the order that was asked for, with what runs there and until when.
	Nodes []reservation.Node
	// Ahead are the holds that the request has to respect, Own is its own hold, Behind are those that have to respect it.
	Ahead  []reservation.Hold
	Own    reservation.Hold
	Behind []reservation.Hold
	Now    time.Time
}

// Outlook looks ahead for a request. The vectors are of the table.
func (r *Registry) Outlook(request Request, table *resource.Table, nodes []string) Outlook {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := Outlook{Nodes: r.line.Ahead(table, nodes, r.now()), Now: r.now()}
	o.Ahead, o.Own, o.Behind = r.line.Holds(request.ID)
	return o
}

// FitsEmpty reports whether the members of a request would fit, by what they ask for, on the usable nodes if nothing ran
// there; nil stands for all nodes.
func (r *Registry) FitsEmpty(request Request, usable map[string]bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line.Empty(request.Gang, usable)
}

// Configure sets what an administrator chose, before anything is admitted.
func (r *Registry) Configure(options dispatch.Options, usageHalfLife time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line.Configure(options)
	r.line.Ledger.SetHalfLife(usageHalfLife)
}

// Now is the registry's time.
func (r *Registry) Now() time.Time { return r.now() }

// Capacity is what the nodes have in all.
func (r *Registry) Capacity() resource.Amounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line.Capacity()
}

// KeptFor says for whom room is kept that a request would need, in words.
func (r *Registry) KeptFor(request Request) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var words []string
	for _, hold := range r.line.HoldsAgainst(request.ID) {
		c := r.claims[hold.Gang]
		if c == nil {
			continue
		}
		when := "which has waited for long"
		if hold.Start.After(r.now()) {
			when = "which is to start at " + hold.Start.UTC().Format(time.RFC3339)
		}
		words = append(words, fmt.Sprintf("%s (queue %s), %s", c.e.key, c.e.queue(), when))
	}
	return strings.Join(words, "; ")
}
