package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
)

// Cluster is what a cluster adds to the pods that are created in a namespace, as far as it matters to where they fit.
type Cluster struct {
	PriorityClasses []schedulingv1.PriorityClass
	LimitRanges     []corev1.LimitRange // of the namespace
	RuntimeClasses  []nodev1.RuntimeClass
}

// Admit makes a pod what it would be when stored: requests that follow from limits, the namespace's default requests and
// limits, the number behind its priority class, the overhead of its runtime class. It fails where the API server would
// refuse the pod because a class does not exist.
func (c Cluster) Admit(pod *corev1.Pod) error {
	forEachResources(pod, requestLimits)
	for _, limits := range c.LimitRanges {
		for _, item := range limits.Spec.Limits {
			if item.Type == corev1.LimitTypeContainer {
				forEachContainer(pod, func(r *corev1.ResourceRequirements) { fillIn(r, item) })
			}
		}
	}
	if err := c.setPriority(pod); err != nil {
		return fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if err := c.setOverhead(pod); err != nil {
		return fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// forEachContainer calls change with the resources of each container.
func forEachContainer(pod *corev1.Pod, change func(*corev1.ResourceRequirements)) {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			change(&containers[i].Resources)
		}
	}
}

// forEachResources is forEachContainer, and the resources of the pod as a whole.
func forEachResources(pod *corev1.Pod, change func(*corev1.ResourceRequirements)) {
	forEachContainer(pod, change)
	if pod.Spec.Resources != nil {
		change(pod.Spec.Resources)
	}
}

// requestLimits: where only a limit is given, that is the request.
func requestLimits(r *corev1.ResourceRequirements) {
	r.Requests = withDefaults(r.Requests, r.Limits)
}

// fillIn does what the admission plugin LimitRanger does with a container.
func fillIn(r *corev1.ResourceRequirements, item corev1.LimitRangeItem) {
	r.Limits = withDefaults(r.Limits, item.Default)
	r.Requests = withDefaults(r.Requests, item.DefaultRequest)
}

// withDefaults returns amounts with what only defaults has.
func withDefaults(amounts, defaults corev1.ResourceList) corev1.ResourceList {
	if len(defaults) == 0 {
		return amounts
	}
	all := maps.Clone(defaults)
	maps.Copy(all, amounts)
	return all
}

// setPriority does what the admission plugin Priority does.
func (c Cluster) setPriority(pod *corev1.Pod) error {
	class, err := c.priorityClass(pod.Spec.PriorityClassName)
	if err != nil {
		return err
	}
	pod.Spec.PriorityClassName = class.Name
	pod.Spec.Priority = &class.Value
	if pod.Spec.PreemptionPolicy == nil {
		pod.Spec.PreemptionPolicy = class.PreemptionPolicy
	}
	return nil
}

// priorityClass is the class of that name. Without a name it is the default one, of several the lowest, and where there is
// none, priority 0.
func (c Cluster) priorityClass(name string) (schedulingv1.PriorityClass, error) {
	if name != "" {
		i := slices.IndexFunc(c.PriorityClasses, func(class schedulingv1.PriorityClass) bool { return class.Name == name })
		if i < 0 {
			return schedulingv1.PriorityClass{}, fmt.Errorf("there is no PriorityClass %q", name)
		}
		return c.PriorityClasses[i], nil
	}
	defaults := slices.DeleteFunc(slices.Clone(c.PriorityClasses), func(class schedulingv1.PriorityClass) bool {
		return !class.GlobalDefault
	})
	if len(defaults) == 0 {
		return schedulingv1.PriorityClass{}, nil
	}
	return slices.MinFunc(defaults, func(a, b schedulingv1.PriorityClass) int { return cmp.Compare(a.Value, b.Value) }), nil
}

// setOverhead does what the admission plugin RuntimeClass does.
func (c Cluster) setOverhead(pod *corev1.Pod) error {
	name := pod.Spec.RuntimeClassName
	if name == nil {
		return nil
	}
	i := slices.IndexFunc(c.RuntimeClasses, func(class nodev1.RuntimeClass) bool { return class.Name == *name })
	if i < 0 {
		return fmt.Errorf("there is no RuntimeClass %q", *name)
	}
	class := c.RuntimeClasses[i]
	if class.Overhead != nil {
		pod.Spec.Overhead = class.Overhead.PodFixed
	}
	if class.Scheduling == nil {
		return nil
	}
	if len(class.Scheduling.NodeSelector) > 0 {
		selector := maps.Clone(class.Scheduling.NodeSelector)
		maps.Copy(selector, pod.Spec.NodeSelector)
		pod.Spec.NodeSelector = selector
	}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations, class.Scheduling.Tolerations...)
	return nil
}
