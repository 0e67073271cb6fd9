package coscheduling

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/internal/gang"
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
		r.told[view.Key] = telling{gang.Verdict{Reason: view.Verdict.Reason, Message: message}, time.Now()}
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
		if err := r.gangs.Evict(ctx, pod); err != nil && ctx.Err() == nil {
			done = false
			klog.FromContext(ctx).Error(err, "Evicting a member of a broken gang", "gang", view.Key, "pod", klog.KObj(pod))
		}
	}
	return done
}
