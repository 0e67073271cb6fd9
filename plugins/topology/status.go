package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/topology"
)

// statusOf is the status that a Topology ought to have, given the nodes of the cluster. The condition's time changes only
// when the condition does.
func statusOf(t *schedulingv1alpha1.Topology, nodes []*corev1.Node, now time.Time) schedulingv1alpha1.TopologyStatus {
	selector := labels.SelectorFromSet(t.Spec.NodeSelector)
	var described []map[string]string
	for _, node := range nodes {
		if selector.Matches(labels.Set(node.Labels)) {
			set := node.Labels
			if set == nil {
				set = map[string]string{} // It has no labels, and is described all the same.
			}
			described = append(described, set)
		}
	}
	status := schedulingv1alpha1.TopologyStatus{Nodes: int32(len(described)), Conditions: slices.Clone(t.Status.Conditions)}
	levels := make([]topology.Level, len(t.Spec.Levels))
	for i, level := range t.Spec.Levels {
		levels[i] = topology.Level{Name: level.Name, Label: level.NodeLabel}
	}
	tree := topology.New(t.Name, levels, described)
	for i, level := range levels {
		found := schedulingv1alpha1.TopologyLevelStatus{Name: level.Name, Domains: int32(tree.Domains(i))}
		for _, set := range described {
			if _, labelled := set[level.Label]; !labelled {
				found.Unlabelled++
			}
		}
		status.Levels = append(status.Levels, found)
	}
	condition := ready(t, status, tree.Fault())
	condition.ObservedGeneration, condition.LastTransitionTime = t.Generation, metav1.Time{Time: now}
	meta.SetStatusCondition(&status.Conditions, condition)
	return status
}

// ready says whether gangs can be placed by every level.
func ready(t *schedulingv1alpha1.Topology, status schedulingv1alpha1.TopologyStatus, fault string) metav1.Condition {
	condition := metav1.Condition{Type: schedulingv1alpha1.TopologyReady, Status: metav1.ConditionFalse}
	var missing []string
	for i, level := range status.Levels {
		if level.Domains == 0 {
			missing = append(missing, fmt.Sprintf("%q of level %s", t.Spec.Levels[i].NodeLabel, level.Name))
		}
	}
	switch {
	case fault != "":
		condition.Reason, condition.Message = schedulingv1alpha1.ReasonInvalidLevels, fault+": gangs that ask for its levels wait"
	case status.Nodes == 0:
		condition.Reason, condition.Message = schedulingv1alpha1.ReasonNoNodes, "no node has the labels of the nodeSelector"
		if len(t.Spec.NodeSelector) == 0 {
			condition.Message = "there are no nodes"
		}
	case len(missing) > 0:
		condition.Reason = schedulingv1alpha1.ReasonLabelNotFound
		condition.Message = "no node has the label " + strings.Join(missing, ", nor ")
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, schedulingv1alpha1.ReasonReady
		condition.Message = "gangs can be placed by every level"
	}
	return condition
}

// change is a status that has to be written.
type change struct {
	topology *schedulingv1alpha1.Topology
	status   schedulingv1alpha1.TopologyStatus
}

// changes lists what has to be written.
func changes(topologies []*schedulingv1alpha1.Topology, nodes []*corev1.Node, now time.Time) []change {
	var due []change
	for _, t := range topologies {
		if status := statusOf(t, nodes, now); !equality.Semantic.DeepEqual(status, t.Status) {
			due = append(due, change{topology: t, status: status})
		}
	}
	return due
}
