package state

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/internal/dispatch"
)

// What takes room is told by the scheduler's own cache, after it has changed: a gang that is tried because room came free
// must find that room in the snapshot of its cycle.

// Occupied takes note of a pod of any scheduler that takes room on a node: bound, or assumed to be.
func (r *Registry) Occupied(pod *corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, placed := r.placed[pod.UID]; placed && was != pod.Spec.NodeName {
		r.line.Vacate(was, string(pod.UID))
	}
	r.placed[pod.UID] = pod.Spec.NodeName
	var use dispatch.Use
	if m := r.members[pod.UID]; m != nil {
		use = m.use()
	} else {
		use.Amount = RequestOf(pod)
	}
	use.Leaving = use.Leaving || pod.DeletionTimestamp != nil
	r.line.Occupy(pod.Spec.NodeName, string(pod.UID), use)
}

// Vacated takes note that a pod takes no room any more. When it was the last that a gang waited for, it is the gang's turn.
func (r *Registry) Vacated(pod *corev1.Pod) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if node, placed := r.placed[pod.UID]; placed {
		delete(r.placed, pod.UID)
		r.line.Vacate(node, string(pod.UID))
	}
	if r.members[pod.UID] == nil {
		r.left(pod.UID)
	}
	r.advance(&effects)
	return effects
}
