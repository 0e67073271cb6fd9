package gangs

import (
	"context"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/workload"
)

// forGroups are the annotations of a workload that its PodGroups get.
var forGroups = []string{
	v1alpha1.ExpectedRuntimeAnnotation, v1alpha1.PreemptibleAnnotation, v1alpha1.CheckpointedAtAnnotation, v1alpha1.PreemptionDelayAnnotation,
	v1alpha1.TopologyRequiredAnnotation, v1alpha1.TopologyPreferredAnnotation, v1alpha1.PackingAnnotation, v1alpha1.ReservationAnnotation,
	v1alpha1.MinMembersAnnotation,
}

// wanted is the PodGroup of a gang, as a change of the one that exists, nil for none. What others have put on that stays.
func wanted(object *unstructured.Unstructured, gang workload.Gang, existing *podgroupv1alpha1.PodGroup, key types.NamespacedName) *podgroupv1alpha1.PodGroup {
	group := &podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace}}
	if existing != nil {
		group = existing.DeepCopy()
		if workload.Running(object) && gang.MinMember > existing.Spec.MinMember {
			// Those that run do not run as less of a gang because more of them are wanted.
			gang.MinMember, gang.Why = existing.Spec.MinMember, gang.Why+"; it is not raised while pods run"
		}
	}
	labels, annotations := map[string]string{v1alpha1.GangOfLabel: strings.ToLower(gang.Kind)}, map[string]string{
		v1alpha1.WorkloadAnnotation: gang.String(), v1alpha1.MinMemberReasonAnnotation: gang.Why,
	}
	if queue := object.GetLabels()[v1alpha1.QueueLabel]; queue != "" {
		labels[v1alpha1.QueueLabel] = queue
	}
	for _, name := range forGroups {
		if value, said := object.GetAnnotations()[name]; said {
			annotations[name] = value
		}
	}
	group.Labels, group.Annotations = overlay(group.Labels, labels), overlay(group.Annotations, annotations)
	group.Spec.MinMember = gang.MinMember
	// Who may create pods need not have rights on the workload's finalizers: its deletion does not wait for the group.
	group.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: gang.APIVersion, Kind: gang.Kind, Name: gang.Name, UID: gang.UID, Controller: new(true),
	}}
	return group
}

func overlay(below, above map[string]string) map[string]string {
	all := maps.Clone(below)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, above)
	return all
}

// write makes the PodGroup what it is to be, and writes nothing if it is so.
func (r *reconciler) write(ctx context.Context, object *unstructured.Unstructured, gang workload.Gang, existing *podgroupv1alpha1.PodGroup, key types.NamespacedName) error {
	if existing != nil && existing.DeletionTimestamp != nil {
		return nil
	}
	group := wanted(object, gang, existing, key)
	switch {
	case existing == nil:
		if err := r.client.Create(ctx, group); err != nil {
			return fmt.Errorf("create PodGroup %s: %w", key, err)
		}
	case !metav1.IsControlledBy(existing, object):
		return fmt.Errorf("PodGroup %s is not that of %s: somebody else made it", key, gang.Title())
	case existing.Spec.MinMember != group.Spec.MinMember || !maps.Equal(existing.Labels, group.Labels) || !maps.Equal(existing.Annotations, group.Annotations):
		if err := r.client.Update(ctx, group); err != nil {
			return fmt.Errorf("change PodGroup %s: %w", key, err)
		}
	}
	return nil
}

// remove deletes the PodGroup of a workload, if there is one that the controller made.
func (r *reconciler) remove(ctx context.Context, object *unstructured.Unstructured, group *podgroupv1alpha1.PodGroup) error {
	if group == nil || group.DeletionTimestamp != nil || !metav1.IsControlledBy(group, object) {
		return nil
	}
	err := r.client.Delete(ctx, group, client.Preconditions{UID: &group.UID, ResourceVersion: &group.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete PodGroup %s/%s: %w", group.Namespace, group.Name, err)
	}
	return nil
}
