package coscheduling

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
)

// EventsToRegister lists what may make room for a gang whose leader found none. The members' own filters said no inside
// the planning, so the events of all of them matter here.
func (pl *Coscheduling) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		// A pod that ends frees resources, ports, volumes and the domains that its anti-affinity closed.
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Delete | fwk.UpdatePodScaleDown}},
		// A pod that is placed, or relabelled, makes room only for gangs that want to be near it, or may evict it.
		{Event: fwk.ClusterEvent{Resource: fwk.AssignedPod, ActionType: fwk.Add | fwk.UpdatePodLabel}, QueueingHintFn: pl.profitsFrom},
		{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeAllocatable | fwk.UpdateNodeLabel | fwk.UpdateNodeTaint}},
		{Event: fwk.ClusterEvent{Resource: fwk.PersistentVolumeClaim, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.PersistentVolume, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.StorageClass, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.CSINode, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.CSIDriver, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.CSIStorageCapacity, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.VolumeAttachment, ActionType: fwk.Delete}},
		{Event: fwk.ClusterEvent{Resource: fwk.ResourceClaim, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.ResourceSlice, ActionType: fwk.Add | fwk.Update}},
		{Event: fwk.ClusterEvent{Resource: fwk.DeviceClass, ActionType: fwk.Add | fwk.Update}},
	}, nil
}

// profitsFrom wakes a leader only when a member of its gang could be let in by the pod that was placed, or when that pod
// has a lower priority: a gang that passed this one while it waited cannot be evicted before it is bound.
func (pl *Coscheduling) profitsFrom(_ klog.Logger, pod *corev1.Pod, _, placed any) (fwk.QueueingHint, error) {
	if pl.gangs.WantsCompany(pod) {
		return fwk.Queue, nil
	}
	if placed, isPod := placed.(*corev1.Pod); isPod && pl.gangs.PriorityOf(placed) < pl.gangs.PriorityOf(pod) {
		return fwk.Queue, nil
	}
	return fwk.QueueSkip, nil
}

// wantsCompany reports whether other pods can let a pod in: by affinity, or by evening out a spread.
func wantsCompany(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	return affinity != nil && affinity.PodAffinity != nil || len(pod.Spec.TopologySpreadConstraints) > 0
}
