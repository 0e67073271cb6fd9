// Package fairshare makes room for a gang that found none: it takes back what other queues use beyond their guarantees,
// preempts what has a lower priority in the gang's own queue, or else keeps a reservation for the time at which it can start.
package fairshare

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	fwk "k8s.io/kube-scheduler/framework"

	configv1alpha1 "github.com/muster-scheduling/muster/apis/config/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// Name is the plugin's name in a KubeSchedulerConfiguration.
const Name = "FairShare"

// FairShare decides in PostFilter what becomes of a gang that found no room.
type FairShare struct {
	handle   fwk.Handle
	planner  *placement.Planner
	gangs    *state.Store
	budgets  policylisters.PodDisruptionBudgetLister
	maxRatio float64
	evictor  *evictor
}

var _ fwk.PostFilterPlugin = &FairShare{}

// New makes the plugin over the gangs of its scheduler. Pods are evicted in the background until the context ends; queues
// are drained, and held to lowered limits, from when leading is closed.
func New(ctx context.Context, args *configv1alpha1.FairShareArgs, handle fwk.Handle, gangs *state.Store, leading <-chan struct{}) (*FairShare, error) {
	planner, err := placement.New(handle, gangs)
	if err != nil {
		return nil, fmt.Errorf("making plugin %s: %w", Name, err)
	}
	registerMetrics()
	pl := &FairShare{
		handle: handle, planner: planner, gangs: gangs, maxRatio: args.MaxRatio(),
		budgets: handle.SharedInformerFactory().Policy().V1().PodDisruptionBudgets().Lister(),
		evictor: newEvictor(ctx, handle, gangs),
	}
	go state.WhileLeading(ctx, leading, enforcePeriod, func(time.Time) { pl.evictor.enforce(args.EvictOverLimitAfter) })
	return pl, nil
}

// Name is the plugin's name.
func (pl *FairShare) Name() string { return Name }

// PostFilter concludes the attempt of a gang, or of a single pod, that found no room.
func (pl *FairShare) PostFilter(ctx context.Context, cycle fwk.CycleState, pod *corev1.Pod, _ fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	standing, _, request := pl.gangs.Standing(pod)
	if standing != state.Leading && standing != state.Free || request.ID == "" {
		return nil, fwk.NewStatus(fwk.Unschedulable)
	}
	start := time.Now()
	found, err := pl.Judge(ctx, request, placement.KeptIn(cycle))
	makeRoomDuration.WithLabelValues(outcomeOf(found, err)).Observe(time.Since(start).Seconds())
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("making room for %s: %w", request.Key, err))
	}
	// Where the turn has passed to another gang meanwhile, nobody would wait for the victims.
	if pl.gangs.Conclude(request, found.Outcome) && found.Victims != nil {
		evictedRatio.Observe(found.Ratio)
		pl.evictor.evict(request, found.Evicted)
	}
	return nil, fwk.NewStatus(fwk.Unschedulable, found.Verdict.Message)
}

func outcomeOf(found Finding, err error) string {
	switch {
	case err != nil:
		return outcomeError
	case found.Victims != nil:
		return outcomeEvict
	case found.Hold != nil:
		return outcomeReserve
	}
	return outcomeNone
}

// Finding is what becomes of a gang that found no room.
type Finding struct {
	state.Outcome
	// Evicted are the units whose pods have to be evicted, Ratio how much they use for each unit that is asked.
	Evicted []state.Unit
	Ratio   float64
	// Placements are where the gang goes when they are gone.
	Placements []state.Placement
}

// Judge decides what becomes of a request that found no room: victims, a reservation, or only a reason. attempt is what
// planning it found on the snapshot of the cycle; nil where it has not been planned. Nothing is done to anybody.
func (pl *FairShare) Judge(ctx context.Context, request state.Request, attempt *placement.Attempt) (Finding, error) {
	nodes, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return Finding{}, fmt.Errorf("listing the nodes of the snapshot: %w", err)
	}
	if attempt == nil {
		if attempt, err = pl.planner.Plan(ctx, request, nodes, placement.OnCycle); err != nil {
			return Finding{}, err
		}
	}
	verdict, err := pl.verdict(request, attempt, nodes)
	if err != nil {
		return Finding{}, err
	}
	found := Finding{}
	found.Blocked = dispatch.Blocked{Verdict: verdict, Wake: attempt.Wake, Usable: attempt.UsableNames()}
	if request.Elastic || found.Verdict.Reason == gang.ExceedsCluster || found.Verdict.Reason == gang.TopologyNotFound {
		return found, nil
	}
	if pl.gangs.Now().Before(request.SparesUntil) {
		found.Again = request.SparesUntil
		found.Verdict.Message += ". Nobody is evicted for it before " + request.SparesUntil.UTC().Format(time.RFC3339)
	} else {
		made, why, err := pl.makeRoom(ctx, request)
		if err != nil {
			return Finding{}, err
		}
		if made != nil {
			return *made, nil
		}
		if why != "" {
			found.Verdict.Message += ". No room can be made: " + why
		}
	}
	if request.Over == nil && pl.gangs.MayReserve(request) {
		return found, pl.reserve(request, attempt, &found)
	}
	return found, nil
}

// verdict is why the gang does not start now.
func (pl *FairShare) verdict(request state.Request, attempt *placement.Attempt, nodes []fwk.NodeInfo) (gang.Verdict, error) {
	switch {
	case request.Over != nil:
		return gang.Verdict{Reason: gang.QuotaExceeded, Message: request.Over.String()}, nil
	case attempt.Fault != "":
		return gang.Verdict{Reason: gang.TopologyNotFound, Message: attempt.Fault}, nil
	case attempt.Reserved:
		return gang.Verdict{Reason: gang.Reserved, Message: "there is room, but it is kept for " + pl.gangs.KeptFor(request)}, nil
	case attempt.Result == gang.Placed:
		// Only the framework's own cycle knows why: an extender, or a filter that is not asked when a gang is planned.
		return gang.Verdict{Reason: gang.Unschedulable, Message: "the nodes that have room were refused in the pod's own scheduling cycle"}, nil
	case !attempt.Constrained && !pl.gangs.FitsEmpty(request, attempt.UsableNames()):
		return gang.Verdict{Reason: gang.ExceedsCluster, Message: "the minimum would not fit if nothing else ran: " + attempt.Message}, nil
	case attempt.Topology != nil && !attempt.Constrained:
		fits, lack, err := attempt.FitsEmpty(nodes)
		switch {
		case err != nil:
			return gang.Verdict{}, fmt.Errorf("looking whether %s fits the empty cluster: %w", request.Key, err)
		case !fits:
			return gang.Verdict{Reason: gang.ExceedsCluster, Message: "the minimum would not fit in one domain if nothing else ran: " + lack}, nil
		}
	}
	if attempt.Scattered {
		return gang.Verdict{Reason: gang.TopologyNotMet, Message: attempt.Message}, nil
	}
	return gang.Verdict{Reason: gang.Unschedulable, Message: attempt.Message}, nil
}

// reserve finds out when the gang can start and has room kept for it from then on.
func (pl *FairShare) reserve(request state.Request, attempt *placement.Attempt, found *Finding) error {
	problem, outlook := pl.outlook(request, attempt)
	hold, start, err := reservation.Renew(problem, outlook.Own, outlook.Behind)
	if err != nil {
		return fmt.Errorf("looking ahead for %s: %w", request.Key, err)
	}
	// A gang that could start now by what it asks for is kept back by something that no forecast knows.
	if startsNow := start.Known && !start.At.After(outlook.Now); len(hold.Amount) > 0 && !startsNow {
		found.Hold, found.Start = &hold, start
	}
	return nil
}

// outlook asks internal/reservation's question about a request.
func (pl *FairShare) outlook(request state.Request, attempt *placement.Attempt) (reservation.Problem, state.Outlook) {
	outlook := pl.gangs.Outlook(request, attempt.Table, attempt.Nodes)
	asked := gang.Problem{Need: attempt.Problem.Need, Classes: attempt.UsableClasses()}
	return reservation.Problem{
		Table: attempt.Table, Gang: asked, Topology: attempt.Topology, Nodes: outlook.Nodes, Holds: outlook.Ahead, Now: outlook.Now, Runtime: request.Runtime,
	}, outlook
}
