package placement

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/muster-scheduling/muster/plugins/state"
)

// wishful are the score plugins that speak for what users prefer. They go before packing; the others only balance.
var wishful = []string{names.NodeAffinity, names.TaintToleration, names.InterPodAffinity, TopologyPlugin}

// preferences scores the allowed nodes by what a class prefers, higher first, as the framework's own plugins judge it.
// It is nil where there is nothing to prefer.
func (pl *Planner) preferences(ctx context.Context, cycle fwk.CycleState, class *class, nodes []fwk.NodeInfo, allowed []int32) ([]int64, error) {
	pod := class.pods[0]
	candidates := make([]fwk.NodeInfo, len(allowed))
	for i, node := range allowed {
		candidates[i] = nodes[node]
	}
	if len(candidates) == 0 || !prefers(pod) && !slices.ContainsFunc(candidates, isUnwelcoming) {
		return nil, nil
	}
	if status := pl.framework.RunPreScorePlugins(ctx, cycle, pod, candidates); !status.IsSuccess() {
		return nil, fmt.Errorf("scoring for pod %s/%s: %w", pod.Namespace, pod.Name, status.AsError())
	}
	scored, status := pl.framework.RunScorePlugins(ctx, cycle, pod, candidates)
	if !status.IsSuccess() {
		return nil, fmt.Errorf("scoring for pod %s/%s: %w", pod.Namespace, pod.Name, status.AsError())
	}
	scores := make([]int64, len(scored))
	for i, node := range scored {
		for _, score := range node.Scores {
			if slices.Contains(wishful, score.Name) {
				scores[i] += score.Score
			}
		}
	}
	return scores, nil
}

// prefers reports whether a pod has a wish that is not a demand.
func prefers(pod *corev1.Pod) bool {
	affinity := pod.Spec.Affinity
	return state.AlignedOf(pod).PrefersNearGPUs() || affinity != nil &&
		(affinity.NodeAffinity != nil && len(affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0 ||
			affinity.PodAffinity != nil && len(affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0 ||
			affinity.PodAntiAffinity != nil && len(affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0)
}

// isUnwelcoming reports whether a node would rather not take pods.
func isUnwelcoming(node fwk.NodeInfo) bool {
	return slices.ContainsFunc(node.Node().Spec.Taints, func(taint corev1.Taint) bool {
		return taint.Effect == corev1.TaintEffectPreferNoSchedule
	})
}
