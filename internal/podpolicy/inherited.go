package podpolicy

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// addQueue adds the queue that a policy wants. It comes before all else, since the priority may be that of the queue.
func (w *wishes) addQueue(p *Policy) {
	queue := field{label, v1alpha1.QueueLabel}
	if name := p.set.Queue; name != nil {
		next := wish{policy: p.name, value: name.Value, always: name.When == v1alpha1.SetAlways}
		if name.Inherit && w.around.Workload != nil && len(validation.IsDNS1123Label(w.around.Workload.Queue)) == 0 {
			next.value, next.inherited = w.around.Workload.Queue, true
		}
		if next.value != "" {
			w.want(queue, next)
		}
	}
	for _, l := range p.set.Labels {
		if l.Key == v1alpha1.QueueLabel {
			w.want(queue, wish{policy: p.name, value: l.Value, always: l.When == v1alpha1.SetAlways})
		}
	}
}

// queueOf is the queue that the pod is in once the wishes are granted, as far as its PodGroup does not name another.
func (w *wishes) queueOf(pod *corev1.Pod) string {
	now := &corev1.Pod{}
	if queue, present := pod.Labels[v1alpha1.QueueLabel]; present {
		now.Labels = map[string]string{v1alpha1.QueueLabel: queue}
	}
	if wish, wanted := w.fields[field{label, v1alpha1.QueueLabel}]; wanted {
		w.setValue(now, field{label, v1alpha1.QueueLabel}, wish)
	}
	return cmp.Or(now.Labels[v1alpha1.QueueLabel], w.around.Namespace.Labels[v1alpha1.QueueLabel], v1alpha1.DefaultQueue)
}

// addPriority adds the priority class that a policy wants: what the pod inherits where that exists, else the policy's own.
func (w *wishes) addPriority(p *Policy) {
	name := p.set.PriorityClassName
	if name == nil {
		return
	}
	for _, class := range []struct{ name, missing string }{
		{w.inheritedClass(name), v1alpha1.ReasonNoInheritedClass}, {name.Value, v1alpha1.ReasonNoPriorityClass},
	} {
		switch {
		case class.name == "":
		case w.around.PriorityClasses.Has(class.name):
			w.want(field{priorityClassName, ""}, wish{policy: p.name, value: class.name, always: name.When == v1alpha1.SetAlways})
			return
		default:
			w.problems = append(w.problems, &Problem{Policy: p.name, Reason: class.missing,
				Err: fmt.Errorf("set priorityClassName: there is no PriorityClass %q", class.name)})
		}
	}
}

// inheritedClass is what an owner says, else the namespace, else the queue.
func (w *wishes) inheritedClass(name *v1alpha1.PodPolicyInherited) string {
	if !name.Inherit {
		return ""
	}
	ofOwner := ""
	if w.around.Workload != nil {
		ofOwner = w.around.Workload.PriorityClass
	}
	return cmp.Or(ofOwner, w.around.Namespace.Labels[v1alpha1.PriorityClassLabel], w.around.QueueClasses[w.queue])
}

// addFirm makes the pod firm where its user may have one more, and its queue's guarantee has room for it. What the pod itself says
// about being evicted stays.
func (w *wishes) addFirm(p *Policy) {
	firm, use := p.set.Firm, w.around.Firm
	_, said := w.pod.Annotations[v1alpha1.PreemptibleAnnotation]
	if firm == nil || use == nil || said || !use.Fits || use.Pods >= firm.PerUser {
		return
	}
	w.want(field{annotation, v1alpha1.PreemptibleAnnotation}, wish{policy: p.name, value: "false"})
	w.want(field{annotation, v1alpha1.FirmForAnnotation}, wish{policy: p.name, value: use.User})
}
