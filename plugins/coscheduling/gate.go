package coscheduling

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/muster-scheduling/muster/plugins/state"
)

// GateName is the name of the plugin GangGate in a KubeSchedulerConfiguration.
const GateName = "GangGate"

// GangGate keeps a member out of the active queue until its gang can be planned, and then lets in the leader alone.
//
// It is a plugin of its own because the queue re-examines the pods that a plugin gates at every event that this plugin
// registers. GangGate registers none: the registry of gangs knows when a member may enter and activates it. With
// thousands of members waiting that saves a quarter of the scheduler's CPU.
type GangGate struct {
	gangs *state.Store
}

var (
	_ fwk.PreEnqueuePlugin  = &GangGate{}
	_ fwk.EnqueueExtensions = &GangGate{}
)

// NewGate makes the plugin over the gangs of its scheduler.
func NewGate(gangs *state.Store) *GangGate { return &GangGate{gangs: gangs} }

// Name is the plugin's name.
func (pl *GangGate) Name() string { return GateName }

// PreEnqueue admits pods of no gang, leaders, members of a plan and members beyond the minimum.
func (pl *GangGate) PreEnqueue(_ context.Context, pod *corev1.Pod) *fwk.Status {
	if admitted, why := pl.gangs.Admit(pod); !admitted {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, why)
	}
	return nil
}

// EventsToRegister is empty on purpose: see GangGate.
func (pl *GangGate) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return nil, nil
}
