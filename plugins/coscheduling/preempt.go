package coscheduling

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/plugins/state"
)

// preemptTries bounds how often the complete placement is simulated for one decision about victims.
const preemptTries = 64

// preempt makes room for a gang, or a pod of no gang, by evicting what has a lower priority: members beyond the minimum
// of their gang first, then whole gangs. Nothing is evicted unless all that is missing fits afterwards, and no victim
// that can be spared. The room is kept for who it was made for by nominating the places.
//
// Members beyond a gang's minimum never get here: what may come and go does not drive others out.
//
// It returns the node that the pod of this cycle is nominated for, empty where there is none, and what was done in words.
func (pl *Coscheduling) preempt(ctx context.Context, pod *corev1.Pod, request state.Request) (node, message string, err error) {
	if policy := pod.Spec.PreemptionPolicy; policy != nil && *policy == corev1.PreemptNever {
		return "", "", nil
	}
	if pl.stillLeaving(request.Key) {
		return pod.Status.NominatedNodeName, "victims of an earlier decision have still to leave", nil
	}
	candidates := pl.candidates(request.Priority)
	if len(candidates) == 0 {
		return "", "", nil
	}
	snapshot := pl.handle.MutableSnapshotSharedLister()
	if err := snapshot.StartMutations(); err != nil {
		return "", "", fmt.Errorf("starting to simulate on the snapshot: %w", err)
	}
	victims, placements, err := pl.chooseVictims(ctx, request, candidates, snapshot)
	if endErr := snapshot.EndMutations(); err == nil && endErr != nil {
		err = fmt.Errorf("putting the snapshot back: %w", endErr)
	}
	if err != nil || len(victims) == 0 {
		return "", "", err
	}
	if budget := pl.violatedBudget(victims); budget != "" {
		return "", fmt.Sprintf("evicting %d pods of lower priority would make room, but PodDisruptionBudget %s forbids it", len(victims), budget), nil
	}
	pl.nominate(ctx, request, placements)
	at := slices.IndexFunc(placements, func(placement state.Placement) bool { return placement.UID == pod.UID })
	if at >= 0 {
		node = placements[at].Node
	}
	return node, pl.evictAll(ctx, request.Key, victims), nil
}

// candidates lists what may be evicted for something of a priority, the cheapest first.
func (pl *Coscheduling) candidates(priority int32) []state.Evictable {
	evictable := pl.gangs.Evictable(priority)
	nodes, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return evictable
	}
	var singles []state.Evictable
	for _, node := range nodes {
		for _, info := range node.GetPods() {
			pod := info.GetPod()
			_, isMember := state.GangOf(pod)
			if isMember || pod.Spec.SchedulerName != schedulingv1alpha1.SchedulerName || pod.DeletionTimestamp != nil ||
				pod.Annotations[schedulingv1alpha1.PreemptibleAnnotation] == "false" || pl.gangs.PriorityOf(pod) >= priority {
				continue
			}
			singles = append(singles, state.Evictable{Key: keyOf(pod), Priority: pl.gangs.PriorityOf(pod), Pods: []*corev1.Pod{pod}})
		}
	}
	all := slices.DeleteFunc(slices.Concat(singles, evictable), func(candidate state.Evictable) bool {
		return pl.violatedBudget(candidate.Pods) != ""
	})
	slices.SortStableFunc(all, func(a, b state.Evictable) int {
		if a.Rest != b.Rest {
			if b.Rest {
				return -1
			}
			return 1
		}
		return int(min(max(int64(a.Priority)-int64(b.Priority), -1), 1))
	})
	return all
}

func keyOf(pod *corev1.Pod) state.Key { return state.Key{Namespace: pod.Namespace, Name: pod.Name} }

// chooseVictims simulates evictions on the snapshot until what is missing fits, and returns the pods to evict and the
// places that they leave.
func (pl *Coscheduling) chooseVictims(ctx context.Context, request state.Request, evictable []state.Evictable, snapshot fwk.MutableSnapshotSharedLister) ([]*corev1.Pod, []state.Placement, error) {
	candidates := make([]gang.Candidate, len(evictable))
	for i, rest := range evictable {
		for j := range i {
			if rest.Rest && evictable[j].Key == rest.Key && !evictable[j].Rest {
				candidates[i].Requires = append(candidates[i].Requires, j)
			}
		}
	}
	now := make([]bool, len(evictable))
	var placements []state.Placement
	victims, err := gang.Victims(candidates, preemptTries, func(gone []bool) (bool, error) {
		for i := range gone {
			if err := apply(ctx, snapshot, evictable[i], now[i], gone[i]); err != nil {
				return false, err
			}
			now[i] = gone[i]
		}
		nodes, err := snapshot.NodeInfos().List()
		if err != nil {
			return false, fmt.Errorf("listing the nodes of the snapshot: %w", err)
		}
		placed, refusal, err := pl.plan(ctx, request, nodes, onMutated)
		if err == nil && refusal == nil {
			placements = placed
		}
		return refusal == nil, err
	})
	if err != nil {
		return nil, nil, err
	}
	var pods []*corev1.Pod
	for _, v := range victims {
		pods = append(pods, evictable[v].Pods...)
	}
	return pods, placements, nil
}

// apply takes a candidate's pods from the snapshot, or puts them back.
func apply(ctx context.Context, snapshot fwk.MutableSnapshotSharedLister, candidate state.Evictable, was, gone bool) error {
	if was == gone {
		return nil
	}
	for _, pod := range candidate.Pods {
		if gone {
			if err := snapshot.RemovePod(klog.FromContext(ctx), pod, pod.Spec.NodeName); err != nil {
				return fmt.Errorf("taking pod %s/%s from the snapshot: %w", pod.Namespace, pod.Name, err)
			}
			continue
		}
		info, err := framework.NewPodInfo(pod)
		if err != nil {
			return fmt.Errorf("reading the affinity of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		if err := snapshot.AddPod(info, pod.Spec.NodeName); err != nil {
			return fmt.Errorf("putting pod %s/%s back into the snapshot: %w", pod.Namespace, pod.Name, err)
		}
	}
	return nil
}

// nominate keeps the places for their pods against everybody of lower priority.
func (pl *Coscheduling) nominate(ctx context.Context, request state.Request, placements []state.Placement) {
	node := make(map[types.UID]string, len(placements))
	for _, placement := range placements {
		node[placement.UID] = placement.Node
	}
	for _, pod := range request.Pods {
		name, placed := node[pod.UID]
		info, err := framework.NewPodInfo(pod)
		if !placed || err != nil {
			continue
		}
		pl.handle.AddNominatedPod(klog.FromContext(ctx), info, &fwk.NominatingInfo{NominatedNodeName: name, NominatingMode: fwk.ModeOverride})
	}
}

// violatedBudget names a PodDisruptionBudget that does not allow to evict all of the pods, and is empty when all do. The
// Eviction API would refuse only the last ones, and leave a gang half alive.
func (pl *Coscheduling) violatedBudget(pods []*corev1.Pod) string {
	budgets, err := pl.budgets.List(labels.Everything())
	if err != nil {
		return err.Error()
	}
	for _, budget := range budgets {
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil {
			continue // The API server refuses such a budget.
		}
		victims := 0
		for _, pod := range pods {
			if pod.Namespace == budget.Namespace && selector.Matches(labels.Set(pod.Labels)) {
				victims++
			}
		}
		if victims > int(budget.Status.DisruptionsAllowed) && victims > 0 {
			return budget.Namespace + "/" + budget.Name
		}
	}
	return ""
}

// evictAll asks the Eviction API for every victim. One that is refused, by a PodDisruptionBudget for example, is asked
// again when the gang's turn comes again.
func (pl *Coscheduling) evictAll(ctx context.Context, preemptor state.Key, victims []*corev1.Pod) string {
	var gone []types.UID
	var refused []string
	for _, victim := range victims {
		if err := evictPod(ctx, pl.handle.ClientSet(), victim); err != nil {
			refused = append(refused, err.Error())
			continue
		}
		gone = append(gone, victim.UID)
		pl.handle.EventRecorder().WithLogger(klog.FromContext(ctx)).Eventf(victim, nil, corev1.EventTypeNormal, "Preempted", "Preempting",
			"evicted to make room for %s, which has a higher priority", preemptor)
	}
	pl.remember(preemptor, gone)
	if len(refused) > 0 {
		return fmt.Sprintf("%d of %d victims could not be evicted: %s", len(refused), len(victims), strings.Join(refused, "; "))
	}
	return fmt.Sprintf("%d pods of lower priority are being evicted to make room", len(victims))
}

// remember keeps whom a gang waits for.
func (pl *Coscheduling) remember(preemptor state.Key, victims []types.UID) {
	pl.leavingMu.Lock()
	defer pl.leavingMu.Unlock()
	pl.leaving[preemptor] = victims
}

// stillLeaving reports whether a pod that was evicted for a gang is still there: as long as that is so, evicting more
// would be evicting too much.
func (pl *Coscheduling) stillLeaving(preemptor state.Key) bool {
	pl.leavingMu.Lock()
	defer pl.leavingMu.Unlock()
	victims := pl.leaving[preemptor]
	if len(victims) == 0 {
		return false
	}
	nodes, err := pl.handle.SnapshotSharedLister().NodeInfos().List()
	if err != nil {
		return false
	}
	for _, node := range nodes {
		for _, info := range node.GetPods() {
			if slices.Contains(victims, info.GetPod().UID) {
				return true
			}
		}
	}
	delete(pl.leaving, preemptor)
	return false
}
