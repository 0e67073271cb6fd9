package state

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/fragmentation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// defaultMemory is after what time a shape counts half as much where no plugin says.
const defaultMemory = 24 * time.Hour

// DemandOf is what packing looks at of what a pod asks for: CPU, memory, and the kind of GPUs that it asks most of.
func DemandOf(request resource.Amounts) fragmentation.Demand {
	d := fragmentation.Demand{CPU: request[string(corev1.ResourceCPU)], Memory: request[string(corev1.ResourceMemory)]}
	for name, amount := range request {
		if resource.IsGPU(name) && (amount > d.GPUs || amount == d.GPUs && name < d.Kind) {
			d.Kind, d.GPUs = name, amount
		}
	}
	return d
}

// Remember sets after what time a shape of pods counts half as much, and forgets those seen so far.
func (r *Registry) Remember(halfLife time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = fragmentation.NewWorkload(halfLife)
}

// Mix is what the pods that came lately, and those that wait, look like. It may only be used inside a scheduling cycle.
func (r *Registry) Mix() *fragmentation.Mix {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := make([]fragmentation.Waiting, 0, len(r.waiting))
	for demand, pods := range r.waiting {
		waiting = append(waiting, fragmentation.Waiting{Demand: demand, Pods: pods})
	}
	slices.SortFunc(waiting, func(a, b fragmentation.Waiting) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.GPUs, b.GPUs), cmp.Compare(a.CPU, b.CPU), cmp.Compare(a.Memory, b.Memory))
	})
	return r.seen.Mix(r.now(), waiting...)
}

// SetPacking says how a profile fills nodes where neither a pod nor its PodGroup does.
func (r *Registry) SetPacking(profile, strategy string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.packing[profile] = strategy
}

// Packing is how a pod of a profile is to be packed.
func (r *Registry) Packing(profile string, pod *corev1.Pod) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := pod.Annotations[schedulingv1alpha1.PackingAnnotation]
	if e := r.gangs[KeyOf(pod)]; said == "" && e != nil && e.podGroup != nil {
		said = e.podGroup.Annotations[schedulingv1alpha1.PackingAnnotation]
	}
	return cmp.Or(said, r.packing[profile], schedulingv1alpha1.PackingPack)
}
