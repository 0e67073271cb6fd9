package webhooks

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/internal/workload"
	"github.com/muster-scheduling/muster/webhooks/notebook"
	"github.com/muster-scheduling/muster/webhooks/owners"
	"github.com/muster-scheduling/muster/webhooks/pods"
	"github.com/muster-scheduling/muster/webhooks/serving"
	"github.com/muster-scheduling/muster/webhooks/training"
	"github.com/muster-scheduling/muster/webhooks/trial"
)

// families are those of pods. Each adds to a pod's surroundings what its own pods do not tell by themselves, as far as there is
// something to fill in, and leaves those of the others alone.
var families = []func(context.Context, client.Reader, *corev1.Pod, []workload.Owner, *podpolicy.Surroundings) error{
	training.Look, notebook.Look, trial.Look, serving.Look,
}

// lookAround returns what fills in the surroundings of a pod. It asks the API server, and remembers owners for some seconds. live
// must not be a cache. Pods get gangs only if somebody makes their PodGroups.
func lookAround(live client.Reader, gangs bool) pods.Look {
	walker := owners.NewWalker(live)
	return func(ctx context.Context, pod *corev1.Pod, wants podpolicy.Wants, around *podpolicy.Surroundings) error {
		all, err := walker.Walk(ctx, pod.Namespace, pod)
		faults := []error{err}
		if wants.Workload && around.Workload == nil {
			around.Workload = &podpolicy.Workload{
				Queue:         workload.First(all, workload.Label(v1alpha1.QueueLabel)),
				PriorityClass: workload.First(all, workload.Label(v1alpha1.PriorityClassLabel)),
			}
		}
		if wants.Firm && around.Firm == nil {
			around.Firm = &podpolicy.FirmUse{}
		}
		for _, look := range families {
			faults = append(faults, look(ctx, live, pod, all, around))
		}
		if around.Workload != nil && !gangs {
			around.Workload.Gang = nil
		}
		return errors.Join(faults...)
	}
}
