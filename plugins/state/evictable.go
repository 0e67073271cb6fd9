package state

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Evictable is a set of members that may be evicted together without leaving their gang half alive.
type Evictable struct {
	Key      Key
	Priority int32
	// Pods is one member beyond the gang's minimum, or all members that are not.
	Pods []*corev1.Pod
	// Rest is set where Pods are the gang's minimum: they may only go when the members beyond it go as well.
	Rest bool
}

// Evictable lists what may be evicted for something of a higher priority than below: first single members beyond the
// minimum of their gang, then whole gangs; those of low priority first, then the youngest. Gangs that are being bound,
// are broken already, or say that they are not preemptible are left out.
func (r *Registry) Evictable(below int32) []Evictable {
	r.mu.Lock()
	defer r.mu.Unlock()
	var surplus, whole []Evictable
	for _, e := range r.gangs {
		priority := e.priority()
		if priority >= below || !e.judgeable() || e.plan != nil || e.reserved > 0 || !e.need().Met() || !e.preemptible() {
			continue
		}
		left := maps.Clone(e.count[held])
		rest := Evictable{Key: e.key, Priority: priority, Rest: true}
		for _, pod := range slices.Backward(e.pods(held)) {
			role := RoleOf(pod.Labels)
			left[role]--
			if e.spec.Need(left).Met() {
				surplus = append(surplus, Evictable{Key: e.key, Priority: priority, Pods: []*corev1.Pod{pod}})
				continue
			}
			left[role]++
			rest.Pods = append(rest.Pods, pod)
		}
		if len(rest.Pods) > 0 {
			whole = append(whole, rest)
		}
	}
	cheapest := func(a, b Evictable) int {
		return cmp.Or(
			cmp.Compare(a.Priority, b.Priority),
			b.Pods[0].CreationTimestamp.Compare(a.Pods[0].CreationTimestamp.Time),
			cmp.Compare(a.Key.String(), b.Key.String()),
			naturalCompare(b.Pods[0].Name, a.Pods[0].Name),
		)
	}
	slices.SortFunc(surplus, cheapest)
	slices.SortFunc(whole, cheapest)
	return slices.Concat(surplus, whole)
}

// preemptible reports whether neither the PodGroup nor a member forbids eviction.
func (e *entry) preemptible() bool {
	if e.podGroup.Annotations[schedulingv1alpha1.PreemptibleAnnotation] == "false" {
		return false
	}
	for _, m := range e.members {
		if m.pod.Annotations[schedulingv1alpha1.PreemptibleAnnotation] == "false" {
			return false
		}
	}
	return true
}

// PriorityOf is the priority with which a pod is scheduled: its gang's, or its own.
func (r *Registry) PriorityOf(pod *corev1.Pod) int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.members[pod.UID]; m != nil {
		return m.gang.priority()
	}
	return priorityOf(pod)
}
