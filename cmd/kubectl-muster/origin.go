package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/workload"
)

// origin is how the object, or the pods of the gang, came under Muster. What may not be read is left out: it is no part of the
// answer that was asked for.
func (s *session) origin(ctx context.Context, t objectType, name string, gang explain.Gang) explain.Origin {
	var origin explain.Origin
	if gang.Kind == explain.KindPodGroup {
		var group podgroupv1alpha1.PodGroup
		if s.cluster.Get(ctx, kube.PodGroups, gang.Namespace, gang.Name, &group) == nil {
			if ref, err := workload.ParseRef(group.Annotations[schedulingv1alpha1.WorkloadAnnotation]); err == nil {
				origin.Workload, origin.Minimum = ref.Title(), group.Spec.MinMember
				origin.Why = group.Annotations[schedulingv1alpha1.MinMemberReasonAnnotation]
			}
		}
	}
	if t.resource != kube.Pods {
		return origin
	}
	var pod corev1.Pod
	if s.cluster.Get(ctx, kube.Pods, s.namespace, name, &pod) != nil {
		return origin
	}
	var record explain.PolicyRecord
	if json.Unmarshal([]byte(pod.Annotations[schedulingv1alpha1.PodPoliciesAnnotation]), &record) == nil {
		origin.Policies, origin.More = record.Applied(), record.More
		origin.Problems = s.notReady(ctx, record.Policies)
	}
	return origin
}

// notReady says which of the policies are not ready; nil stands for all.
func (s *session) notReady(ctx context.Context, names []string) []string {
	var policies schedulingv1alpha1.PodPolicyList
	if s.cluster.Get(ctx, kube.PodPolicies, "", "", &policies) != nil {
		return nil
	}
	var problems []string
	for _, policy := range policies.Items {
		ready := meta.FindStatusCondition(policy.Status.Conditions, schedulingv1alpha1.PodPolicyReady)
		if ready != nil && ready.Status == metav1.ConditionFalse && (names == nil || slices.Contains(names, policy.Name)) {
			problems = append(problems, fmt.Sprintf("PodPolicy %s is not ready (%s): %s", policy.Name, ready.Reason, ready.Message))
		}
	}
	return problems
}

// gangOf is the PodGroup that was made for a workload. It fails where there is none, or one for each part.
func (s *session) gangOf(ctx context.Context, t objectType, title, name string) (string, error) {
	var object metav1.PartialObjectMetadata
	if err := s.cluster.Get(ctx, t.resource, s.namespace, name, &object); err != nil {
		return "", fmt.Errorf("%s: %w", title, err)
	}
	var groups podgroupv1alpha1.PodGroupList
	if err := s.cluster.Get(ctx, kube.PodGroups, s.namespace, "", &groups); err != nil {
		return "", err
	}
	var names []string
	for _, group := range groups.Items {
		if ref, err := workload.ParseRef(group.Annotations[schedulingv1alpha1.WorkloadAnnotation]); err == nil && ref.UID == object.UID {
			names = append(names, group.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", fmt.Errorf("%s is no gang: its pods start one by one, belong to another scheduler, or do not exist; explain pod/NAME tells about one of them", title)
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("%s has %d gangs: explain podgroup/NAME tells about one of them: %v", title, len(names), names)
}
