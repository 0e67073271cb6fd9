package coscheduling

import (
	"context"

	fwk "k8s.io/kube-scheduler/framework"
)

// EventsToRegister lists what may let a gang in that found no room, besides pods and nodes: the registry of gangs watches
// these itself and knows whom they concern. An event moves the leader, and the gate that it comes to takes it as a sign
// that gangs which wait for such things are worth another try.
func (pl *Coscheduling) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	var events []fwk.ClusterEventWithHint
	for _, kind := range []fwk.EventResource{
		fwk.PersistentVolumeClaim, fwk.PersistentVolume, fwk.StorageClass, fwk.CSINode, fwk.CSIDriver, fwk.CSIStorageCapacity,
		fwk.ResourceClaim, fwk.ResourceSlice, fwk.DeviceClass,
	} {
		events = append(events, fwk.ClusterEventWithHint{Event: fwk.ClusterEvent{Resource: kind, ActionType: fwk.Add | fwk.Update}})
	}
	return append(events, fwk.ClusterEventWithHint{Event: fwk.ClusterEvent{Resource: fwk.VolumeAttachment, ActionType: fwk.Delete}}), nil
}
