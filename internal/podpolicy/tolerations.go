package podpolicy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// addToleration adds a toleration unless one of the pod's covers it, and returns whether it did.
func addToleration(pod *corev1.Pod, wanted corev1.Toleration) bool {
	covered := slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return covers(t, wanted) })
	if !covered {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, *wanted.DeepCopy())
	}
	return !covered
}

// covers says whether a tolerates every taint that b does, for at least as long.
func covers(a, b corev1.Toleration) bool {
	if a.Effect != "" && a.Effect != b.Effect {
		return false
	}
	if a.TolerationSeconds != nil && (b.TolerationSeconds == nil || *a.TolerationSeconds < *b.TolerationSeconds) {
		return false
	}
	switch operator(a) {
	case corev1.TolerationOpExists:
		return a.Key == "" || a.Key == b.Key
	case corev1.TolerationOpEqual:
		return operator(b) == corev1.TolerationOpEqual && a.Key == b.Key && a.Value == b.Value
	default:
		return false
	}
}

// operator returns a toleration's operator; Equal is what is meant where there is none.
func operator(t corev1.Toleration) corev1.TolerationOperator {
	if t.Operator == "" {
		return corev1.TolerationOpEqual
	}
	return t.Operator
}

// describeToleration writes a toleration as kubectl writes taints: key=value:effect.
func describeToleration(t corev1.Toleration) string {
	var text strings.Builder
	text.WriteString(t.Key)
	if operator(t) == corev1.TolerationOpEqual {
		text.WriteString("=" + t.Value)
	}
	if t.Effect != "" {
		text.WriteString(":" + string(t.Effect))
	}
	return text.String()
}
