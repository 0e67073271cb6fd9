package training

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cutOffAfter is how long a pod without grace may be on its way out before its deletion is taken for cut off. It takes
// the API server no time; the moment is told in whole seconds.
const cutOffAfter = 2 * time.Second

// settleRemovals leaves alone what is on its way out already, and deletes once more what got stuck there.
//
// The API server deletes a pod in two steps: it marks the pod, and removes it when no grace is left. When the client that
// asked is killed between the two, only another request removes the pod, and until then its name is taken. The kubelet
// makes one, but not that of a node that is lost.
func (p *pass) settleRemovals() {
	p.remove = slices.DeleteFunc(p.remove, func(o client.Object) bool { return o.GetDeletionTimestamp() != nil })
	for _, pod := range p.podsThat(withoutGrace) {
		if left := pod.DeletionTimestamp.Add(cutOffAfter).Sub(p.now); left > 0 {
			p.lookAfter(left)
			continue
		}
		p.remove = append(p.remove, pod)
	}
}

// withoutGrace says whether nothing keeps a pod that is being deleted: it has no time left to end, and no finalizer.
func withoutGrace(pod *corev1.Pod) bool {
	grace := pod.DeletionGracePeriodSeconds
	return pod.DeletionTimestamp != nil && grace != nil && *grace == 0 && len(pod.Finalizers) == 0
}
