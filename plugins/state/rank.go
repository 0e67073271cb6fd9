package state

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// indexLabels are the labels with which those who create pods number them from 0 within their role.
var indexLabels = []string{
	schedulingv1alpha1.ReplicaIndexLabel, "batch.kubernetes.io/job-completion-index", "apps.kubernetes.io/pod-index",
	"leaderworkerset.sigs.k8s.io/worker-index",
}

// unnumbered is the index of a pod that has none.
const unnumbered = math.MaxInt

// indexOf is a pod's number within its role: as a label says it, else as its name ends.
func indexOf(pod *corev1.Pod) int {
	for _, label := range indexLabels {
		if index, err := strconv.Atoi(pod.Labels[label]); err == nil && index >= 0 {
			return index
		}
	}
	if at := strings.LastIndexByte(pod.Name, '-'); at >= 0 {
		if index, err := strconv.Atoi(pod.Name[at+1:]); err == nil && index >= 0 {
			return index
		}
	}
	return unnumbered
}

// byRank orders the members of a gang: by role, by index within it, and where there is none the oldest first.
func byRank(a, b *member) int {
	return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.index, b.index), byAge(a.pod, b.pod))
}

func byAge(a, b *corev1.Pod) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), naturalCompare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}

// naturalCompare orders worker-2 before worker-10: a shorter name with the same stem has the smaller number.
func naturalCompare(a, b string) int {
	return cmp.Or(cmp.Compare(strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}
