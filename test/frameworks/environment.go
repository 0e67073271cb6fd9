package frameworks

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// environment returns the variables with which a kubelet starts a container: of those with the same name the last
// counts, and $(NAME) is what NAME was further up.
func environment(pod *corev1.Pod, container *corev1.Container) map[string]string {
	env := map[string]string{}
	for _, v := range container.Env {
		if v.ValueFrom == nil {
			env[v.Name] = expand(v.Value, env)
		} else if v.ValueFrom.FieldRef != nil {
			env[v.Name] = field(pod, v.ValueFrom.FieldRef.FieldPath)
		}
	}
	return env
}

// expand replaces $(NAME) where NAME is known, and $$ by $.
func expand(value string, env map[string]string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(value, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		value = rest
		if strings.HasPrefix(rest, "$") {
			out.WriteString("$")
			value = rest[1:]
			continue
		}
		name, after, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		known, ok := env[name]
		if !strings.HasPrefix(rest, "(") || !closed || !ok {
			out.WriteString("$")
			continue
		}
		out.WriteString(known)
		value = after
	}
}

// field returns a field of a pod that a variable may refer to.
func field(pod *corev1.Pod, path string) string {
	if key, ok := strings.CutPrefix(path, "metadata.annotations['"); ok {
		return pod.Annotations[strings.TrimSuffix(key, "']")]
	}
	if key, ok := strings.CutPrefix(path, "metadata.labels['"); ok {
		return pod.Labels[strings.TrimSuffix(key, "']")]
	}
	switch path {
	case "metadata.name":
		return pod.Name
	case "metadata.namespace":
		return pod.Namespace
	case "metadata.uid":
		return string(pod.UID)
	case "status.podIP":
		return pod.Status.PodIP
	case "status.hostIP":
		return pod.Status.HostIP
	case "spec.nodeName":
		return pod.Spec.NodeName
	}
	return ""
}
