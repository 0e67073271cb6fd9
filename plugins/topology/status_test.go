package topology

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

func levels(labels ...string) *schedulingv1alpha1.Topology {
	t := &schedulingv1alpha1.Topology{ObjectMeta: metav1.ObjectMeta{Name: "cluster", Generation: 3}}
	for _, label := range labels {
		t.Spec.Levels = append(t.Spec.Levels, schedulingv1alpha1.TopologyLevel{Name: "by-" + label, NodeLabel: label})
	}
	return t
}

// labelled are nodes with the labels block and rack, each written as "block/rack"; an empty part is no label.
func labelled(places ...string) []*corev1.Node {
	nodes := []*corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "bare"}}}
	for _, place := range places {
		block, rack, _ := strings.Cut(place, "/")
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: place, Labels: map[string]string{}}}
		for label, value := range map[string]string{"block": block, "rack": rack} {
			if value != "" {
				node.Labels[label] = value
			}
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func TestStatus(t *testing.T) {
	elsewhere := levels("block")
	elsewhere.Spec.NodeSelector = map[string]string{"pool": "a"}
	inBlock := levels("rack")
	inBlock.Spec.NodeSelector = map[string]string{"block": "1"}
	for name, c := range map[string]struct {
		topology *schedulingv1alpha1.Topology
		nodes    []*corev1.Node
		reason   string
		says     string
		counts   []int32 // nodes, then domains and unlabelled of each level
	}{
		"ready":               {levels("block", "rack"), labelled("1/1", "1/1", "1/2", "2/1", "3/"), schedulingv1alpha1.ReasonReady, "every level", []int32{6, 3, 1, 3, 2}},
		"a part of the nodes": {inBlock, labelled("1/1", "1/2", "2/1"), schedulingv1alpha1.ReasonReady, "every level", []int32{2, 2, 0}},
		"a label that is not": {levels("block", "cell", "row"), labelled("1/1"), schedulingv1alpha1.ReasonLabelNotFound, `no node has the label "cell" of level by-cell, nor "row" of level by-row`, []int32{2, 1, 1, 0, 2, 0, 2}},
		"no node of its own":  {elsewhere, labelled("1/1"), schedulingv1alpha1.ReasonNoNodes, "nodeSelector", []int32{0, 0, 0}},
		"no node at all":      {levels("block"), nil, schedulingv1alpha1.ReasonNoNodes, "there are no nodes", []int32{0, 0, 0}},
		"no level":            {levels(), labelled("1/1"), schedulingv1alpha1.ReasonInvalidLevels, "it has no level", []int32{2}},
		"a level twice":       {levels("block", "block"), labelled("1/1"), schedulingv1alpha1.ReasonInvalidLevels, "appears twice", []int32{2, 0, 1, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			status := statusOf(c.topology, c.nodes, time.Unix(100, 0))
			counts := []int32{status.Nodes}
			for _, level := range status.Levels {
				counts = append(counts, level.Domains, level.Unlabelled)
			}
			if len(counts) != len(c.counts) {
				t.Fatalf("counted %v, want %v", counts, c.counts)
			}
			for i := range counts {
				if counts[i] != c.counts[i] {
					t.Fatalf("counted %v, want %v", counts, c.counts)
				}
			}
			ready := meta.FindStatusCondition(status.Conditions, schedulingv1alpha1.TopologyReady)
			if ready == nil || ready.Reason != c.reason || (ready.Status == metav1.ConditionTrue) != (c.reason == schedulingv1alpha1.ReasonReady) ||
				!strings.Contains(ready.Message, c.says) || ready.ObservedGeneration != 3 {
				t.Errorf("condition %+v", ready)
			}
		})
	}
}

// A status that says what it ought to is not written again, however much time passes.
func TestStatusIsWrittenOnce(t *testing.T) {
	topology, nodes := levels("block"), labelled("1/1")
	due := changes([]*schedulingv1alpha1.Topology{topology}, nodes, time.Unix(100, 0))
	if len(due) != 1 {
		t.Fatalf("%d changes, want one", len(due))
	}
	topology.Status = due[0].status
	if due := changes([]*schedulingv1alpha1.Topology{topology}, nodes, time.Unix(200, 0)); len(due) > 0 {
		t.Errorf("written again as %+v", due[0].status)
	}
	if due := changes([]*schedulingv1alpha1.Topology{topology}, labelled("1/1", "2/1"), time.Unix(200, 0)); len(due) != 1 {
		t.Errorf("%d changes after a node came, want one", len(due))
	}
}
