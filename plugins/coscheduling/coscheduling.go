// Package coscheduling places whole gangs: all members up to the minimum, or none. The gang whose turn it is is planned in
// the cycle of its leader, and the plan is committed in the members' own.
package coscheduling

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "Coscheduling"

// permitTimeout bounds how long a reserved member waits for the others of its plan. Their cycles follow each other
// without a pause, so it only ends a wait that something unforeseen has made endless.
const permitTimeout = time.Minute

// Coscheduling orders the queue by gang, plans a gang in the cycle of its leader and holds the members in Permit until
// the minimum is reserved.
type Coscheduling struct {
	handle    fwk.Handle
	planner   *placement.Planner
	gangs     *state.Store
	bindSlots chan struct{}
}

var (
	_ fwk.QueueSortPlugin   = &Coscheduling{}
	_ fwk.EnqueueExtensions = &Coscheduling{}
	_ fwk.PreFilterPlugin   = &Coscheduling{}
	_ fwk.FilterPlugin      = &Coscheduling{}
	_ fwk.PostFilterPlugin  = &Coscheduling{}
	_ fwk.ReservePlugin     = &Coscheduling{}
	_ fwk.PermitPlugin      = &Coscheduling{}
	_ fwk.BindPlugin        = &Coscheduling{}
)

// New makes the plugin over the gangs of its scheduler. From when leading is closed until the context ends it reports on
// them.
func New(ctx context.Context, args *configv1alpha1.CoschedulingArgs, handle fwk.Handle, gangs *state.Store, leading <-chan struct{}) (*Coscheduling, error) {
	planner, err := placement.New(handle, gangs)
	if err != nil {
		return nil, fmt.Errorf("making plugin %s: %w", Name, err)
	}
	registerMetrics()
	reporter := newReporter(handle, gangs, args.BrokenGangGracePeriod.Duration)
	go state.WhileLeading(ctx, leading, reportPeriod, func(now time.Time) { reporter.look(ctx, now) })
	return &Coscheduling{handle: handle, planner: planner, gangs: gangs, bindSlots: make(chan struct{}, maxBinds)}, nil
}

// Name is the plugin's name.
func (pl *Coscheduling) Name() string { return Name }

// Less orders by what was frozen when the pods entered the queue: the members of a plan that is being committed first,
// then priority, then gangs that run below their minimum, then age.
func (pl *Coscheduling) Less(a, b fwk.QueuedEntityInfo) bool {
	x, isPod := a.(*framework.QueuedPodInfo)
	y, areBothPods := b.(*framework.QueuedPodInfo)
	if !isPod || !areBothPods {
		// Native PodGroups are queued as a whole; among them the order is upstream's.
		return a.GetPriority() > b.GetPriority() ||
			a.GetPriority() == b.GetPriority() && a.GetTimestamp().Before(b.GetTimestamp())
	}
	return pl.gangs.Less(x.Pod, y.Pod)
}

// handedOver marks the cycle of a leader whose gang has a plan in which another member goes first.
const handedOver fwk.StateKey = Name + "/handed-over"

type mark struct{}

// Clone returns the mark itself.
func (m mark) Clone() fwk.StateData { return m }

// PreFilter narrows a planned member to its node, and plans the whole gang in the cycle of its leader. A pod that is placed
// on its own keeps away from room that is kept for others.
func (pl *Coscheduling) PreFilter(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if placement.IsSimulation(cycle) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	standing, node, request := pl.gangs.Standing(pod)
	switch {
	case standing == state.Planned:
		return settle(cycle, node), nil
	case standing == state.Waiting:
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the gang changed; this pod waits for its turn")
	case request.Over != nil:
		return nil, fwk.NewStatus(fwk.Unschedulable, request.Over.String())
	case standing == state.Leading:
		return pl.lead(ctx, cycle, pod, request, nodes)
	case request.Wants != nil:
		return pl.alone(ctx, cycle, request, nodes)
	}
	closed := pl.closedNodes(pod, request)
	if len(closed) == 0 {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	cycle.Write(keptForOthers, closed)
	return nil, nil
}

// keptForOthers is the key of the nodes on which a cycle's pod would take room that is kept for others.
const keptForOthers fwk.StateKey = Name + "/kept-for-others"

type nodeSet sets.Set[string]

// Clone returns the set itself: it does not change.
func (n nodeSet) Clone() fwk.StateData { return n }

// closedNodes are the nodes on which a pod would delay a gang for which room is kept there.
func (pl *Coscheduling) closedNodes(pod *corev1.Pod, request state.Request) nodeSet {
	amount := state.RequestOf(pod)
	table := resource.NewTable(slices.Collect(maps.Keys(amount))...)
	asked, err := table.Vector(amount)
	if err != nil {
		return nil // The table was made of the very names.
	}
	closed := nodeSet{}
	for node, spare := range pl.gangs.Spare(request, table) {
		if !asked.Fits(spare) {
			closed[node] = sets.Empty{}
		}
	}
	return closed
}

// PreFilterExtensions is nil: what the gang's plan says does not change with other pods.
func (pl *Coscheduling) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// plannedNode is the key of the node that the plan names for a cycle's pod.
const plannedNode fwk.StateKey = Name + "/planned-node"

type nodeName string

// Clone returns the name itself.
func (n nodeName) Clone() fwk.StateData { return n }

// settle narrows a cycle to one node.
func settle(cycle fwk.CycleState, node string) *fwk.PreFilterResult {
	cycle.Write(plannedNode, nodeName(node))
	return &fwk.PreFilterResult{NodeNames: sets.New(node)}
}

// Filter refuses every node but the planned one, and those where room is kept for others. The result of PreFilter alone
// does not: a node that was nominated for the pod is tried before.
func (pl *Coscheduling) Filter(_ context.Context, cycle fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	name := node.Node().Name
	if planned, err := cycle.Read(plannedNode); err == nil && planned != nodeName(name) {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the gang's plan names another node")
	}
	if closed, err := cycle.Read(keptForOthers); err == nil {
		if set, ok := closed.(nodeSet); ok && sets.Set[string](set).Has(name) {
			return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, placement.KeptForOthers)
		}
	}
	return nil
}

// lead plans the gang of a leader and lets the other members in. Their cycles follow this one directly, because the
// scheduler activates them at its end and they go before everybody else.
func (pl *Coscheduling) lead(ctx context.Context, cycle fwk.CycleState, leader *corev1.Pod, request state.Request, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	start := time.Now()
	attempt, err := pl.planner.Plan(ctx, request, nodes, placement.OnCycle)
	planDuration.WithLabelValues(outcomeOf(attempt, err)).Observe(time.Since(start).Seconds())
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("planning gang %s: %w", request.Key, err))
	}
	if attempt.Result != gang.Placed {
		attempt.Keep(cycle)
		return nil, fwk.NewStatus(fwk.Unschedulable, attempt.Message)
	}
	placements, effects, err := pl.gangs.Commit(request, attempt.Placements)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	// Its cycle comes after those of the plan's members, who go before everybody else.
	defer func() { pl.gangs.Apply(ctx, pl.gangs.Advance()) }()
	klog.FromContext(ctx).V(3).Info("Planned gang", "gang", request.Key, "members", len(placements), "took", time.Since(start))
	klog.FromContext(ctx).V(4).Info("Placements", "gang", request.Key, "placements", placements)
	if attempt.Ignored != "" {
		pl.warn(ctx, request.Key, attempt.Ignored)
	}
	if placements[0].UID != leader.UID {
		// Another member has to go first, so that the leader's own constraints hold. The leader's turn comes in the
		// plan's order.
		cycle.Write(handedOver, mark{})
		pl.gangs.Apply(ctx, state.Effects{Activate: append(effects.Activate, leader)})
		return nil, fwk.NewStatus(fwk.Unschedulable, "the gang is planned and another of its pods goes first")
	}
	if err := activate(cycle, effects.Activate); err != nil {
		pl.gangs.Apply(ctx, pl.gangs.GiveBack(leader.UID))
		return nil, fwk.AsStatus(fmt.Errorf("letting gang %s into the queue: %w", request.Key, err))
	}
	return settle(cycle, placements[0].Node), nil
}

// warn tells on the PodGroup of a gang that starts which of its wishes was not followed.
func (pl *Coscheduling) warn(ctx context.Context, key state.Key, ignored string) {
	if view, known := pl.gangs.View(key); known && view.PodGroup != nil {
		pl.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(view.PodGroup, nil, corev1.EventTypeWarning, "PreferenceIgnored", "Scheduling", "%s", ignored)
	}
}

// alone finds a node for a pod that wants something of the topology: a single one, or a member beyond its gang's minimum.
func (pl *Coscheduling) alone(ctx context.Context, cycle fwk.CycleState, request state.Request, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	attempt, err := pl.planner.Plan(ctx, request, nodes, placement.OnCycle)
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("finding a domain for %s: %w", request.Key, err))
	}
	if attempt.Result != gang.Placed {
		attempt.Keep(cycle)
		return nil, fwk.NewStatus(fwk.Unschedulable, attempt.Message)
	}
	return settle(cycle, attempt.Placements[0].Node), nil
}

func outcomeOf(attempt *placement.Attempt, err error) string {
	switch {
	case err != nil:
		return outcomeError
	case attempt.Result == gang.Placed:
		return outcomePlaced
	case attempt.Result == gang.BudgetSpent:
		return outcomeBudgetSpent
	}
	return outcomeImpossible
}

// activate asks the scheduler to let pods into the active queue once this cycle has succeeded.
func activate(cycle fwk.CycleState, pods []*corev1.Pod) error {
	data, err := cycle.Read(framework.PodsToActivateKey)
	if err != nil {
		return fmt.Errorf("reading the pods to activate: %w", err)
	}
	toActivate, ok := data.(*framework.PodsToActivate)
	if !ok {
		return errors.New("the pods to activate have another type than expected")
	}
	toActivate.Lock()
	defer toActivate.Unlock()
	for _, pod := range pods {
		toActivate.Map[pod.Namespace+"/"+pod.Name] = pod
	}
	return nil
}

// PostFilter gives up the plan of a member whose node has become unfit.
func (pl *Coscheduling) PostFilter(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	if _, err := cycle.Read(handedOver); err != nil {
		if standing, _, _ := pl.gangs.Standing(pod); standing == state.Planned {
			pl.gangs.Apply(ctx, pl.gangs.GiveBack(pod.UID))
		}
	}
	return nil, fwk.NewStatus(fwk.Unschedulable)
}

// Reserve counts a member towards its gang's minimum.
func (pl *Coscheduling) Reserve(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	if placement.IsSimulation(cycle) {
		return nil
	}
	effects, err := pl.gangs.Reserve(pod, node)
	if err != nil {
		return fwk.NewStatus(fwk.Unschedulable, err.Error())
	}
	pl.gangs.Apply(ctx, effects)
	return nil
}

// Unreserve gives a member's place back; below the minimum the whole plan falls with it.
func (pl *Coscheduling) Unreserve(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ string) {
	if !placement.IsSimulation(cycle) {
		pl.gangs.Apply(ctx, pl.gangs.GiveBack(pod.UID))
	}
}

// Permit holds a member until its gang's minimum is reserved.
func (pl *Coscheduling) Permit(ctx context.Context, _ fwk.CycleState, pod *corev1.Pod, _ string) (*fwk.Status, time.Duration) {
	permission, effects := pl.gangs.Permit(pod)
	switch permission {
	case state.Wait:
		return fwk.NewStatus(fwk.Wait), permitTimeout
	case state.Refuse:
		return fwk.NewStatus(fwk.Unschedulable, state.PlanFell), 0
	}
	pl.gangs.Apply(ctx, effects)
	return nil, 0
}
