package coscheduling

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/scheduler/util"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/plugins/state"
)

const (
	// reportPeriod is how often the reporter looks at what changed. One look gathers all changes since the last.
	reportPeriod = time.Second
	// settleTime is how long a reason has to hold before it is told: members and PodGroups are created one after the
	// other, and what is normal on the way is no news.
	settleTime = 2 * time.Second
	// retellTime is how long words stand, at least, before other words for the same reason are told.
	retellTime = 30 * time.Second
	// maxWrites bounds the API writes of one look, so that reports never compete with binding.
	maxWrites = 100
)

// reporter tells users why gangs wait and that they started: one event for a gang rather than one for each pod, the
// PodGroup's phase, and the pods' condition where capacity is what lacks. It also sends back pods that wait in Permit
// for a plan that is gone, and evicts gangs that stay broken.
type reporter struct {
	handle fwk.Handle
	gangs  *state.Store
	grace  time.Duration
	// due names the gangs of which something may have to be told, and told what was last.
	due  map[state.Key]struct{}
	told map[state.Key]telling
	// counted is the reason under which a waiting gang stands in the metrics, and whether it is partial or broken.
	counted map[state.Key]standing
	writes  int
}

// telling is what was told of a gang last, and when.
type telling struct {
	gang.Verdict
	at time.Time
}

type standing struct {
	reason          gang.Reason
	partial, broken bool
}

func newReporter(handle fwk.Handle, gangs *state.Store, grace time.Duration) *reporter {
	return &reporter{
		handle: handle, gangs: gangs, grace: grace,
		due: map[state.Key]struct{}{}, told: map[state.Key]telling{}, counted: map[state.Key]standing{},
	}
}

// look reports what changed since the last look.
func (r *reporter) look(ctx context.Context, now time.Time) {
	r.writes = 0
	r.gangs.Sweep(now.Add(-permitTimeout))
	effects := r.gangs.Tick()
	r.handle.IterateOverWaitingPods(func(waiting fwk.WaitingPod) {
		pod := waiting.GetPod()
		if _, isMember := state.GangOf(pod); isMember && !r.gangs.WaitsInPermit(pod.UID) {
			effects.Reject = append(effects.Reject, pod.UID)
		}
	})
	r.gangs.Apply(ctx, effects)
	for _, key := range r.gangs.Changed() {
		r.due[key] = struct{}{}
	}
	for key := range r.due {
		view, exists := r.gangs.View(key)
		r.count(key, view, exists)
		if !exists {
			delete(r.due, key)
			delete(r.told, key)
			continue
		}
		if r.report(ctx, view, now) {
			delete(r.due, key)
		}
	}
	publish(r.counted)
}

// count keeps the metrics of one gang.
func (r *reporter) count(key state.Key, view state.View, exists bool) {
	if !exists || view.Members == 0 || view.Verdict.Reason == gang.None && !view.Partial() {
		delete(r.counted, key)
		return
	}
	broken := !view.BrokenSince.IsZero() && view.Whole
	r.counted[key] = standing{reason: view.Verdict.Reason, partial: view.Partial(), broken: broken}
}

// publish sets the gauges.
func publish(counted map[state.Key]standing) {
	byReason := map[gang.Reason]int{}
	partial, broken := 0, 0
	for _, s := range counted {
		byReason[s.reason]++
		if s.partial {
			partial++
		}
		if s.broken {
			broken++
		}
	}
	for _, reason := range gang.Reasons() {
		waitingGangs.WithLabelValues(string(reason)).Set(float64(byReason[reason]))
	}
	partialGangs.Set(float64(partial))
	brokenGangs.Set(float64(broken))
}

// report tells what there is to tell of a gang, and reports whether that was all for now.
func (r *reporter) report(ctx context.Context, view state.View, now time.Time) (done bool) {
	if !view.BrokenSince.IsZero() && now.Sub(view.BrokenSince) >= r.grace {
		return r.evict(ctx, view)
	}
	done = view.BrokenSince.IsZero()
	if r.writes >= maxWrites {
		return false
	}
	verdict := view.Verdict
	switch verdict.Reason {
	case gang.None:
		for _, beyond := range view.Beyond {
			done = r.markPod(ctx, beyond.Pod, beyond.Verdict) && done
		}
		return r.tellStarted(ctx, view, now) && done
	case gang.NotYetPlanned, gang.Committing:
		return done // It is under way, and what comes next is a change.
	}
	if now.Sub(view.Since) < settleTime {
		return false
	}
	if last := r.told[view.Key]; last.Reason != verdict.Reason || last.Message != verdict.Message && now.Sub(last.at) >= retellTime {
		r.tellWaiting(ctx, view, now)
	}
	return r.markPods(ctx, view) && done
}

// tellStarted announces, once for each start, that a gang has its minimum bound, and keeps the PodGroup's phase from
// then on. It reports whether the gang needs no further look before it changes again.
func (r *reporter) tellStarted(ctx context.Context, view state.View, now time.Time) bool {
	if view.PodGroup == nil || view.Running+view.Succeeded < view.MinMember {
		return true // The gang is gone, or changed again since it was looked at.
	}
	if !view.Whole {
		return false
	}
	last, told := r.told[view.Key]
	r.told[view.Key] = telling{view.Verdict, now}
	// A phase that is set already was told before this scheduler started.
	if phase := view.PodGroup.Status.Phase; (!told || last.Reason != gang.None) && (phase == "" || phase == podgroupv1alpha1.PodGroupPending) {
		gangWait.Observe(now.Sub(view.PodGroup.CreationTimestamp.Time).Seconds())
		r.event(ctx, view.PodGroup, corev1.EventTypeNormal, "Scheduled", "Binding",
			fmt.Sprintf("%d members are bound, at least %d were asked for", view.Running+view.Succeeded, view.MinMember))
	}
	switch {
	case view.Succeeded >= view.MinMember:
		r.setPhase(ctx, view, podgroupv1alpha1.PodGroupFinished)
	case view.Succeeded+view.Started >= view.MinMember:
		r.setPhase(ctx, view, podgroupv1alpha1.PodGroupRunning)
	}
	return true
}

// tellWaiting puts the reason where its cause is: on the PodGroup, or on the pods that name one that does not exist.
func (r *reporter) tellWaiting(ctx context.Context, view state.View, now time.Time) {
	r.told[view.Key] = telling{view.Verdict, now}
	reason := string(view.Verdict.Reason)
	if view.PodGroup == nil {
		for _, pod := range view.Waiting {
			r.event(ctx, pod, corev1.EventTypeWarning, reason, "Scheduling", view.Verdict.Message)
		}
		return
	}
	kind := corev1.EventTypeNormal
	if view.Verdict.Reason != gang.WaitingForMembers {
		kind = corev1.EventTypeWarning
	}
	r.event(ctx, view.PodGroup, kind, reason, "Scheduling", view.Verdict.Message)
	r.setPhase(ctx, view, podgroupv1alpha1.PodGroupPending)
}

func (r *reporter) event(ctx context.Context, object runtime.Object, kind, reason, action, note string) {
	r.writes++
	if len(note) > 1000 {
		note = note[:1000] + " …"
	}
	r.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(object, nil, kind, reason, action, "%s", note)
}

// setPhase writes the PodGroup's phase when it changes.
func (r *reporter) setPhase(ctx context.Context, view state.View, phase podgroupv1alpha1.PodGroupPhase) {
	if view.PodGroup.Status.Phase == phase {
		return
	}
	r.writes++
	if err := r.gangs.SetPhase(ctx, view.PodGroup, phase); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "Setting the phase of a PodGroup", "gang", view.Key, "phase", phase)
	}
}

// markPods tells an autoscaler, pod by pod, that capacity is what the gang lacks, or that it is so no longer. It reports
// whether all pods have been told.
func (r *reporter) markPods(ctx context.Context, view state.View) bool {
	done := true
	for _, pod := range view.Waiting {
		done = r.markPod(ctx, pod, view.Verdict) && done
	}
	return done
}

func (r *reporter) markPod(ctx context.Context, pod *corev1.Pod, verdict gang.Verdict) bool {
	reason := string(verdict.Reason)
	if verdict.Reason.WantsCapacity() {
		reason = corev1.PodReasonUnschedulable
	}
	marked := markOf(pod)
	if marked == reason || marked != corev1.PodReasonUnschedulable && reason != corev1.PodReasonUnschedulable {
		return true
	}
	if r.writes >= maxWrites {
		return false
	}
	r.writes++
	status := pod.Status.DeepCopy()
	podutil.UpdatePodCondition(status, &corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: verdict.Message,
	})
	err := util.PatchPodStatus(ctx, r.handle.ClientSet(), pod.Name, pod.Namespace, &pod.Status, status)
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "Telling a pod why it waits", "pod", klog.KObj(pod))
	}
	return true
}

// markOf is the reason of a pod's PodScheduled condition; empty where it has none.
func markOf(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Reason
		}
	}
	return ""
}
