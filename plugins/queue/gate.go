// Package queue lets gangs into the scheduling queue one after the other, in the order that their queues, fair shares and
// priorities give them, and shows on the Queue objects what goes on.
package queue

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/plugins/state"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "Queue"

// Queue keeps a pod out of the active queue until it is its gang's turn, and then lets in the leader alone.
//
// It registers no events, because the scheduling queue re-examines the pods that a plugin gates at every event that this
// plugin registers. The registry of gangs knows when a member may enter and activates it. With thousands of members
// waiting that saves a quarter of the scheduler's CPU.
type Queue struct {
	gangs *state.Store
}

var (
	_ fwk.PreEnqueuePlugin  = &Queue{}
	_ fwk.EnqueueExtensions = &Queue{}
)

// New makes the plugin over the gangs of its scheduler. From when leading is closed until the context ends it keeps the
// status of the Queues.
func New(ctx context.Context, args *configv1alpha1.QueueArgs, gangs *state.Store, leading <-chan struct{}) *Queue {
	gangs.Configure(dispatch.Options{Reservations: int(*args.Reservations), Patience: args.Patience.Duration}, args.UsageHalfLife.Duration)
	registerMetrics()
	go newWriter(gangs, args.UsageHalfLife.Duration).run(ctx, leading)
	return &Queue{gangs: gangs}
}

// Name is the plugin's name.
func (pl *Queue) Name() string { return Name }

// PreEnqueue admits the leader of the gang whose turn it is, the members of a plan, and questions.
func (pl *Queue) PreEnqueue(_ context.Context, pod *corev1.Pod) *fwk.Status {
	if pl.gangs.IsQuestion(pod.UID) {
		return nil
	}
	if admitted, why := pl.gangs.Admit(pod); !admitted {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, why)
	}
	return nil
}

// EventsToRegister is empty on purpose: see Queue.
func (pl *Queue) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return nil, nil
}
