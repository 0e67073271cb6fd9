package podpolicy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// setValue makes a field of the pod itself what is wanted. It returns nil if there is nothing to do.
func (w *wishes) setValue(pod *corev1.Pod, f field, wish wish) *Change {
	current, present := "", false
	switch f.kind {
	case schedulerName:
		current = pod.Spec.SchedulerName
		present = current != "" && current != corev1.DefaultSchedulerName
	case priorityClassName:
		current = pod.Spec.PriorityClassName
		present = current != ""
	case label:
		current, present = pod.Labels[f.key]
		if f.key == v1alpha1.QueueLabel && !present && !wish.always && !wish.inherited {
			_, ofNamespace := w.around.Namespace.Labels[f.key]
			present = ofNamespace
		}
	case annotation:
		current, present = pod.Annotations[f.key]
	}
	if present && !wish.always || current == wish.value && (present || current != "") {
		return nil
	}
	switch f.kind {
	case schedulerName:
		pod.Spec.SchedulerName = wish.value
	case priorityClassName:
		pod.Spec.PriorityClassName = wish.value
		// They come from the class that there was, and the API server refuses a pod where they contradict its class. It fills
		// them in anew.
		pod.Spec.Priority, pod.Spec.PreemptionPolicy = nil, nil
	case label:
		pod.Labels = with(pod.Labels, f.key, wish.value)
	case annotation:
		pod.Annotations = with(pod.Annotations, f.key, wish.value)
	}
	return &Change{From: current, To: wish.value}
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// setEnv makes an environment variable of all containers what is wanted, and returns nil if there is nothing to do. A container
// with envFrom may have any variable, so none counts as absent there.
func setEnv(pod *corev1.Pod, name string, wish wish) *Change {
	wanted := corev1.EnvVar{Name: name, Value: wish.value}
	change := Change{To: wish.value}
	if wish.fieldPath != "" {
		wanted.ValueFrom = &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: wish.fieldPath}}
		change.To = "field " + wish.fieldPath
	}
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		current := lastEnv(container.Env, name)
		switch {
		case current == nil && (wish.always || len(container.EnvFrom) == 0):
			container.Env = append(container.Env, *wanted.DeepCopy())
		case current != nil && wish.always && !sameEnv(current, &wanted):
			if change.From == "" {
				change.From = describeEnv(current)
			}
			*current = *wanted.DeepCopy()
		default:
			continue
		}
		change.Containers++
	}
	if change.Containers == 0 {
		return nil
	}
	return &change
}

// lastEnv returns the variable of the name, or nil. Of several, the last is what the container gets.
func lastEnv(env []corev1.EnvVar, name string) *corev1.EnvVar {
	for i := len(env) - 1; i >= 0; i-- {
		if env[i].Name == name {
			return &env[i]
		}
	}
	return nil
}

// sameEnv says whether two variables get the same value. The API server adds the version to a field's path.
func sameEnv(a, b *corev1.EnvVar) bool {
	if a.ValueFrom == nil || b.ValueFrom == nil {
		return a.ValueFrom == nil && b.ValueFrom == nil && a.Value == b.Value
	}
	return a.ValueFrom.FieldRef != nil && b.ValueFrom.FieldRef != nil && a.ValueFrom.FieldRef.FieldPath == b.ValueFrom.FieldRef.FieldPath
}

func describeEnv(e *corev1.EnvVar) string {
	switch {
	case e.ValueFrom == nil:
		return e.Value
	case e.ValueFrom.FieldRef != nil:
		return "field " + e.ValueFrom.FieldRef.FieldPath
	default: // a Secret or ConfigMap: what is in it is not ours to tell
		return "a reference"
	}
}
