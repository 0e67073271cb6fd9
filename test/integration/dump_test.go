package integration

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

// dump shows what a failed test left: nodes, PodGroups, pods and events.
func (e *env) dump(ctx context.Context) {
	var text strings.Builder
	nodes, groups, events := &corev1.NodeList{}, &podgroupv1alpha1.PodGroupList{}, &corev1.EventList{}
	here := client.InNamespace(e.namespace)
	for _, err := range []error{e.client.List(ctx, nodes), e.client.List(ctx, groups, here), e.client.List(ctx, events, here)} {
		if err != nil {
			fmt.Fprintf(&text, "reading the state: %v\n", err)
		}
	}
	for _, n := range nodes.Items {
		fmt.Fprintf(&text, "node %s: allocatable %s, labels %v, taints %v\n", n.Name, amounts(n.Status.Allocatable), n.Labels, n.Spec.Taints)
	}
	for _, pg := range groups.Items {
		fmt.Fprintf(&text, "PodGroup %s: minMember %d, annotations %v, phase %q\n", pg.Name, pg.Spec.MinMember, pg.Annotations, pg.Status.Phase)
	}
	for _, p := range shared.watcher.in(e.namespace) {
		fmt.Fprintf(&text, "pod %s: gang %q, node %q, phase %s, deleted %v, %s", p.Name, gangOf(p), p.Spec.NodeName, p.Status.Phase,
			p.DeletionTimestamp != nil, amounts(p.Spec.Containers[0].Resources.Requests))
		if c := scheduledCondition(p); c != nil {
			fmt.Fprintf(&text, ", scheduled %s %s: %s", c.Status, c.Reason, c.Message)
		}
		text.WriteString("\n")
	}
	for _, event := range events.Items {
		object := event.InvolvedObject
		fmt.Fprintf(&text, "event on %s %s: %s %s: %s\n", object.Kind, object.Name, event.Type, event.Reason, event.Message)
	}
	fmt.Fprintf(&text, "metrics: %+v", gangMetrics())
	e.Log("state of namespace " + e.namespace + ":\n" + text.String())
}

func amounts(list corev1.ResourceList) string {
	var parts []string
	for name, amount := range list {
		parts = append(parts, fmt.Sprintf("%s=%s", name, amount.String()))
	}
	return strings.Join(parts, " ")
}
