package state

import (
	"fmt"
	"math"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// asked numbers the questions of the process.
var asked atomic.Int64

// Ask makes a pod that stands for a question in the scheduling queue: when its turn comes, the question is answered on the
// snapshot of its cycle, and nothing is scheduled. The API server never hears of it. It goes after the members of a plan
// that is being committed, since their room looks free until they are there, and before everybody else.
func (r *Registry) Ask() *corev1.Pod {
	uid := types.UID(fmt.Sprintf("muster-question-%d", asked.Add(1)))
	r.order.freeze(uid, order{committing: true, sequence: math.MaxInt, question: true})
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "muster-system", Name: string(uid), UID: uid},
		Spec:       corev1.PodSpec{SchedulerName: schedulingv1alpha1.SchedulerName},
	}
}

// IsQuestion reports whether a pod stands for a question.
func (r *Registry) IsQuestion(uid types.UID) bool {
	r.order.mu.RLock()
	defer r.order.mu.RUnlock()
	return r.order.of[uid].question
}

// Answered forgets a question that has left the scheduling queue.
func (r *Registry) Answered(uid types.UID) {
	r.order.mu.Lock()
	defer r.order.mu.Unlock()
	delete(r.order.of, uid)
}
