package queue

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	muster "github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

// statusOf is the status that a queue ought to have. What the old one says of past usage is kept for as long as usagePeriod:
// it changes with every instant. The condition's times change only when they do.
func statusOf(q state.QueueState, old schedulingv1alpha1.QueueStatus, usagePeriod time.Duration, now time.Time) schedulingv1alpha1.QueueStatus {
	status := schedulingv1alpha1.QueueStatus{
		Allocated:     listOf(q.Usage),
		Guaranteed:    listOf(within(q.Usage, q.Guarantee)),
		FairShare:     listOf(q.FairShare),
		AdmittedGangs: int32(q.Admitted),
		PendingGangs:  int32(q.Pending),
		Head:          headOf(q.Head),
		Usage:         usageOf(q, old.Usage, usagePeriod, now),
		Conditions:    slices.Clone(old.Conditions),
	}
	for _, reason := range gang.Reasons() {
		if count := q.Reasons[reason]; count > 0 {
			status.Waiting = append(status.Waiting, schedulingv1alpha1.WaitingGangs{Reason: string(reason), Count: int32(count)})
		}
	}
	var generation int64
	if q.Object != nil {
		generation = q.Object.Generation
	}
	for _, condition := range []metav1.Condition{ready(q), guaranteed(q)} {
		condition.ObservedGeneration, condition.LastTransitionTime = generation, metav1.Time{Time: now}
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	return status
}

func ready(q state.QueueState) metav1.Condition {
	condition := metav1.Condition{Type: schedulingv1alpha1.QueueReady, Status: metav1.ConditionFalse}
	switch {
	case q.Fault != nil:
		condition.Reason, condition.Message = string(q.Fault.Code), q.Fault.Message
	case q.Stopped == ledger.Drain:
		condition.Reason, condition.Message = schedulingv1alpha1.ReasonStopped, "queue "+q.StoppedBy+" is drained: nothing is admitted, and what runs is evicted"
	case q.Stopped == ledger.Hold:
		condition.Reason, condition.Message = schedulingv1alpha1.ReasonStopped, "queue "+q.StoppedBy+" is on hold: nothing is admitted"
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, schedulingv1alpha1.ReasonReady
		condition.Message = "gangs are admitted"
		if !q.Leaf {
			condition.Message = "gangs are admitted to the queues below"
		}
	}
	return condition
}

func guaranteed(q state.QueueState) metav1.Condition {
	condition := metav1.Condition{Type: schedulingv1alpha1.QueueGuaranteed, Status: metav1.ConditionTrue,
		Reason: schedulingv1alpha1.ReasonWithinCluster, Message: "the cluster is large enough for what is guaranteed"}
	if q.Shortfall != nil {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, string(q.Shortfall.Code), q.Shortfall.Message
	}
	return condition
}

func headOf(head *state.Head) *schedulingv1alpha1.QueueHead {
	if head == nil {
		return nil
	}
	kind := "PodGroup"
	if head.Pod {
		kind = "Pod"
	}
	return &schedulingv1alpha1.QueueHead{
		Kind: kind, Namespace: head.Key.Namespace, Name: head.Key.Name, Reason: string(head.Verdict.Reason), Message: head.Verdict.Message,
	}
}

func usageOf(q state.QueueState, old *schedulingv1alpha1.QueueUsage, period time.Duration, now time.Time) *schedulingv1alpha1.QueueUsage {
	switch {
	case len(q.Decayed) == 0:
		return nil
	case old != nil && !old.AsOf.After(now) && now.Sub(old.AsOf.Time) < period:
		return old
	}
	return &schedulingv1alpha1.QueueUsage{Decayed: listOf(q.Decayed), AsOf: metav1.Time{Time: q.AsOf}}
}

// within is the part of the usage that lies within a guarantee.
func within(usage, guarantee muster.Amounts) muster.Amounts {
	part := muster.Amounts{}
	for name, amount := range guarantee {
		part[name] = min(amount, usage[name])
	}
	return part
}

// listOf translates amounts for the API, without what is zero.
func listOf(amounts muster.Amounts) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, amount := range amounts {
		switch {
		case amount <= 0:
		case name == string(corev1.ResourceCPU):
			list[corev1.ResourceCPU] = *resource.NewMilliQuantity(amount, resource.DecimalSI)
		case isBytes(name):
			list[corev1.ResourceName(name)] = *resource.NewQuantity(amount, resource.BinarySI)
		default:
			list[corev1.ResourceName(name)] = *resource.NewQuantity(amount, resource.DecimalSI)
		}
	}
	return list
}

func isBytes(name string) bool {
	switch corev1.ResourceName(name) {
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourceStorage:
		return true
	}
	return len(name) > len(corev1.ResourceHugePagesPrefix) && name[:len(corev1.ResourceHugePagesPrefix)] == corev1.ResourceHugePagesPrefix
}

// same reports whether a status says what it ought to, so that it need not be written.
func same(a, b schedulingv1alpha1.QueueStatus) bool {
	return equality.Semantic.DeepEqual(a, b)
}

// change is a status that has to be written.
type change struct {
	queue  *schedulingv1alpha1.Queue
	status schedulingv1alpha1.QueueStatus
}

// changes lists what has to be written, the status first that has not been written for the longest time.
func changes(queues []state.QueueState, written map[string]time.Time, usagePeriod time.Duration, now time.Time) []change {
	var due []change
	for _, q := range queues {
		if q.Object == nil {
			continue
		}
		if status := statusOf(q, q.Object.Status, usagePeriod, now); !same(status, q.Object.Status) {
			due = append(due, change{queue: q.Object, status: status})
		}
	}
	slices.SortStableFunc(due, func(a, b change) int { return written[a.queue.Name].Compare(written[b.queue.Name]) })
	maps.DeleteFunc(written, func(name string, _ time.Time) bool {
		return !slices.ContainsFunc(queues, func(q state.QueueState) bool { return q.Name == name })
	})
	return due
}
