package training

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// member is one place among the pods of a job, whether there is a pod in it or not.
type member struct {
	rtype trainingv1.ReplicaType
	index int32
	name  string // of the pod and of the service
	spec  *trainingv1.ReplicaSpec
	pod   *corev1.Pod // nil: none exists

	// former says that the pod belongs to an attempt of the whole gang that is over.
	former bool
}

// members lists the places that the job's spec asks for, by the kind's order of types and by index, with the pods that
// exist.
func (k *kind) members(job trainingv1.Job, pods map[string]*corev1.Pod) []member {
	var all []member
	for _, t := range k.types {
		spec := job.Replicas()[t]
		if spec == nil {
			continue
		}
		for i := range *spec.Replicas {
			name := k.nameOf(job, t, i)
			all = append(all, member{rtype: t, index: i, name: name, spec: spec, pod: pods[name]})
		}
	}
	return all
}

// nameOf is the name of a pod of a job.
func (k *kind) nameOf(job trainingv1.Job, t trainingv1.ReplicaType, index int32) string {
	if k.podName != nil {
		return k.podName(job.GetName(), t, index)
	}
	return memberName(job.GetName(), t, index)
}

// memberName is the name of a pod and of its service, unless the kind has names of its own.
func memberName(job string, t trainingv1.ReplicaType, index int32) string {
	return fmt.Sprintf("%s-%s-%d", job, strings.ToLower(string(t)), index)
}

// active says whether the member has a pod that runs and is not being deleted.
func (m member) active() bool {
	return m.pod != nil && m.pod.Status.Phase == corev1.PodRunning && m.pod.DeletionTimestamp == nil
}

// succeeded says whether the member has a pod that ended well. One that is being deleted may have ended because of that,
// its work undone.
func (m member) succeeded() bool {
	return m.pod != nil && m.pod.Status.Phase == corev1.PodSucceeded && m.pod.DeletionTimestamp == nil
}

// failed says whether the member has a pod that failed. One that is being deleted ends because of that, and has not
// failed; what becomes of one whose attempt is over does not matter.
func (m member) failed() bool {
	return m.pod != nil && m.pod.Status.Phase == corev1.PodFailed && m.pod.DeletionTimestamp == nil && !m.former
}

// ofType returns the members of one type.
func ofType(members []member, t trainingv1.ReplicaType) []member {
	var some []member
	for _, m := range members {
		if m.rtype == t {
			some = append(some, m)
		}
	}
	return some
}

func allMembers(members []member, are func(member) bool) bool {
	for _, m := range members {
		if !are(m) {
			return false
		}
	}
	return len(members) > 0
}
