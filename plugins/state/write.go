package state

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// SetQueueStatus replaces the status of a Queue. It fails with a conflict where the Queue is another one by now, or has changed
// since it was read.
func (s *Store) SetQueueStatus(ctx context.Context, q *schedulingv1alpha1.Queue, status schedulingv1alpha1.QueueStatus) error {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	patch, err := json.Marshal([]operation{
		{Op: "replace", Path: "/metadata/uid", Value: q.UID},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: q.ResourceVersion},
		{Op: "add", Path: "/status", Value: status},
	})
	if err == nil {
		err = s.own.Patch(types.JSONPatchType).Resource("queues").Name(q.Name).SubResource("status").Body(patch).Do(ctx).Error()
	}
	if err != nil {
		return fmt.Errorf("setting the status of Queue %s: %w", q.Name, err)
	}
	return nil
}
