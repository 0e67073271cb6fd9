package coscheduling

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/plugins/state"
)

// evict sends away what still runs of a gang that stayed below its minimum for the grace period: a job that cannot go on
// must not hold its devices. It goes through the Eviction API, so PodDisruptionBudgets hold, and reports whether every
// member has been asked; one that is protected is asked again at the next look.
func (r *reporter) evict(ctx context.Context, view state.View) bool {
	done := true
	message := fmt.Sprintf("%d members ran on below the minimum of %d for %s; they are evicted so that the gang can start again as a whole",
		view.Running, view.MinMember, r.grace)
	if r.told[view.Key].Message != message {
		told := view.Verdict
		told.Message = message
		r.told[view.Key] = told
		r.event(ctx, view.PodGroup, corev1.EventTypeWarning, "BrokenGangEvicted", "Evicting", message)
	}
	for _, pod := range view.Bound {
		if pod.DeletionTimestamp != nil {
			continue
		}
		if r.writes >= maxWrites {
			return false
		}
		r.writes++
		if err := evictPod(ctx, r.handle.ClientSet(), pod); err != nil && ctx.Err() == nil {
			done = false
			klog.FromContext(ctx).Error(err, "Evicting a member of a broken gang", "gang", view.Key, "pod", klog.KObj(pod))
		}
	}
	return done
}

// evictPod asks the Eviction API to send a pod away. A pod that is gone, or is another one by now, is no error.
func evictPod(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) error {
	err := client.CoreV1().Pods(pod.Namespace).EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("evicting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}
