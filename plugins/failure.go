package plugins

import (
	"context"
	"errors"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// requeue puts a pod back into the scheduling queue whose attempt has failed, as kube-scheduler's own handler does
// (pkg/scheduler/schedule_one.go, handleSchedulingFailure), and then lets the next gang have its turn.
//
// It writes nothing: why a gang waits is told once for the gang, by the one reason that dominates, and not for each attempt
// of one of its pods. A gang that waits for quota must not be shown as unschedulable at all.
type requeue struct {
	sched *scheduler.Scheduler
	gangs *gangs
}

func (r *requeue) handle(ctx context.Context, f framework.Framework, info *framework.QueuedPodInfo, status *fwk.Status, _ *fwk.NominatingInfo, start time.Time) {
	logger, pod := klog.FromContext(ctx), info.Pod
	if status.IsRejected() {
		metrics.PodUnschedulable(f.ProfileName(), metrics.SinceInSeconds(start))
		logger.V(4).Info("Pod found no place", "pod", klog.KObj(pod), "why", status.Message())
	} else {
		metrics.PodScheduleError(f.ProfileName(), metrics.SinceInSeconds(start))
		utilruntime.HandleErrorWithContext(ctx, status.AsError(), "Scheduling a pod failed; it is tried again", "pod", klog.KObj(pod))
	}
	info = info.DeepCopy()
	info.ClearRejectorPlugins()
	if fit, unfit := errors.AsType[*framework.FitError](status.AsError()); unfit {
		info.UnschedulablePlugins, info.PendingPlugins = fit.Diagnosis.UnschedulablePlugins, fit.Diagnosis.PendingPlugins
	}
	r.putBack(ctx, f, info)
	if r.gangs.store != nil {
		r.gangs.store.Apply(ctx, r.gangs.store.Ended(pod.UID, status.Message()))
	}
}

// putBack returns the pod to the queue unless it is gone, bound, or another one by now.
func (r *requeue) putBack(ctx context.Context, f framework.Framework, info *framework.QueuedPodInfo) {
	pod := info.Pod
	current, err := f.SharedInformerFactory().Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	if err != nil || current.Spec.NodeName != "" || current.UID != pod.UID {
		r.sched.SchedulingQueue.Done(pod.UID)
		return
	}
	// The API server validates affinity terms, so this error cannot occur; what it leaves is usable anyway.
	info.PodInfo, _ = framework.NewPodInfo(current.DeepCopy())
	if err := r.sched.SchedulingQueue.AddUnschedulablePodIfNotPresent(klog.FromContext(ctx), info, r.sched.SchedulingQueue.SchedulingCycle()); err != nil {
		utilruntime.HandleErrorWithContext(ctx, err, "Putting a pod back into the scheduling queue", "pod", klog.KObj(pod))
	}
}
