package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// Condition is the type of the node's condition: True if all its GPUs work.
	Condition corev1.NodeConditionType = "GPUHealthy"
	// TaintKey is the key of the taint on a node with an unhealthy GPU.
	TaintKey = "muster.dev/gpu-unhealthy"
	// FaultsAnnotation keeps Xid errors while the agent restarts.
	FaultsAnnotation = "muster.dev/gpu-faults"
)

// Health is what the condition says.
type Health struct {
	Healthy bool
	Reason  string // one word
	Message string
}

// ApplyMetadata makes the labels and the annotation of the node ours, but for
// those that somebody else has set, and removes what we set before and want no
// more. An empty faults removes the annotation.
//
// Who owns what is the API server's own record (managedFields): another program
// that later sets one of our labels to a value of its own takes it over.
func (c *Client) ApplyMetadata(ctx context.Context, node *corev1.Node, labels map[string]string, faults string) error {
	annotations := map[string]string{}
	if faults != "" {
		annotations[FaultsAnnotation] = faults
	}
	ownedLabels, ownedAnnotations := owned(node, "f:labels"), owned(node, "f:annotations")
	labels = allowed(labels, node.Labels, ownedLabels)
	annotations = allowed(annotations, node.Annotations, ownedAnnotations)
	if maps.Equal(labels, mine(node.Labels, ownedLabels)) && maps.Equal(annotations, mine(node.Annotations, ownedAnnotations)) {
		return nil
	}
	apply := map[string]any{
		"apiVersion": "v1",
		"kind":       "Node",
		// With the UID, a node that was deleted meanwhile is not created anew.
		"metadata": map[string]any{"name": node.Name, "uid": node.UID, "labels": labels, "annotations": annotations},
	}
	body, err := json.Marshal(apply)
	if err != nil {
		return fmt.Errorf("encoding labels of node %s: %w", node.Name, err)
	}
	err = c.core.Patch(types.ApplyPatchType).Resource("nodes").Name(node.Name).
		Param("fieldManager", Manager).Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("applying labels to node %s: %w", node.Name, err)
	}
	return nil
}

// ownership says of a key who set it: we alone, or we and others.
type ownership struct{ ours, others bool }

// owned reads from managedFields who set the keys of a map in the metadata,
// which is named as there, such as f:labels.
func owned(node *corev1.Node, field string) map[string]ownership {
	found := map[string]ownership{}
	for _, entry := range node.ManagedFields {
		if entry.FieldsV1 == nil {
			continue
		}
		var set struct {
			Metadata map[string]map[string]json.RawMessage `json:"f:metadata"`
		}
		// Entries whose metadata is of another shape hold none of our keys.
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set); err != nil {
			continue
		}
		isOurs := entry.Manager == Manager && entry.Operation == metav1.ManagedFieldsOperationApply
		for key := range set.Metadata[field] {
			if len(key) < 2 || key[:2] != "f:" {
				continue // "." stands for the map itself
			}
			o := found[key[2:]]
			o.ours, o.others = o.ours || isOurs, o.others || !isOurs
			found[key[2:]] = o
		}
	}
	return found
}

// allowed returns the wanted keys that may be written: those that nobody has
// set, those that are ours alone, and those on whose value all agree.
func allowed(wanted, current map[string]string, owners map[string]ownership) map[string]string {
	free := map[string]string{}
	for key, value := range wanted {
		now, exists := current[key]
		owner := owners[key]
		if !exists || owner.ours && (!owner.others || now == value) {
			free[key] = value
		}
	}
	return free
}

// mine returns what we have set.
func mine(current map[string]string, owners map[string]ownership) map[string]string {
	set := map[string]string{}
	for key, owner := range owners {
		if value, exists := current[key]; exists && owner.ours {
			set[key] = value
		}
	}
	return set
}

// SetCondition makes the node's condition say what health does, or removes it if
// health is nil. A condition that says so already is refreshed when its
// heartbeat is older than beat.
func (c *Client) SetCondition(ctx context.Context, node *corev1.Node, health *Health, now time.Time, beat time.Duration) error {
	at := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == Condition })
	if health == nil {
		if at < 0 {
			return nil
		}
		return c.patchCondition(ctx, node, map[string]any{"type": Condition, "$patch": "delete"})
	}
	wanted := corev1.NodeCondition{
		Type: Condition, Status: corev1.ConditionFalse, Reason: health.Reason, Message: shorten(health.Message, 4096),
		LastHeartbeatTime: metav1.NewTime(now), LastTransitionTime: metav1.NewTime(now),
	}
	if health.Healthy {
		wanted.Status = corev1.ConditionTrue
	}
	if at >= 0 {
		current := node.Status.Conditions[at]
		if current.Status == wanted.Status {
			wanted.LastTransitionTime = current.LastTransitionTime
			if current.Reason == wanted.Reason && current.Message == wanted.Message && now.Sub(current.LastHeartbeatTime.Time) < beat {
				return nil
			}
		}
	}
	return c.patchCondition(ctx, node, wanted)
}

// patchCondition merges one condition, by its type, into those of others.
func (c *Client) patchCondition(ctx context.Context, node *corev1.Node, condition any) error {
	body, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []any{condition}}})
	if err != nil {
		return fmt.Errorf("encoding the condition of node %s: %w", node.Name, err)
	}
	err = c.core.Patch(types.StrategicMergePatchType).Resource("nodes").Name(node.Name).SubResource("status").
		Param("fieldManager", Manager).Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("writing the condition %s of node %s: %w", Condition, node.Name, err)
	}
	return nil
}

// SetTaint adds or removes the taint. It fails with a conflict if the node
// changed since it was read: taints can only be written all at once.
func (c *Client) SetTaint(ctx context.Context, node *corev1.Node, tainted bool) error {
	isOurs := func(t corev1.Taint) bool { return t.Key == TaintKey && t.Effect == corev1.TaintEffectNoSchedule }
	if slices.ContainsFunc(node.Spec.Taints, isOurs) == tainted {
		return nil
	}
	taints := slices.DeleteFunc(slices.Clone(node.Spec.Taints), isOurs)
	if tainted {
		taints = append(taints, corev1.Taint{Key: TaintKey, Effect: corev1.TaintEffectNoSchedule})
	}
	if taints == nil {
		taints = []corev1.Taint{}
	}
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": node.ResourceVersion},
		"spec":     map[string]any{"taints": taints},
	})
	if err != nil {
		return fmt.Errorf("encoding the taints of node %s: %w", node.Name, err)
	}
	err = c.core.Patch(types.MergePatchType).Resource("nodes").Name(node.Name).
		Param("fieldManager", Manager).Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("writing the taints of node %s: %w", node.Name, err)
	}
	return nil
}
