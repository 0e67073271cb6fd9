package fairshare

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// WhatIf answers what would become of a gang that does not exist, by the code that decides about gangs that do. The pods have
// UIDs that are nobody's. It may only be called inside a scheduling cycle, and changes nothing.
func (pl *FairShare) WhatIf(ctx context.Context, question explain.Question) (answer explain.Answer, err error) {
	// No API server has admitted these pods. Should they be such as some plugin has never seen, nobody else shall suffer.
	defer func() {
		if problem := recover(); problem != nil {
			_ = pl.handle.MutableSnapshotSharedLister().EndMutations() // It fails where there is nothing to undo.
			klog.FromContext(ctx).Error(nil, "Answering a question failed", "panic", problem, "stack", string(debug.Stack()))
			err = fmt.Errorf("no plugin was prepared for this gang: %v", problem)
		}
	}()
	s := pl.gangs.Suppose(question.PodGroup, pointers(question.Pods))
	answer = explain.Answer{Verdict: explain.Later, Queue: s.Request.Queue, Chain: s.Chain, Reason: s.Verdict.Reason, Message: s.Verdict.Message}
	if s.Never {
		answer.Verdict = explain.Never
	}
	if s.Verdict.Reason != gang.None {
		answer.Position, answer.Hints = s.Place, pl.gangs.Hints(s.Request, s.Verdict.Reason, nil)
		return answer, nil
	}
	nodes, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return answer, fmt.Errorf("listing the nodes of the snapshot: %w", err)
	}
	attempt, err := pl.planner.Plan(ctx, s.Request, nodes, placement.OnCycle)
	if err != nil {
		return answer, err
	}
	if attempt.Result == gang.Placed && s.Request.Over == nil {
		answer.Verdict, answer.Known, answer.Start = explain.StartsNow, true, pl.gangs.Now()
		answer.Placement = placementOf(s.Request, attempt.Placements)
		return answer, nil
	}
	found, err := pl.Judge(ctx, s.Request, attempt)
	if err != nil {
		return answer, err
	}
	err = pl.answer(&answer, s, attempt, found)
	return answer, err
}

// answer says what was found for a gang that would not start at once.
func (pl *FairShare) answer(answer *explain.Answer, s state.Supposition, attempt *placement.Attempt, found Finding) error {
	request := s.Request
	answer.Reason, answer.Message = found.Verdict.Reason, found.Verdict.Message
	answer.Placement = placementOf(request, found.Placements)
	switch {
	case len(found.Evicted) > 0:
		answer.Verdict, answer.Victims, answer.Ratio = explain.AfterEvictions, victimsOf(found.Evicted), found.Ratio
		answer.Message = "" // The victims say it.
		if s.Delay > 0 {
			answer.Message = fmt.Sprintf("nobody is evicted for it in the first %s", s.Delay)
		}
		return nil
	case found.Verdict.Reason == gang.MakingRoom:
		answer.Message = fmt.Sprintf("%d pods are leaving already, whose room it would get", len(found.Victims))
		return nil
	}
	if request.Over == nil && found.Verdict.Reason != gang.ExceedsCluster {
		problem, outlook := pl.outlook(request, attempt)
		_, start, err := reservation.Renew(problem, outlook.Own, outlook.Behind)
		if err != nil {
			return fmt.Errorf("looking ahead for %s: %w", request.Key, err)
		}
		// A forecast of now for a gang that finds no room now knows less than the filters do.
		if start.Known && start.At.After(outlook.Now) {
			answer.Known, answer.Start = true, start.At
			answer.Placement = placementOf(request, attempt.Assign(start.Runs))
		}
		// Where members share more than resources, a volume that is missing may be all that is in the way.
		if start.Result == gang.Impossible && !attempt.Constrained {
			answer.Reason = gang.ExceedsCluster
		}
	}
	if answer.Position = s.Place; answer.Reason == gang.ExceedsCluster {
		answer.Verdict, answer.Position = explain.Never, 0
	}
	if usable := attempt.UsableNames(); usable == nil || len(usable) > 0 || !attempt.Constrained {
		answer.Hints = pl.gangs.Hints(request, answer.Reason, usable)
	}
	return nil
}

func pointers(pods []corev1.Pod) []*corev1.Pod {
	list := make([]*corev1.Pod, len(pods))
	for i := range pods {
		list[i] = &pods[i]
	}
	return list
}

// placementOf counts the members of each role on each node.
func placementOf(request state.Request, placements []state.Placement) []explain.Placement {
	roles := make(map[string]string, len(request.Pods))
	for _, pod := range request.Pods {
		roles[string(pod.UID)] = state.RoleOf(pod.Labels)
	}
	counts := map[explain.Placement]int{}
	for _, placement := range placements {
		counts[explain.Placement{Role: roles[string(placement.UID)], Node: placement.Node}]++
	}
	var list []explain.Placement
	for place, count := range counts {
		place.Count = count
		list = append(list, place)
	}
	slices.SortFunc(list, func(a, b explain.Placement) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Node, b.Node))
	})
	return list
}

// victimsOf sums the units of each gang up.
func victimsOf(units []state.Unit) []explain.Victim {
	var victims []explain.Victim
	at := map[state.Key]int{}
	for _, unit := range units {
		i, known := at[unit.Key]
		if !known {
			i = len(victims)
			at[unit.Key] = i
			kind := explain.KindPodGroup
			if unit.Key.Single() {
				kind = explain.KindPod
			}
			victims = append(victims, explain.Victim{
				Namespace: unit.Key.Namespace, Name: unit.Key.Name, Kind: kind, Queue: unit.Queue, Priority: unit.Priority,
			})
		}
		victims[i].Pods += len(unit.Pods)
		victims[i].LostGPUSeconds += unit.Lost
		victims[i].Whole = victims[i].Whole || unit.Rest
	}
	return victims
}
