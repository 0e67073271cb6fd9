package queues

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// judgeTree returns what the queue, created or changed, does wrong to the tree of all queues, and what is only not right yet. A
// fault that was there before, in the same words, is not the fault of this change.
func judgeTree(queue *v1alpha1.Queue, all []v1alpha1.Queue) (fault string, warnings []string) {
	before, after := ledger.New(), ledger.New()
	for _, other := range all {
		before.SetQueue(nodeOf(&other))
		after.SetQueue(nodeOf(&other))
	}
	after.SetQueue(nodeOf(queue))
	for _, name := range after.Queues() {
		now := after.Fault(name)
		if now == nil || now.Code == ledger.NotALeaf {
			continue
		}
		if then := before.Fault(name); then != nil && then.Message == now.Message {
			continue
		}
		switch {
		case now.Code != ledger.ParentNotFound: // a circle, or too much promised
			return now.Message, nil
		case name == queue.Name: // a tree may be created in any order
			warnings = append(warnings, now.Message+": no gang is admitted until it does")
		}
	}
	return "", append(warnings, emptied(queue, all)...)
}

// emptied warns of gangs that have no place any more: those of a queue that becomes the parent of another.
func emptied(queue *v1alpha1.Queue, all []v1alpha1.Queue) []string {
	for _, parent := range all {
		if gangs := parent.Status.AdmittedGangs + parent.Status.PendingGangs; parent.Name == queue.Spec.Parent &&
			gangs > 0 && len(partsOf(parent.Name, all)) == 0 {
			return []string{fmt.Sprintf("queue %s has %d gangs: with a queue in it, it admits none any more", parent.Name, gangs)}
		}
	}
	return nil
}

// partsOf returns the names of the queues that name the parent.
func partsOf(parent string, all []v1alpha1.Queue) []string {
	var parts []string
	for _, q := range all {
		if q.Spec.Parent == parent {
			parts = append(parts, q.Name)
		}
	}
	return parts
}

// leavesBehind says that a queue which is to be deleted has queues in it.
func leavesBehind(name string, all []v1alpha1.Queue) string {
	parts := partsOf(name, all)
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("queue %s has queues in it, which would admit nothing without it: delete or move them first: %s", name, strings.Join(parts, ", "))
}

// nodeOf is as much of a Queue as faults of the tree depend on.
func nodeOf(q *v1alpha1.Queue) ledger.Queue {
	guarantee := resource.Amounts{}
	for name, quantity := range q.Spec.Guarantee {
		guarantee[string(name)] = quantity.Value()
		if name == corev1.ResourceCPU {
			guarantee[string(name)] = quantity.MilliValue()
		}
	}
	return ledger.Queue{Name: q.Name, Parent: q.Spec.Parent, Guarantee: guarantee}
}
