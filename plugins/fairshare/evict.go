package fairshare

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/muster-scheduling/muster/plugins/state"
)

const (
	// maxEvictions bounds the evictions in flight: they must not keep binds from the API server.
	maxEvictions = 16
	// evictionRetry is how long a refused eviction waits, patience how long it is repeated before the victim is spared.
	evictionRetry = time.Second
	patience      = 30 * time.Second
	// enforcePeriod is how often queues are looked at that are drained or above their limit.
	enforcePeriod = 5 * time.Second
)

// evictor sends victims away without holding up the scheduling cycle.
type evictor struct {
	ctx    context.Context
	handle fwk.Handle
	gangs  *state.Store
	slots  chan struct{}
}

func newEvictor(ctx context.Context, handle fwk.Handle, gangs *state.Store) *evictor {
	return &evictor{ctx: ctx, handle: handle, gangs: gangs, slots: make(chan struct{}, maxEvictions)}
}

// evict asks the Eviction API for every pod of the units and says on their gangs why.
func (e *evictor) evict(claimant state.Request, units []state.Unit) {
	go func() {
		told := map[state.Key]bool{}
		for _, unit := range units {
			for _, pod := range unit.Pods {
				select {
				case e.slots <- struct{}{}:
				case <-e.ctx.Done():
					return
				}
				go func() {
					defer func() { <-e.slots }()
					e.send(pod)
				}()
			}
			if !told[unit.Key] {
				told[unit.Key] = true
				e.tell(claimant, unit)
			}
			evictedPods.WithLabelValues(why(unit)).Add(float64(len(unit.Pods)))
		}
	}()
}

// why is the reason of an eviction in a metric and an event.
func why(unit state.Unit) string {
	if unit.Preempt {
		return "Preempted"
	}
	return "Reclaimed"
}

func (e *evictor) tell(claimant state.Request, unit state.Unit) {
	var object runtime.Object = unit.Pods[0]
	if view, exists := e.gangs.View(unit.Key); exists && view.PodGroup != nil {
		object = view.PodGroup
	}
	note := fmt.Sprintf("evicted to make room for %s, which has a higher priority (%d)", claimant.Key, claimant.Priority)
	if !unit.Preempt {
		note = fmt.Sprintf("evicted to make room for %s: queue %s takes back what it is guaranteed", claimant.Key, claimant.Queue)
	}
	e.handle.EventRecorder().WithLogger(klog.FromContext(e.ctx)).Eventf(object, nil, corev1.EventTypeNormal, why(unit), "Evicting", "%s", note)
}

// send evicts one pod. One that is refused, by a PodDisruptionBudget that changed meanwhile, is asked again for a while,
// and then spared: who waits for it is told.
func (e *evictor) send(pod *corev1.Pod) {
	ticker := time.NewTicker(evictionRetry)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; {
		err := e.gangs.Evict(e.ctx, pod)
		if err == nil || e.ctx.Err() != nil {
			return
		}
		if _, awaited := e.gangs.Beneficiary(pod.UID); !awaited {
			return
		}
		if !apierrors.IsTooManyRequests(err) && !apierrors.IsServerTimeout(err) && !apierrors.IsTimeout(err) && !apierrors.IsInternalError(err) || time.Now().After(deadline) {
			e.gangs.Apply(e.ctx, e.gangs.Spared(pod.UID, fmt.Sprintf("room was to be made, but a victim cannot be evicted: %v", err)))
			return
		}
		select {
		case <-ticker.C:
		case <-e.ctx.Done():
			return
		}
	}
}

// enforce evicts what runs in queues that are to be emptied, and what queues have used beyond their limit for as long as
// overLimit, nil for never.
func (e *evictor) enforce(overLimit *metav1.Duration) {
	pods := e.gangs.Drained()
	if overLimit != nil {
		pods = append(pods, podsOf(e.gangs.Excess(overLimit.Duration))...)
	}
	for _, pod := range pods {
		if err := e.gangs.Evict(e.ctx, pod); err != nil && e.ctx.Err() == nil && !apierrors.IsTooManyRequests(err) {
			klog.FromContext(e.ctx).Error(err, "Evicting what a queue may not use", "pod", klog.KObj(pod))
		}
	}
}
