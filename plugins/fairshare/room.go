package fairshare

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reclaim"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// makeRoom chooses whom to evict so that the request fits, and where it goes then. It is nil, with the reason in words,
// where no room can be made, and where there is nobody whom to evict.
func (pl *FairShare) makeRoom(ctx context.Context, request state.Request) (*Finding, string, error) {
	if policy := request.Pods[0].Spec.PreemptionPolicy; policy != nil && *policy == corev1.PreemptNever {
		return nil, "", nil
	}
	units, books := pl.gangs.Units(request)
	leaving := pl.gangs.Leaving()
	if len(units) == 0 && len(leaving) == 0 {
		return nil, "", nil
	}
	return pl.choose(ctx, request, units, leaving, books)
}

// choose decides about victims among units, as if pods that are leaving were gone already.
func (pl *FairShare) choose(ctx context.Context, request state.Request, units []state.Unit, leaving []*corev1.Pod, books *ledger.Ledger) (*Finding, string, error) {
	gone := slices.Concat(leaving, podsOf(units))
	var most *placement.Attempt
	err := pl.planner.Without(ctx, gone, func(nodes []fwk.NodeInfo) (err error) {
		most, err = pl.planner.Plan(ctx, request, nodes, placement.OnMutated)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if most.Result != gang.Placed && len(units) == 0 {
		return nil, "", nil
	}
	if most.Result != gang.Placed && most.Constrained {
		return nil, fmt.Sprintf("with everything gone that may be evicted (%d pods), %s", count(units), most.Message), nil
	}
	problem, err := pl.problem(request, units, books, most)
	if err != nil {
		return nil, "", err
	}
	repelled, err := pl.planner.Repelled()
	if err != nil {
		return nil, "", err
	}
	var exact *placement.Attempt
	plan := func(victims []int) error {
		without := slices.Clone(leaving)
		for _, v := range victims {
			without = append(without, units[v].Pods...)
		}
		return pl.planner.Without(ctx, without, func(nodes []fwk.NodeInfo) (err error) {
			exact, err = pl.planner.Plan(ctx, request, nodes, placement.OnMutated)
			return err
		})
	}
	if most.Constrained || repelled {
		problem.Verify = func(victims []int) (bool, error) {
			err := plan(victims)
			return err == nil && exact.Result == gang.Placed, err
		}
	}
	decision, err := reclaim.Decide(problem)
	if err != nil || decision.Result != gang.Placed {
		return nil, decision.Why, err
	}
	var placements []state.Placement
	if problem.Verify != nil || most.Topology != nil {
		if err := plan(decision.Victims); err != nil {
			return nil, "", err
		}
		if exact.Result != gang.Placed {
			return nil, "with the victims that were chosen gone, " + exact.Message, nil
		}
		placements = exact.Placements
	} else {
		placements = most.Assign(decision.Runs)
	}
	return pl.finding(request, units, leaving, decision, placements), "", nil
}

// problem puts the choice of victims into plain values. most was planned with all units gone: each of them takes its room
// back, but for that on nodes where room is kept for others.
func (pl *FairShare) problem(request state.Request, units []state.Unit, books *ledger.Ledger, most *placement.Attempt) (reclaim.Problem, error) {
	budgets, err := pl.disruptionBudgets()
	if err != nil {
		return reclaim.Problem{}, err
	}
	index := make(map[string]int32, len(most.Nodes))
	for i, name := range most.Nodes {
		index[name] = int32(i)
	}
	asked := most.Problem
	asked.Nodes = make([]gang.Node, len(most.Problem.Nodes))
	for i, node := range most.Problem.Nodes {
		asked.Nodes[i] = gang.Node{Free: append(resource.Vector(nil), node.Free...), Idle: node.Idle}
	}
	problem := reclaim.Problem{
		Gang: asked, Topology: most.Topology, Queue: request.Queue, Asked: request.Amount, Firm: request.Firm, Ledger: books, MaxRatio: pl.maxRatio,
		Capacity: pl.gangs.Capacity(), Disruptions: budgets.allowed(), Units: make([]reclaim.Unit, len(units)),
	}
	for i, unit := range units {
		pods := make([]reclaim.Pod, len(unit.Pods))
		for j, pod := range unit.Pods {
			node, known := index[pod.Spec.NodeName]
			if !known || most.Held[node] {
				node = -1
			}
			pods[j] = reclaim.Pod{Node: node, Amount: pl.planner.Vector(pod, most.Table)}
			if node >= 0 {
				asked.Nodes[node].Free.Sub(pods[j].Amount)
			}
		}
		problem.Units[i] = reclaim.Unit{
			Gang: unit.Key.String() + string(unit.Key.Pod), Rest: unit.Rest, Queue: unit.Queue, Priority: unit.Priority, Preempt: unit.Preempt,
			Pods: pods, Usage: unit.Usage, Lost: unit.Lost, Started: unit.Started, Budgets: budgets.of(unit.Pods),
		}
	}
	return problem, nil
}

// finding says what a decision means for the gang: its room is kept from now on, and it waits for who leaves.
func (pl *FairShare) finding(request state.Request, units []state.Unit, leaving []*corev1.Pod, decision reclaim.Decision, placements []state.Placement) *Finding {
	found := &Finding{Ratio: decision.Ratio, Placements: placements}
	hold := reservation.Hold{Gang: request.ID, Made: pl.gangs.Now(), Start: pl.gangs.Now(), Amount: map[string]resource.Amounts{}}
	pods := make(map[types.UID]*corev1.Pod, len(request.Pods))
	for _, pod := range request.Pods {
		pods[pod.UID] = pod
	}
	for _, placement := range placements {
		if hold.Amount[placement.Node] == nil {
			hold.Amount[placement.Node] = resource.Amounts{}
		}
		hold.Amount[placement.Node].Add(state.RequestOf(pods[placement.UID]))
	}
	found.Hold = &hold
	for _, v := range decision.Victims {
		found.Evicted = append(found.Evicted, units[v])
		for _, pod := range units[v].Pods {
			found.Victims = append(found.Victims, pod.UID)
		}
	}
	for _, pod := range leaving {
		if hold.Amount[pod.Spec.NodeName] != nil || request.Over != nil {
			found.Victims = append(found.Victims, pod.UID)
		}
	}
	found.Verdict = gang.Verdict{Reason: gang.MakingRoom, Message: fmt.Sprintf(
		"%d pods are leaving to make room on %d nodes (%d of them evicted for this gang)", len(found.Victims), len(hold.Amount), count(found.Evicted))}
	// Should nobody have to leave, since all are gone by now, another attempt is worth it at once.
	found.Blocked = dispatch.Blocked{Verdict: found.Verdict, Wake: dispatch.WhenAnythingMoves, Again: pl.gangs.Now()}
	return found
}

func podsOf(units []state.Unit) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, unit := range units {
		pods = append(pods, unit.Pods...)
	}
	return pods
}

func count(units []state.Unit) int { return len(podsOf(units)) }
