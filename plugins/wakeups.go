package plugins

import (
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	kubeschedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalqueue "k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// calmQueue is kube-scheduler's queue without what it does when a pod has come to a node or has left one: to look at each
// pod that waits, under its lock. The registry of gangs knows whom that concerns and activates them; with 10,000 pods
// waiting, the look cost as much as placing a pod.
type calmQueue struct{ internalqueue.SchedulingQueue }

func (q calmQueue) MoveAllToActiveOrBackoffQueue(logger klog.Logger, event fwk.ClusterEvent, oldObj, newObj any, check internalqueue.PreEnqueueCheck) {
	if event == framework.EventAssignedPodAdd || event == framework.EventAssignedPodDelete {
		return
	}
	q.SchedulingQueue.MoveAllToActiveOrBackoffQueue(logger, event, oldObj, newObj, check)
}

// allOurs reports whether all pods that the scheduler serves are in the registry of gangs.
func allOurs(profiles []kubeschedulerconfig.KubeSchedulerProfile) bool {
	return len(profiles) == 1 && profiles[0].SchedulerName == schedulingv1alpha1.SchedulerName
}
