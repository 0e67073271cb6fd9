package state

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// SetQueueStatus replaces the status of a Queue. It fails with a conflict where the Queue is another one by now, or has changed
// since it was read.
func (s *Store) SetQueueStatus(ctx context.Context, q *schedulingv1alpha1.Queue, status schedulingv1alpha1.QueueStatus) error {
	if err := s.setStatus(ctx, "queues", q, status); err != nil {
		return fmt.Errorf("setting the status of Queue %s: %w", q.Name, err)
	}
	return nil
}

// SetTopologyStatus replaces the status of a Topology, as SetQueueStatus does.
func (s *Store) SetTopologyStatus(ctx context.Context, t *schedulingv1alpha1.Topology, status schedulingv1alpha1.TopologyStatus) error {
	if err := s.setStatus(ctx, "topologies", t, status); err != nil {
		return fmt.Errorf("setting the status of Topology %s: %w", t.Name, err)
	}
	return nil
}

func (s *Store) setStatus(ctx context.Context, plural string, object metav1.Object, status any) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	patch, err := json.Marshal([]operation{
		{Op: "replace", Path: "/metadata/uid", Value: object.GetUID()},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: object.GetResourceVersion()},
		{Op: "add", Path: "/status", Value: status},
	})
	if err != nil {
		return err
	}
	return s.own.Patch(types.JSONPatchType).Resource(plural).Name(object.GetName()).SubResource("status").Body(patch).Do(ctx).Error()
}
