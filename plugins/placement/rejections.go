package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// maxReasons is how many reasons are told at most, the most frequent first: those with numbers may differ from node to node.
const maxReasons = 6

// rejections gathers why nodes cannot take members, in the form that kube-scheduler's users know: a count of nodes for
// each reason.
type rejections struct {
	nodes int
	// byNode holds the first reasons that were given for a node. Classes differ, so a node may have been refused to
	// several of them.
	byNode map[int][]string
	all    []string
	// other is set where a node was refused for something that other pods hold and that is no amount of a resource, or that its
	// layout is to blame for.
	other bool
}

func newRejections(nodes int) *rejections {
	return &rejections{nodes: nodes, byNode: map[int][]string{}}
}

func (r *rejections) add(node int, status *fwk.Status) {
	if _, known := r.byNode[node]; !known {
		r.byNode[node] = status.Reasons()
	}
	r.other = r.other || mayComeToAccept(status) || isFull(status) && status.Plugin() != names.NodeResourcesFit || status.Plugin() == TopologyPlugin
}

func (r *rejections) addAll(status *fwk.Status) {
	r.all = append(r.all, status.Message())
	r.other = true
}

// notOfRoom reports whether amounts of resources do not explain all refusals.
func (r *rejections) notOfRoom() bool { return r.other }

// String is empty where no node was refused.
func (r *rejections) String() string {
	if len(r.all) > 0 {
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(r.all))), ", ")
	}
	if len(r.byNode) == 0 {
		return ""
	}
	counts := map[string]int{}
	for _, reasons := range r.byNode {
		for _, reason := range reasons {
			counts[reason]++
		}
	}
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, reason := range reasons[:min(len(reasons), maxReasons)] {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	if more := len(reasons) - maxReasons; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d reasons more", more))
	}
	return fmt.Sprintf("%d/%d nodes cannot take even one member: %s", len(r.byNode), r.nodes, strings.Join(parts, ", "))
}
