package topology

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/plugins/state"
)

// statusPeriod is how often the Topologies' status is brought up to date.
const statusPeriod = 3 * time.Second

// writer keeps the status of the Topologies. There are few, and they change when nodes come and go.
type writer struct {
	gangs *state.Store
	nodes corelisters.NodeLister
}

// run writes from when leading is closed until the context ends. Until then another replica does.
func (w writer) run(ctx context.Context, leading <-chan struct{}) {
	state.WhileLeading(ctx, leading, statusPeriod, func(now time.Time) { w.write(ctx, now) })
}

func (w writer) write(ctx context.Context, now time.Time) {
	topologies, _ := w.gangs.Topologies()
	if len(topologies) == 0 {
		return
	}
	nodes, err := w.nodes.List(labels.Everything())
	if err != nil {
		klog.FromContext(ctx).Error(err, "Listing the nodes for the status of the Topologies")
		return
	}
	for _, c := range changes(topologies, nodes, now) {
		err := w.gangs.SetTopologyStatus(ctx, c.topology, c.status)
		// A conflict is a change that has not come here yet; the next time is soon.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Keeping the status of a Topology")
		}
	}
}
