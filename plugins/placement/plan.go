// Package placement plans a gang against the scheduler's snapshot of the cluster, with the framework's own filters and
// scores: it translates between the framework and internal/gang. The plugins that start gangs, make room for them and
// answer questions about them share it.
package placement

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
	"github.com/muster-scheduling/muster/plugins/state"
)

// SnapshotUse says in which state planning finds the snapshot.
type SnapshotUse bool

const (
	// OnCycle: the snapshot is the cycle's.
	OnCycle SnapshotUse = false
	// OnMutated: pods have been taken from it, in a session of mutations that the caller ends.
	OnMutated SnapshotUse = true
)

// Planner plans gangs with the filters and scores of one profile. It may only be used inside a scheduling cycle, by one
// goroutine at a time.
type Planner struct {
	handle fwk.Handle
	// framework is the handle as the scheduler itself sees it: planning runs the PreFilter plugins of other pods.
	framework framework.Framework
	gangs     *state.Store
	forest    forest
}

// New makes a planner. It fails for a handle that cannot run PreFilter plugins, which no scheduler of kube-scheduler's
// making has.
func New(handle fwk.Handle, gangs *state.Store) (*Planner, error) {
	f, ok := handle.(framework.Framework)
	if !ok {
		return nil, fmt.Errorf("making a planner: the scheduler's handle is a %T, which cannot run PreFilter plugins", handle)
	}
	return &Planner{handle: handle, framework: f, gangs: gangs}, nil
}

// Profile is the name of the profile whose filters and scores the planner asks.
func (pl *Planner) Profile() string { return pl.framework.ProfileName() }

// Attempt is what became of planning a request.
type Attempt struct {
	// Result is gang.Placed where there is a plan.
	Result gang.Result
	// Placements are the plan, in the order in which they have to be reserved; nil where there is none.
	Placements []state.Placement
	// Reserved is set where there would be a plan if no room were kept for others.
	Reserved bool
	// Scattered is set where there would be a plan if the members wanted nothing of the topology, Fault where no room would
	// help them: they ask for a domain that does not exist.
	Scattered bool
	Fault     string
	// Ignored says which preference of a level was not followed, because no Topology has it.
	Ignored string
	// Constrained is set where members share more than resources, so that arithmetic alone does not tell where they fit.
	Constrained bool
	// Message says in words why there is no plan.
	Message string
	// Wake says what has to happen before another attempt is worth it.
	Wake dispatch.Wake
	// Problem is what was planned, with the nodes in the order of Nodes, and Table names its resources. Usable are, for each
	// class, the nodes that accept its members but for what they ask for; they may be full.
	// Topology is what its members want of the domains; nil where they want nothing.
	Problem  gang.Problem
	Topology *topology.Request
	Table    *resource.Table
	Usable   [][]int32
	Nodes    []string
	// Held are the nodes of whose free room a part is kept for others.
	Held map[int32]bool

	classes []*class
	request state.Request
}

// Plan places the members of a request against the snapshot of nodes, on room that is not kept for others.
func (pl *Planner) Plan(ctx context.Context, request state.Request, nodes []fwk.NodeInfo, use SnapshotUse) (*Attempt, error) {
	a := &Attempt{Constrained: slices.ContainsFunc(request.Pods, pl.constrainsOthers), request: request, Nodes: make([]string, len(nodes))}
	for i, node := range nodes {
		a.Nodes[i] = node.Node().Name
	}
	var err error
	if a.classes, err = pl.classify(request.Pods); err != nil {
		return nil, err
	}
	if err := pl.problem(a, nodes); err != nil {
		return nil, err
	}
	rejections := newRejections(len(nodes))
	a.Usable = make([][]int32, len(a.classes))
	for i, class := range a.classes {
		cycle := simulatedCycle()
		allowed, usable, err := pl.allowedNodes(ctx, cycle, class, nodes, a.Constrained, rejections)
		if err != nil {
			return nil, err
		}
		a.Problem.Classes[i].Nodes, a.Usable[i] = allowed, usable
		pl.pack(a, i, nodes)
		if a.Problem.Classes[i].Score, err = pl.preferences(ctx, cycle, class, nodes, allowed); err != nil {
			return nil, err
		}
	}
	a.Topology = pl.topology(a, nodes)
	free := a.Problem
	limited := pl.spare(a)
	answer, err := pl.solve(ctx, a, nodes, use)
	if err == nil && limited && answer.Result != gang.Placed {
		within := a.Problem
		a.Problem = free
		var anywhere topology.Answer
		anywhere, err = pl.solve(ctx, a, nodes, use)
		a.Reserved = anywhere.Result == gang.Placed
		a.Problem = within
	}
	if err != nil {
		return nil, err
	}
	a.Result, a.Ignored = answer.Result, answer.Ignored
	switch {
	case answer.Result != gang.Placed:
		err = pl.refuse(ctx, a, answer, rejections, nodes, use)
	case a.Topology != nil:
		a.Placements = a.seat(answer)
	default:
		a.Placements = a.Assign(answer.Runs)
	}
	return a, err
}

// spare takes from the free room what is kept for others, and reports whether anything is.
func (pl *Planner) spare(a *Attempt) bool {
	spare := pl.gangs.Spare(a.request, a.Table)
	if len(spare) == 0 {
		return false
	}
	a.Problem.Nodes = slices.Clone(a.Problem.Nodes)
	a.Held = map[int32]bool{}
	for i, name := range a.Nodes {
		if limit, held := spare[name]; held {
			free := slices.Clone(a.Problem.Nodes[i].Free)
			for d := range free {
				free[d] = min(free[d], limit[d])
			}
			a.Problem.Nodes[i].Free = free
			a.Held[int32(i)] = true
		}
	}
	return true
}

func (pl *Planner) solve(ctx context.Context, a *Attempt, nodes []fwk.NodeInfo, use SnapshotUse) (topology.Answer, error) {
	if !a.Constrained {
		return topology.Plan(a.Problem, a.Topology, nil)
	}
	sim, err := newSimulation(ctx, pl.framework, a.classes, nodes, use)
	if err != nil {
		return topology.Answer{}, err
	}
	answer, err := topology.Plan(a.Problem, a.Topology, sim)
	if closeErr := sim.close(); err == nil {
		err = closeErr
	}
	return answer, err
}

// problem translates the snapshot into the planner's terms: the resources that any member asks for, and the accelerators
// of the nodes, so that members without need of one keep away from where one is free.
func (pl *Planner) problem(a *Attempt, nodes []fwk.NodeInfo) error {
	asked := map[string]bool{string(corev1.ResourcePods): true}
	for _, class := range a.classes {
		for name := range class.request {
			asked[name] = true
		}
	}
	for _, node := range nodes {
		for name := range node.GetAllocatable().GetScalarResources() {
			if state.IsExtended(name) {
				asked[string(name)] = true
			}
		}
	}
	table := resource.NewTable(slices.Collect(maps.Keys(asked))...)
	a.Table = table
	a.Problem = gang.Problem{Nodes: make([]gang.Node, len(nodes)), Classes: make([]gang.Class, len(a.classes)), Need: a.request.Need}
	for i, class := range a.classes {
		ask, err := table.Vector(class.request)
		if err != nil {
			return err
		}
		a.Problem.Classes[i] = gang.Class{Role: class.role, Count: len(class.pods), Request: ask}
	}
	free := make(resource.Vector, table.Len()*len(nodes))
	for i, node := range nodes {
		vector := free[i*table.Len() : (i+1)*table.Len()]
		for d := range vector {
			vector[d] = freeOf(node, table.Name(d))
		}
		for _, info := range pl.handle.NominatedPodsForNode(node.Node().Name) {
			// Room that another scheduler's profile made for somebody of at least our priority is not free, as for the
			// framework's filters.
			if other := info.GetPod(); podutil.PodPriority(other) >= a.request.Priority {
				for name, amount := range pl.requestOf(other) {
					if d, asked := table.Dimension(name); asked {
						vector[d] -= amount
					}
				}
			}
		}
		a.Problem.Nodes[i] = gang.Node{Free: vector, Idle: idle(node)}
	}
	return nil
}

// freeOf is what NodeResourcesFit still grants of a resource on a node.
func freeOf(node fwk.NodeInfo, name string) int64 {
	if name == string(corev1.ResourcePods) {
		return allocatableOf(node, name) - int64(len(node.GetPods()))
	}
	return allocatableOf(node, name) - amountOf(node.GetRequested(), name)
}

// allocatableOf is what a node has of a resource for pods.
func allocatableOf(node fwk.NodeInfo, name string) int64 {
	if name == string(corev1.ResourcePods) {
		return int64(node.GetAllocatable().GetAllowedPodNumber())
	}
	return amountOf(node.GetAllocatable(), name)
}

func amountOf(amounts fwk.Resource, name string) int64 {
	switch corev1.ResourceName(name) {
	case corev1.ResourceCPU:
		return amounts.GetMilliCPU()
	case corev1.ResourceMemory:
		return amounts.GetMemory()
	case corev1.ResourceEphemeralStorage:
		return amounts.GetEphemeralStorage()
	}
	return amounts.GetScalarResources()[corev1.ResourceName(name)]
}

// idle reports whether a node runs nothing but what runs on every node.
func idle(node fwk.NodeInfo) bool {
	for _, pod := range node.GetPods() {
		if !ownedByDaemonSet(pod.GetPod()) {
			return false
		}
	}
	return true
}

func ownedByDaemonSet(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.Kind == "DaemonSet" })
}

// allowedNodes asks the framework's own filters once for each node.
//
// Members that constrain each other may come to accept a node when others have been placed (affinity, spread), so the
// nodes that only those filters refuse stay in; the simulation asks again.
func (pl *Planner) allowedNodes(ctx context.Context, cycle fwk.CycleState, class *class, nodes []fwk.NodeInfo, constrained bool, rejections *rejections) (allowed, usable []int32, err error) {
	pod := class.pods[0]
	result, status, _ := pl.framework.RunPreFilterPlugins(ctx, cycle, pod)
	if !status.IsSuccess() {
		if !status.IsRejected() {
			return nil, nil, fmt.Errorf("filtering for pod %s/%s: %w", pod.Namespace, pod.Name, status.AsError())
		}
		rejections.addAll(status)
		return nil, nil, nil
	}
	statuses := make([]*fwk.Status, len(nodes))
	pl.handle.Parallelizer().Until(ctx, len(nodes), func(i int) {
		if !result.AllNodes() && !result.NodeNames.Has(nodes[i].Node().Name) {
			statuses[i] = fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "node(s) didn't match the pod's node affinity/selector")
			return
		}
		statuses[i] = pl.framework.RunFilterPluginsWithNominatedPods(ctx, cycle, pod, nodes[i])
	}, "Coscheduling")
	allowed = make([]int32, 0, len(nodes))
	usable = make([]int32, 0, len(nodes))
	for i, status := range statuses {
		switch {
		case status.IsSuccess(), constrained && mayComeToAccept(status):
			allowed = append(allowed, int32(i))
			usable = append(usable, int32(i))
		case status.IsRejected():
			rejections.add(i, status)
			if mayComeToAccept(status) || isFull(status) {
				usable = append(usable, int32(i))
			}
		default:
			return nil, nil, fmt.Errorf("filtering node %s for pod %s/%s: %w", nodes[i].Node().Name, pod.Namespace, pod.Name, status.AsError())
		}
	}
	return allowed, usable, nil
}

// TopologyPlugin is the name of the plugin that knows how nodes are laid out.
const TopologyPlugin = "Topology"

// isFull reports whether a node would accept a pod if others left it.
func isFull(status *fwk.Status) bool {
	return status.Plugin() == names.NodeResourcesFit && status.Code() == fwk.Unschedulable ||
		status.Plugin() == TopologyPlugin && status.Code() == fwk.Unschedulable ||
		status.Plugin() == names.NodePorts || status.Plugin() == names.NodeVolumeLimits || status.Plugin() == names.VolumeRestrictions
}

func mayComeToAccept(status *fwk.Status) bool {
	return status.Plugin() == names.InterPodAffinity || status.Plugin() == names.PodTopologySpread
}

func simulatedCycle() *framework.CycleState {
	cycle := framework.NewCycleState()
	cycle.Write(simulating, mark{})
	return cycle
}

// simulating marks the cycle state of a pod whose filters run inside the planning of its gang.
const simulating fwk.StateKey = "muster.dev/simulating"

type mark struct{}

// Clone returns the mark itself.
func (m mark) Clone() fwk.StateData { return m }

// IsSimulation reports whether a plugin is asked inside the planning of a gang rather than in a pod's own cycle.
func IsSimulation(cycle fwk.CycleState) bool {
	_, err := cycle.Read(simulating)
	return err == nil
}

// KeptForOthers is why a node refuses a pod that would take room there which is kept for a gang.
const KeptForOthers = "node(s) keep room for a gang that waits longer"

// attempt is the key of what planning found, in the cycle of a leader.
const attemptKey fwk.StateKey = "muster.dev/attempt"

// Clone returns the attempt itself: nothing changes it.
func (a *Attempt) Clone() fwk.StateData { return a }

// Keep leaves the attempt in a cycle for the plugins that come later.
func (a *Attempt) Keep(cycle fwk.CycleState) { cycle.Write(attemptKey, a) }

// KeptIn is the attempt that was left in a cycle; nil where none was.
func KeptIn(cycle fwk.CycleState) *Attempt {
	if data, err := cycle.Read(attemptKey); err == nil {
		if a, ok := data.(*Attempt); ok {
			return a
		}
	}
	return nil
}

// Assign gives planned places to pods. The leader takes the first one if its class and the order allow it.
func (a *Attempt) Assign(runs []gang.Run) []state.Placement {
	if !a.Constrained {
		// Members that share nothing but resources may be reserved in any order.
		leader := a.request.Pods[0]
		if at := slices.IndexFunc(runs, func(run gang.Run) bool { return a.classes[run.Class].pods[0].UID == leader.UID }); at > 0 {
			runs = slices.Concat(runs[at:at+1], runs[:at], runs[at+1:])
		}
	}
	next := make([]int, len(a.classes))
	var placements []state.Placement
	for _, run := range runs {
		for range run.Count {
			pod := a.classes[run.Class].pods[next[run.Class]]
			next[run.Class]++
			placements = append(placements, state.Placement{UID: pod.UID, Node: a.Nodes[run.Node]})
		}
	}
	return placements
}

// Repelled reports whether pods that run keep others away by required anti-affinity, so that arithmetic does not tell what
// their leaving would change.
func (pl *Planner) Repelled() (bool, error) {
	repelling, err := pl.handle.SnapshotSharedLister().NodeInfos().HavePodsWithRequiredAntiAffinityList()
	if err != nil {
		return false, fmt.Errorf("listing the nodes whose pods keep others away: %w", err)
	}
	return len(repelling) > 0, nil
}

// Vector is what a pod asks of a node, in the table of an attempt.
func (pl *Planner) Vector(pod *corev1.Pod, table *resource.Table) resource.Vector {
	vector := make(resource.Vector, table.Len())
	for name, amount := range pl.requestOf(pod) {
		if d, known := table.Dimension(name); known {
			vector[d] = amount
		}
	}
	return vector
}

// Without runs f while pods are taken from the snapshot of the cycle, and puts them back.
func (pl *Planner) Without(ctx context.Context, pods []*corev1.Pod, f func(nodes []fwk.NodeInfo) error) (err error) {
	snapshot := pl.handle.MutableSnapshotSharedLister()
	if err := snapshot.StartMutations(); err != nil {
		return fmt.Errorf("starting to simulate on the snapshot: %w", err)
	}
	defer func() {
		if endErr := snapshot.EndMutations(); err == nil && endErr != nil {
			err = fmt.Errorf("putting the snapshot back: %w", endErr)
		}
	}()
	for _, pod := range pods {
		if _, err := snapshot.NodeInfos().Get(pod.Spec.NodeName); err != nil {
			continue // Its node is not in the snapshot, and so the pod is not.
		}
		if err := snapshot.RemovePod(klog.FromContext(ctx), pod, pod.Spec.NodeName); err != nil {
			return fmt.Errorf("taking pod %s/%s from the snapshot: %w", pod.Namespace, pod.Name, err)
		}
	}
	nodes, err := snapshot.NodeInfos().List()
	if err != nil {
		return fmt.Errorf("listing the nodes of the snapshot: %w", err)
	}
	return f(nodes)
}

// UsableNames names the nodes that accept any member but for what it asks for; nil where all do.
func (a *Attempt) UsableNames() map[string]bool {
	names := map[string]bool{}
	for _, usable := range a.Usable {
		for _, node := range usable {
			names[a.Nodes[node]] = true
		}
	}
	if len(names) == len(a.Nodes) {
		return nil
	}
	return names
}
