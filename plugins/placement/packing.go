package placement

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/fragmentation"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

// pack says how a class fills the nodes that it may have: what its members spoil there for others, or that they spread.
func (pl *Planner) pack(a *Attempt, c int, nodes []fwk.NodeInfo) {
	class := &a.Problem.Classes[c]
	if pl.spreads(a.classes[c].pods[0]) {
		class.Spread = true
		return
	}
	free := make([]fragmentation.Node, len(class.Nodes))
	for i, node := range class.Nodes {
		free[i] = freeForShapes(nodes[node])
	}
	class.Cost = pl.costs(a.classes[c].request, class.Count, free)
}

// spreads reports whether a pod takes the emptiest nodes first.
func (pl *Planner) spreads(pod *corev1.Pod) bool {
	return pl.gangs.Packing(pl.Profile(), pod) == schedulingv1alpha1.PackingSpread
}

// costs is what pods of a request spoil on each node for those that are to come; nil where there are no GPUs to spoil.
func (pl *Planner) costs(request resource.Amounts, pods int, free []fragmentation.Node) []int64 {
	if !slices.ContainsFunc(free, func(node fragmentation.Node) bool { return len(node.GPUs) > 0 }) {
		return nil
	}
	return pl.gangs.Mix().Costs(free, state.DemandOf(request), pods)
}

// freeForShapes is what a node has free of what packing looks at.
func freeForShapes(node fwk.NodeInfo) fragmentation.Node {
	free := fragmentation.Node{CPU: freeOf(node, string(corev1.ResourceCPU)), Memory: freeOf(node, string(corev1.ResourceMemory))}
	for name := range node.GetAllocatable().GetScalarResources() {
		if resource.IsGPU(string(name)) {
			if amount := freeOf(node, string(name)); amount > 0 {
				free.GPUs = append(free.GPUs, fragmentation.Devices{Kind: string(name), Free: amount})
			}
		}
	}
	slices.SortFunc(free.GPUs, func(a, b fragmentation.Devices) int { return cmp.Compare(a.Kind, b.Kind) })
	return free
}

// Ranks orders nodes for a pod that is placed on its own, the best first: equally good nodes have equal ranks, from 0 on. It is
// the order of the planner: what the pod would spoil; nodes in use before idle ones; the fewest free GPUs; the tightest.
func (pl *Planner) Ranks(pod *corev1.Pod, nodes []fwk.NodeInfo) []int {
	keys := make([][]int64, len(nodes))
	if pl.spreads(pod) {
		for i, node := range nodes {
			keys[i] = []int64{fullness(node)}
		}
		return ranks(keys)
	}
	free := make([]fragmentation.Node, len(nodes))
	for i, node := range nodes {
		free[i] = freeForShapes(node)
	}
	costs := pl.costs(pl.requestOf(pod), 1, free)
	for i, node := range nodes {
		key := []int64{0, 0, 0, free[i].CPU, free[i].Memory}
		if costs != nil {
			key[0] = costs[i]
		}
		if idle(node) {
			key[1] = 1
		}
		for _, devices := range free[i].GPUs {
			key[2] += devices.Free
		}
		keys[i] = key
	}
	return ranks(keys)
}

// fullness is how much of a node is in use, in thousandths, of the resource of which most is.
func fullness(node fwk.NodeInfo) int64 {
	most := int64(0)
	names := []string{string(corev1.ResourceCPU), string(corev1.ResourceMemory), string(corev1.ResourcePods)}
	for name := range node.GetAllocatable().GetScalarResources() {
		names = append(names, string(name))
	}
	for _, name := range names {
		if all := allocatableOf(node, name); all > 0 {
			most = max(most, int64(1000*(1-float64(freeOf(node, name))/float64(all))))
		}
	}
	return most
}

// ranks numbers keys in ascending order; equal ones have equal numbers.
func ranks(keys [][]int64) []int {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return slices.Compare(keys[a], keys[b]) })
	ranks := make([]int, len(keys))
	for at, i := range order {
		if at > 0 {
			ranks[i] = ranks[order[at-1]]
			if slices.Compare(keys[order[at-1]], keys[i]) != 0 {
				ranks[i]++
			}
		}
	}
	return ranks
}
