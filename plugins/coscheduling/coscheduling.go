// Package coscheduling places whole gangs: all members up to the minimum, or none. GangGate keeps members out of the
// scheduling queue until their gang can be planned, Coscheduling plans it in the leader's cycle and commits the plan in
// the members' own.
package coscheduling

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
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
	handle fwk.Handle
	// framework is the handle as the scheduler itself sees it: planning runs the PreFilter plugins of other pods.
	framework framework.Framework
	gangs     *state.Store
	budgets   policylisters.PodDisruptionBudgetLister
	bindSlots chan struct{}
	// leaving holds, by the gang that they make room for, the victims that were evicted last.
	leavingMu sync.Mutex
	leaving   map[state.Key][]types.UID
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
	f, ok := handle.(framework.Framework)
	if !ok {
		return nil, fmt.Errorf("making plugin %s: the scheduler's handle is a %T, which cannot run PreFilter plugins", Name, handle)
	}
	registerMetrics()
	reporter := newReporter(handle, gangs, args.BrokenGangGracePeriod.Duration)
	go reporter.run(ctx, leading)
	return &Coscheduling{
		handle: handle, framework: f, gangs: gangs,
		budgets:   handle.SharedInformerFactory().Policy().V1().PodDisruptionBudgets().Lister(),
		bindSlots: make(chan struct{}, maxBinds),
		leaving:   map[state.Key][]types.UID{},
	}, nil
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

// simulating marks the cycle state of a pod whose filters run inside the planning of its gang.
const simulating fwk.StateKey = Name + "/simulating"

// handedOver marks the cycle of a leader whose gang has a plan in which another member goes first.
const handedOver fwk.StateKey = Name + "/handed-over"

type mark struct{}

// Clone returns the mark itself.
func (m mark) Clone() fwk.StateData { return m }

func isSimulation(cycle fwk.CycleState) bool {
	_, err := cycle.Read(simulating)
	return err == nil
}

// PreFilter narrows a planned member to its node, and plans the whole gang in the cycle of its leader.
func (pl *Coscheduling) PreFilter(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if isSimulation(cycle) {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	standing, node, request := pl.gangs.Standing(pod)
	switch standing {
	case state.Free:
		return nil, fwk.NewStatus(fwk.Skip)
	case state.Planned:
		return settle(cycle, node), nil
	case state.Leading:
		return pl.lead(ctx, cycle, pod, request, nodes)
	}
	return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the gang changed; this pod waits for its turn")
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

// Filter refuses every node but the planned one. The result of PreFilter alone does not: a node that was nominated for
// the pod when room was made for it is tried before.
func (pl *Coscheduling) Filter(_ context.Context, cycle fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	if planned, err := cycle.Read(plannedNode); err == nil && planned != nodeName(node.Node().Name) {
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "the gang's plan names another node")
	}
	return nil
}

// lead plans the gang of a leader and lets the other members in. Their cycles follow this one directly, because the
// scheduler activates them at its end and they go before everybody else.
func (pl *Coscheduling) lead(ctx context.Context, cycle fwk.CycleState, leader *corev1.Pod, request state.Request, nodes []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	start := time.Now()
	placements, refusal, err := pl.plan(ctx, request, nodes, onCycle)
	outcome := outcomePlaced
	switch {
	case err != nil:
		outcome = outcomeError
	case refusal != nil:
		outcome = refusal.outcome
	}
	planDuration.WithLabelValues(outcome).Observe(time.Since(start).Seconds())
	switch {
	case err != nil:
		return nil, fwk.AsStatus(fmt.Errorf("planning gang %s: %w", request.Key, err))
	case refusal != nil:
		pl.gangs.Fail(request.Key, refusal.failure)
		return nil, fwk.NewStatus(fwk.Unschedulable, refusal.failure.Message)
	}
	effects, err := pl.gangs.Commit(request, placements)
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	klog.FromContext(ctx).V(3).Info("Planned gang", "gang", request.Key, "members", len(placements), "took", time.Since(start))
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

// PostFilter gives up the plan of a member whose node has become unfit, and makes room for a gang, or for a pod of no
// gang, that found none.
func (pl *Coscheduling) PostFilter(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	if _, err := cycle.Read(handedOver); err == nil {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	standing, _, request := pl.gangs.Standing(pod)
	_, isMember := state.GangOf(pod)
	switch {
	case standing == state.Planned:
		pl.gangs.Apply(ctx, pl.gangs.GiveBack(pod.UID))
		return nil, fwk.NewStatus(fwk.Unschedulable)
	case standing == state.Free && !isMember:
		request = state.Request{Key: keyOf(pod), Need: gang.Need{Total: 1}, Priority: pl.gangs.PriorityOf(pod), Pods: []*corev1.Pod{pod}}
	case standing != state.Leading:
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	node, message, err := pl.preempt(ctx, pod, request)
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("making room for %s: %w", request.Key, err))
	}
	if node == "" {
		return nil, fwk.NewStatus(fwk.Unschedulable, message)
	}
	return framework.NewPostFilterResultWithNominatedNode(node), fwk.NewStatus(fwk.Success, message)
}

// Reserve counts a member towards its gang's minimum.
func (pl *Coscheduling) Reserve(_ context.Context, cycle fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status {
	if isSimulation(cycle) {
		return nil
	}
	if err := pl.gangs.Reserve(pod, node); err != nil {
		return fwk.NewStatus(fwk.Unschedulable, err.Error())
	}
	return nil
}

// Unreserve gives a member's place back; below the minimum the whole plan falls with it.
func (pl *Coscheduling) Unreserve(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ string) {
	if isSimulation(cycle) {
		return
	}
	if _, isMember := state.GangOf(pod); isMember {
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
