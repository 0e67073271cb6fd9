package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/nodeagent/kube"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// publish writes the state to the API server, each part even if another fails.
func (a *agent) publish(ctx context.Context, next *state, now time.Time) error {
	node, err := a.client.Node(ctx)
	if err != nil {
		return err
	}
	verdict := verdict(next)
	// The taint first: it is written under the version of the node that was read.
	errs := []error{
		a.client.SetTaint(ctx, node, a.Taint && len(next.Unhealthy) > 0),
		a.client.ApplyMetadata(ctx, node, next.Labels, next.Faults),
		a.client.SetCondition(ctx, node, verdict, now, a.Refresh/2),
	}
	if next.KnowsKubelet || next.GPUs == 0 {
		err := a.client.SetTopology(ctx, node, next.Topology)
		if errors.Is(err, kube.ErrNoKind) || errors.Is(err, kube.ErrNotOurs) {
			// Nothing to hurry for: the next refresh looks again.
			a.say(ctx, "topology", err.Error())
			err = nil
		} else if err == nil {
			a.say(ctx, "topology", "")
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.tell(ctx, node, a.changes(node, next, verdict), now)
	return nil
}

// verdict puts the health of all GPUs into one condition; nil without GPUs.
func verdict(s *state) *kube.Health {
	switch {
	case s.GPUs == 0:
		return nil
	case len(s.Unhealthy) == 0:
		return &kube.Health{Healthy: true, Reason: "GPUsHealthy", Message: fmt.Sprintf("all %d GPUs work", s.GPUs)}
	}
	parts := []string{fmt.Sprintf("%d of %d GPUs failed", len(s.Unhealthy), s.GPUs)}
	for _, gpu := range s.Unhealthy {
		parts = append(parts, gpu.String())
	}
	return &kube.Health{Reason: "GPUUnhealthy", Message: strings.Join(parts, "; ")}
}

// changes returns the events for GPUs that failed or recovered since the last
// publication. After a restart, what the node's condition says already is no news.
func (a *agent) changes(node *corev1.Node, next *state, now *kube.Health) []kube.Event {
	var before []layout.Unhealthy
	if a.published != nil {
		before = a.published.Unhealthy
	} else if now != nil {
		for _, condition := range node.Status.Conditions {
			if condition.Type == kube.Condition && condition.Message == now.Message {
				return nil
			}
		}
	}
	was, is := byIndex(before), byIndex(next.Unhealthy)
	var events []kube.Event
	for _, gpu := range next.Unhealthy {
		if was[gpu.Index] != gpu {
			events = append(events, kube.Event{Warning: true, Reason: "GPUUnhealthy", Note: gpu.String()})
		}
	}
	for _, gpu := range before {
		if _, still := is[gpu.Index]; !still {
			events = append(events, kube.Event{Reason: "GPURecovered", Note: "works again: " + gpu.String()})
		}
	}
	return events
}

func byIndex(list []layout.Unhealthy) map[int]layout.Unhealthy {
	found := map[int]layout.Unhealthy{}
	for _, gpu := range list {
		found[gpu.Index] = gpu
	}
	return found
}

// tell records the events. One that cannot be recorded is logged and let go: the
// condition says the same.
func (a *agent) tell(ctx context.Context, node *corev1.Node, events []kube.Event, now time.Time) {
	for i, event := range events {
		// Each event of a moment needs a name of its own.
		if err := a.client.Tell(ctx, node, event, now.Add(time.Duration(i))); err != nil {
			a.say(ctx, "events", err.Error())
			return
		}
	}
	a.say(ctx, "events", "")
}
