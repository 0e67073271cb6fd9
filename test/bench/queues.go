package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// fanOut is how many queues are below one.
const fanOut = 5

var queueResource = schedulingv1alpha1.GroupVersion.WithResource("queues")

// queueTree is a tree of queues, three levels deep, with a number of leaves. Every queue has a guarantee and a limit, and
// shares of different weight; all limits are far away.
func queueTree(leaves int) []*schedulingv1alpha1.Queue {
	teams := (leaves + fanOut - 1) / fanOut
	var tree []*schedulingv1alpha1.Queue
	for i := range (teams + fanOut - 1) / fanOut {
		tree = append(tree, queue(fmt.Sprintf("org-%d", i), "", i, "200"))
	}
	for i := range teams {
		tree = append(tree, queue(fmt.Sprintf("team-%d", i), fmt.Sprintf("org-%d", i/fanOut), i, "40"))
	}
	for i := range leaves {
		tree = append(tree, queue(leafName(i), fmt.Sprintf("team-%d", i/fanOut), i, "8"))
	}
	return tree
}

func queue(name, parent string, i int, cpu string) *schedulingv1alpha1.Queue {
	weight := int32(i%3 + 1)
	return &schedulingv1alpha1.Queue{
		TypeMeta:   metav1.TypeMeta{APIVersion: schedulingv1alpha1.GroupVersion.String(), Kind: "Queue"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: schedulingv1alpha1.QueueSpec{
			Parent: parent, Weight: &weight,
			Guarantee: map[corev1.ResourceName]resource.Quantity{corev1.ResourceCPU: resource.MustParse(cpu)},
			Limit:     map[corev1.ResourceName]resource.Quantity{corev1.ResourceCPU: resource.MustParse("10k")},
		},
	}
}

func leafName(i int) string { return fmt.Sprintf("queue-%d", i) }

// queueOf names the queue of the i-th gang; empty for none.
func (w workload) queueOf(i int) string {
	if w.queues == 0 {
		return ""
	}
	return leafName(i % w.queues)
}

func createQueues(ctx context.Context, c *clients, queues []*schedulingv1alpha1.Queue) error {
	for _, q := range queues {
		if err := createObject(ctx, c.dynamic.Resource(queueResource), q); err != nil {
			return fmt.Errorf("creating the Queue %s: %w", q.Name, err)
		}
	}
	return nil
}
