package coscheduling

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	podutil "k8s.io/component-helpers/scheduling/corev1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

// refusal is why a gang has no plan.
type refusal struct {
	outcome string
	failure state.Failure
}

// snapshotUse says in which state planning finds the snapshot.
type snapshotUse bool

const (
	// onCycle: the snapshot is the cycle's.
	onCycle snapshotUse = false
	// onMutated: pods have been taken from it, in a session of mutations that the caller ends.
	onMutated snapshotUse = true
)

// plan places the members of a request against the snapshot of nodes. It returns the placements in the order in which
// they have to be reserved, or why there are none.
func (pl *Coscheduling) plan(ctx context.Context, request state.Request, nodes []fwk.NodeInfo, use snapshotUse) ([]state.Placement, *refusal, error) {
	constrained := slices.ContainsFunc(request.Pods, pl.constrainsOthers)
	classes, err := pl.classify(request.Pods)
	if err != nil {
		return nil, nil, err
	}
	problem, err := pl.problem(classes, nodes, request)
	if err != nil {
		return nil, nil, err
	}
	rejections := newRejections(len(nodes))
	for i, class := range classes {
		cycle := simulatedCycle()
		allowed, err := pl.allowedNodes(ctx, cycle, class, nodes, constrained, rejections)
		if err != nil {
			return nil, nil, err
		}
		problem.Classes[i].Nodes = allowed
		if problem.Classes[i].Score, err = pl.preferences(ctx, cycle, class, nodes, allowed); err != nil {
			return nil, nil, err
		}
	}
	outcome, err := pl.solve(ctx, problem, classes, nodes, constrained, use)
	if err != nil {
		return nil, nil, err
	}
	if outcome.Result != gang.Placed {
		return nil, refuse(outcome, request, classes, rejections), nil
	}
	return assign(outcome.Runs, classes, nodes, request.Pods[0], constrained), nil, nil
}

func (pl *Coscheduling) solve(ctx context.Context, problem gang.Problem, classes []*class, nodes []fwk.NodeInfo, constrained bool, use snapshotUse) (gang.Outcome, error) {
	if !constrained {
		return gang.Plan(problem, nil)
	}
	sim, err := newSimulation(ctx, pl.framework, classes, nodes, use)
	if err != nil {
		return gang.Outcome{}, err
	}
	outcome, err := gang.Plan(problem, sim)
	if closeErr := sim.close(); err == nil {
		err = closeErr
	}
	return outcome, err
}

// problem translates the snapshot into the planner's terms: the resources that any member asks for, and the accelerators
// of the nodes, so that members without need of one keep away from where one is free.
func (pl *Coscheduling) problem(classes []*class, nodes []fwk.NodeInfo, request state.Request) (gang.Problem, error) {
	asked := map[string]bool{string(corev1.ResourcePods): true}
	for _, class := range classes {
		for name := range class.request {
			asked[name] = true
		}
	}
	for _, node := range nodes {
		for name := range node.GetAllocatable().GetScalarResources() {
			if isExtended(name) {
				asked[string(name)] = true
			}
		}
	}
	table := resource.NewTable(slices.Collect(maps.Keys(asked))...)
	problem := gang.Problem{Nodes: make([]gang.Node, len(nodes)), Classes: make([]gang.Class, len(classes)), Need: request.Need}
	for i, class := range classes {
		ask, err := table.Vector(class.request)
		if err != nil {
			return gang.Problem{}, err
		}
		problem.Classes[i] = gang.Class{Role: class.role, Count: len(class.pods), Request: ask}
	}
	members := sets.New[types.UID]()
	for _, pod := range request.Pods {
		members.Insert(pod.UID)
	}
	free := make(resource.Vector, table.Len()*len(nodes))
	for i, node := range nodes {
		vector := free[i*table.Len() : (i+1)*table.Len()]
		for d := range vector {
			vector[d] = freeOf(node, table.Name(d))
		}
		for _, info := range pl.handle.NominatedPodsForNode(node.Node().Name) {
			// Room that was made for somebody of at least our priority is not free, as for the framework's filters.
			if other := info.GetPod(); podutil.PodPriority(other) >= request.Priority && !members.Has(other.UID) {
				for name, amount := range pl.requestOf(other) {
					if d, asked := table.Dimension(name); asked {
						vector[d] -= amount
					}
				}
			}
		}
		problem.Nodes[i] = gang.Node{Free: vector, Idle: idle(node)}
	}
	return problem, nil
}

// freeOf is what NodeResourcesFit still grants of a resource on a node.
func freeOf(node fwk.NodeInfo, name string) int64 {
	allocatable, requested := node.GetAllocatable(), node.GetRequested()
	switch corev1.ResourceName(name) {
	case corev1.ResourcePods:
		return int64(allocatable.GetAllowedPodNumber() - len(node.GetPods()))
	case corev1.ResourceCPU:
		return allocatable.GetMilliCPU() - requested.GetMilliCPU()
	case corev1.ResourceMemory:
		return allocatable.GetMemory() - requested.GetMemory()
	case corev1.ResourceEphemeralStorage:
		return allocatable.GetEphemeralStorage() - requested.GetEphemeralStorage()
	}
	return allocatable.GetScalarResources()[corev1.ResourceName(name)] - requested.GetScalarResources()[corev1.ResourceName(name)]
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
func (pl *Coscheduling) allowedNodes(ctx context.Context, cycle fwk.CycleState, class *class, nodes []fwk.NodeInfo, constrained bool, rejections *rejections) ([]int32, error) {
	pod := class.pods[0]
	result, status, _ := pl.framework.RunPreFilterPlugins(ctx, cycle, pod)
	if !status.IsSuccess() {
		if !status.IsRejected() {
			return nil, fmt.Errorf("filtering for pod %s/%s: %w", pod.Namespace, pod.Name, status.AsError())
		}
		rejections.addAll(status)
		return nil, nil
	}
	statuses := make([]*fwk.Status, len(nodes))
	pl.handle.Parallelizer().Until(ctx, len(nodes), func(i int) {
		if !result.AllNodes() && !result.NodeNames.Has(nodes[i].Node().Name) {
			statuses[i] = fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "node(s) didn't match the pod's node affinity/selector")
			return
		}
		statuses[i] = pl.framework.RunFilterPluginsWithNominatedPods(ctx, cycle, pod, nodes[i])
	}, Name)
	allowed := make([]int32, 0, len(nodes))
	for i, status := range statuses {
		switch {
		case status.IsSuccess(), constrained && mayComeToAccept(status):
			allowed = append(allowed, int32(i))
		case status.IsRejected():
			rejections.add(i, status)
		default:
			return nil, fmt.Errorf("filtering node %s for pod %s/%s: %w", nodes[i].Node().Name, pod.Namespace, pod.Name, status.AsError())
		}
	}
	return allowed, nil
}

func mayComeToAccept(status *fwk.Status) bool {
	return status.Plugin() == names.InterPodAffinity || status.Plugin() == names.PodTopologySpread
}

func simulatedCycle() *framework.CycleState {
	cycle := framework.NewCycleState()
	cycle.Write(simulating, mark{})
	return cycle
}

// assign gives the planned places to pods. The leader takes the first one if its class and the order allow it.
func assign(runs []gang.Run, classes []*class, nodes []fwk.NodeInfo, leader *corev1.Pod, constrained bool) []state.Placement {
	if !constrained {
		// Members that share nothing but resources may be reserved in any order.
		if at := slices.IndexFunc(runs, func(run gang.Run) bool { return classes[run.Class].pods[0].UID == leader.UID }); at > 0 {
			runs = slices.Concat(runs[at:at+1], runs[:at], runs[at+1:])
		}
	}
	next := make([]int, len(classes))
	var placements []state.Placement
	for _, run := range runs {
		for range run.Count {
			pod := classes[run.Class].pods[next[run.Class]]
			next[run.Class]++
			placements = append(placements, state.Placement{UID: pod.UID, Node: nodes[run.Node].Node().Name})
		}
	}
	return placements
}

// refuse puts an outcome without a plan into words.
func refuse(outcome gang.Outcome, request state.Request, classes []*class, rejections *rejections) *refusal {
	var message strings.Builder
	fmt.Fprintf(&message, "%d of the %d members that have to start together fit", min(outcome.Total(), request.Need.Total), request.Need.Total)
	for _, line := range roleShortages(outcome, request.Need, classes) {
		message.WriteString("; " + line)
	}
	if outcome.Result == gang.BudgetSpent {
		fmt.Fprintf(&message, "; the search stopped after %d steps without a proof, and will be repeated", outcome.Steps)
	}
	if why := rejections.String(); why != "" {
		message.WriteString(". " + why)
	}
	r := &refusal{outcome: outcomeImpossible, failure: state.Failure{Message: message.String()}}
	if outcome.Result == gang.BudgetSpent {
		r.outcome = outcomeBudgetSpent
	}
	r.failure.WantsCompany = slices.ContainsFunc(request.Pods, wantsCompany)
	return r
}

func roleShortages(outcome gang.Outcome, need gang.Need, classes []*class) []string {
	fit := map[string]int{}
	for c, n := range outcome.Fit {
		fit[classes[c].role] += n
	}
	var lines []string
	for _, role := range slices.Sorted(maps.Keys(need.Role)) {
		if fit[role] < need.Role[role] {
			lines = append(lines, fmt.Sprintf("role %q: %d of %d", role, fit[role], need.Role[role]))
		}
	}
	return lines
}
