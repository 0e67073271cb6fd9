package state

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Key names a gang: a PodGroup with its pods, or a single pod that has none.
type Key struct {
	Namespace, Name string
	// Pod is the UID of the single pod; empty for a PodGroup.
	Pod types.UID
}

func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Single reports whether the gang is a pod without a PodGroup.
func (k Key) Single() bool { return k.Pod != "" }

// id names the gang in the line of its queue.
func (k Key) id() string {
	if k.Single() {
		return k.String() + "/" + string(k.Pod)
	}
	return k.String()
}

// GangOf names the PodGroup that a pod belongs to. It is false for a pod that points to none.
func GangOf(pod *corev1.Pod) (Key, bool) {
	name := pod.Labels[schedulingv1alpha1.PodGroupLabel]
	return Key{Namespace: pod.Namespace, Name: name}, name != ""
}

// KeyOf names the gang that a pod is, or is a member of.
func KeyOf(pod *corev1.Pod) Key {
	if key, isMember := GangOf(pod); isMember {
		return key
	}
	return Key{Namespace: pod.Namespace, Name: pod.Name, Pod: pod.UID}
}

// ours reports whether a pod is placed, or counted, by Muster.
func ours(pod *corev1.Pod) bool {
	_, isMember := GangOf(pod)
	return isMember || pod.Spec.SchedulerName == schedulingv1alpha1.SchedulerName
}

// RoleOf is a pod's role within its gang; empty where no label names one.
func RoleOf(labels map[string]string) string {
	for _, label := range []string{
		schedulingv1alpha1.RoleLabel, schedulingv1alpha1.ReplicaTypeLabel, schedulingv1alpha1.JobRoleLabel,
	} {
		if role := labels[label]; role != "" {
			return role
		}
	}
	return ""
}
