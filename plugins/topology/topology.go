// Package topology places pods on nodes that can give them GPUs, CPUs and memory near each other, by what the nodes report
// of their layout, and shows on the Topology objects what the cluster has of them.
package topology

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = placement.TopologyPlugin

// Topology keeps pods off nodes that have no GPUs near enough to each other for them, or whose kubelet would refuse to align
// them, and prefers nodes that have. Nodes that report no layout are as if it were not there. The kubelet decides which GPUs
// a pod gets.
type Topology struct {
	gangs *state.Store
}

var (
	_ fwk.PreFilterPlugin   = &Topology{}
	_ fwk.FilterPlugin      = &Topology{}
	_ fwk.PreScorePlugin    = &Topology{}
	_ fwk.ScorePlugin       = &Topology{}
	_ fwk.EnqueueExtensions = &Topology{}
)

// New makes the plugin over the gangs of its scheduler. From when leading is closed until the context ends it keeps the
// status of the Topologies.
func New(ctx context.Context, handle fwk.Handle, gangs *state.Store, leading <-chan struct{}) *Topology {
	go writer{gangs: gangs, nodes: handle.SharedInformerFactory().Core().V1().Nodes().Lister()}.run(ctx, leading)
	return &Topology{gangs: gangs}
}

// Name is the plugin's name.
func (pl *Topology) Name() string { return Name }

// EventsToRegister lists what may let a pod in that was refused. A change of a layout is no event of the scheduler's: the
// registry of gangs watches them itself.
func (pl *Topology) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{Event: fwk.ClusterEvent{Resource: fwk.Pod, ActionType: fwk.Delete}},
		{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeAllocatable}},
	}, nil
}

// askedKey is the key of what a cycle's pod asks for.
const askedKey fwk.StateKey = Name + "/asked"

type asked struct{ numa.Pod }

// Clone returns the value itself: it does not change.
func (a asked) Clone() fwk.StateData { return a }

func askedIn(cycle fwk.CycleState, pod *corev1.Pod) numa.Pod {
	if data, err := cycle.Read(askedKey); err == nil {
		if a, ok := data.(asked); ok {
			return a.Pod
		}
	}
	return state.AlignedOf(pod)
}

// PreFilter reads what a pod asks for. No node is looked at for a pod that can be refused by none.
func (pl *Topology) PreFilter(_ context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	a := asked{state.AlignedOf(pod)}
	if !a.NeedsNearGPUs() && !pl.gangs.HasStrictLayouts() {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	cycle.Write(askedKey, a)
	return nil, nil
}

// PreFilterExtensions is nil: nothing that PreFilter finds depends on other pods.
func (pl *Topology) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// Filter refuses nodes that cannot give the pod what it asks for in zones near enough.
func (pl *Topology) Filter(_ context.Context, cycle fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	layout := pl.gangs.Layout(node.Node().Name)
	if layout == nil {
		return nil
	}
	a := askedIn(cycle, pod)
	if !layout.Concerns(a) {
		return nil
	}
	switch refusal := nodeOf(layout, node).Fits(a); {
	case refusal.Reason == "":
		return nil
	case refusal.Lasting:
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, refusal.Reason)
	default:
		return fwk.NewStatus(fwk.Unschedulable, refusal.Reason)
	}
}

// PreScore skips pods that prefer no nearness.
func (pl *Topology) PreScore(_ context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ []fwk.NodeInfo) *fwk.Status {
	a := asked{state.AlignedOf(pod)}
	if !a.PrefersNearGPUs() {
		return fwk.NewStatus(fwk.Skip)
	}
	cycle.Write(askedKey, a)
	return nil
}

// Score says how well a node meets what the pod prefers; 0 where the node does not report its layout.
func (pl *Topology) Score(_ context.Context, cycle fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) (int64, *fwk.Status) {
	layout := pl.gangs.Layout(node.Node().Name)
	if layout == nil {
		return 0, nil
	}
	return nodeOf(layout, node).Score(askedIn(cycle, pod)), nil
}

// ScoreExtensions is nil: the scores are within the framework's range.
func (pl *Topology) ScoreExtensions() fwk.ScoreExtensions { return nil }

// nodeOf translates a node of the snapshot with its pods.
func nodeOf(layout *numa.Layout, node fwk.NodeInfo) numa.Node {
	pods := make([]*corev1.Pod, 0, len(node.GetPods()))
	for _, info := range node.GetPods() {
		pods = append(pods, info.GetPod())
	}
	slices.SortFunc(pods, byStart)
	n := numa.Node{Layout: layout, Allocatable: allocatableOf(node), Pods: make([]numa.Pod, len(pods))}
	for i, pod := range pods {
		n.Pods[i] = state.AlignedOf(pod)
	}
	return n
}

func allocatableOf(node fwk.NodeInfo) resource.Amounts {
	allocatable := node.GetAllocatable()
	amounts := resource.Amounts{
		string(corev1.ResourceCPU): allocatable.GetMilliCPU(), string(corev1.ResourceMemory): allocatable.GetMemory(),
	}
	for name, amount := range allocatable.GetScalarResources() {
		amounts[string(name)] = amount
	}
	return amounts
}

// byStart orders pods by when the kubelet took them, those that it has not yet last: the order in which they came to be in its
// reports.
func byStart(a, b *corev1.Pod) int {
	return cmp.Or(compareTime(a.Status.StartTime, b.Status.StartTime), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
}

// compareTime orders times, none last.
func compareTime(a, b *metav1.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(b.Time)
}
