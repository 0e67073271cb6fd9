package queue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	muster "github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/plugins/state"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func wantList(t *testing.T, what string, got, want corev1.ResourceList) {
	t.Helper()
	text := func(list corev1.ResourceList) map[string]string {
		words := map[string]string{}
		for name, q := range list {
			words[string(name)] = q.String()
		}
		return words
	}
	if diff := cmp.Diff(text(want), text(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestStatusOfALeaf(t *testing.T) {
	q := state.QueueState{
		Queue:     ledger.Queue{Name: "nlp", Guarantee: muster.Amounts{"nvidia.com/gpu": 16, "cpu": 4000}},
		Object:    &schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: "nlp", Generation: 3}},
		Leaf:      true,
		Usage:     muster.Amounts{"nvidia.com/gpu": 24, "cpu": 2500, "memory": 3 << 30, "pods": 5},
		FairShare: muster.Amounts{"nvidia.com/gpu": 32},
		Admitted:  2, Pending: 3,
		Reasons: map[gang.Reason]int{gang.Unschedulable: 1, gang.QuotaExceeded: 2},
		Head: &state.Head{
			Key: state.Key{Namespace: "team-a", Name: "llm"}, Verdict: gang.Verdict{Reason: gang.QuotaExceeded, Message: "60 of 64 in use"},
		},
	}
	status := statusOf(q, schedulingv1alpha1.QueueStatus{}, time.Minute, now)
	wantList(t, "allocated", status.Allocated, quantities("nvidia.com/gpu", "24", "cpu", "2500m", "memory", "3Gi", "pods", "5"))
	wantList(t, "guaranteed", status.Guaranteed, quantities("nvidia.com/gpu", "16", "cpu", "2500m"))
	wantList(t, "fairShare", status.FairShare, quantities("nvidia.com/gpu", "32"))
	if status.AdmittedGangs != 2 || status.PendingGangs != 3 {
		t.Errorf("%d admitted and %d pending gangs, want 2 and 3", status.AdmittedGangs, status.PendingGangs)
	}
	wantWaiting := []schedulingv1alpha1.WaitingGangs{{Reason: "QuotaExceeded", Count: 2}, {Reason: "Unschedulable", Count: 1}}
	if diff := cmp.Diff(wantWaiting, status.Waiting); diff != "" {
		t.Errorf("waiting, by precedence (-want +got):\n%s", diff)
	}
	wantHead := &schedulingv1alpha1.QueueHead{Kind: "PodGroup", Namespace: "team-a", Name: "llm", Reason: "QuotaExceeded", Message: "60 of 64 in use"}
	if diff := cmp.Diff(wantHead, status.Head); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
	if c := meta.FindStatusCondition(status.Conditions, "Ready"); c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != 3 {
		t.Errorf("Ready is %+v, want True for generation 3", c)
	}
	if !same(status, statusOf(q, status, time.Minute, now.Add(time.Hour))) {
		t.Error("the same queue gets another status an hour later")
	}
}

func TestConditions(t *testing.T) {
	for _, tc := range []struct {
		name            string
		queue           state.QueueState
		ready           metav1.ConditionStatus
		readyReason     string
		guaranteed      metav1.ConditionStatus
		guaranteeReason string
	}{
		{"leaf", state.QueueState{Leaf: true}, "True", "Ready", "True", "WithinCluster"},
		{"inner", state.QueueState{}, "True", "Ready", "True", "WithinCluster"},
		{"cycle", state.QueueState{Fault: &ledger.Fault{Code: ledger.Cycle}, Stopped: ledger.Hold}, "False", "Cycle", "True", "WithinCluster"},
		{"no parent", state.QueueState{Fault: &ledger.Fault{Code: ledger.ParentNotFound}}, "False", "ParentNotFound", "True", "WithinCluster"},
		{"on hold above", state.QueueState{Leaf: true, Stopped: ledger.Hold, StoppedBy: "research"}, "False", "Stopped", "True", "WithinCluster"},
		{"drained", state.QueueState{Leaf: true, Stopped: ledger.Drain, StoppedBy: "nlp"}, "False", "Stopped", "True", "WithinCluster"},
		{"guarantees more than there is", state.QueueState{Leaf: true, Shortfall: &ledger.Fault{Code: ledger.GuaranteeExceedsCluster}},
			"True", "Ready", "False", "GuaranteeExceedsCluster"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conditions := statusOf(tc.queue, schedulingv1alpha1.QueueStatus{}, time.Minute, now).Conditions
			for _, want := range []struct {
				kind, reason string
				status       metav1.ConditionStatus
			}{{"Ready", tc.readyReason, tc.ready}, {"Guaranteed", tc.guaranteeReason, tc.guaranteed}} {
				got := meta.FindStatusCondition(conditions, want.kind)
				if got == nil || got.Status != want.status || got.Reason != want.reason {
					t.Errorf("%s is %+v, want %s with reason %s", want.kind, got, want.status, want.reason)
				}
			}
		})
	}
}

func TestAConditionRemembersWhenItChanged(t *testing.T) {
	q := state.QueueState{Leaf: true}
	first := statusOf(q, schedulingv1alpha1.QueueStatus{}, time.Minute, now)
	q.Stopped, q.StoppedBy = ledger.Hold, "nlp"
	second := statusOf(q, first, time.Minute, now.Add(time.Minute))
	if at := meta.FindStatusCondition(second.Conditions, "Ready").LastTransitionTime.Time; !at.Equal(now.Add(time.Minute)) {
		t.Errorf("Ready changed at %s, want when the queue was stopped", at)
	}
	if at := meta.FindStatusCondition(second.Conditions, "Guaranteed").LastTransitionTime.Time; !at.Equal(now) {
		t.Errorf("Guaranteed changed at %s, want never", at)
	}
	if at := meta.FindStatusCondition(first.Conditions, "Ready").Status; at != metav1.ConditionTrue {
		t.Error("making a status changed the old one")
	}
}

func TestUsageIsWrittenNowAndThen(t *testing.T) {
	q := state.QueueState{Leaf: true, Decayed: muster.Amounts{"nvidia.com/gpu": 7}, AsOf: now}
	first := statusOf(q, schedulingv1alpha1.QueueStatus{}, time.Minute, now)
	if first.Usage == nil || !first.Usage.AsOf.Time.Equal(now) {
		t.Fatalf("usage is %+v, want that of now", first.Usage)
	}
	wantList(t, "decayed", first.Usage.Decayed, quantities("nvidia.com/gpu", "7"))
	for _, tc := range []struct {
		name  string
		after time.Duration
		want  time.Time
	}{
		{"soon", 59 * time.Second, now},
		{"after a minute", time.Minute, now.Add(time.Minute)},
		{"with a clock set back", -time.Hour, now.Add(-time.Hour)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q.AsOf = now.Add(tc.after)
			if got := statusOf(q, first, time.Minute, now.Add(tc.after)).Usage.AsOf.Time; !got.Equal(tc.want) {
				t.Errorf("usage is of %s, want %s", got, tc.want)
			}
		})
	}
	q.Decayed = nil
	if got := statusOf(q, first, time.Minute, now); got.Usage != nil {
		t.Errorf("usage is %+v where the past does not count, want none", got.Usage)
	}
}

func TestChangesComeInTurns(t *testing.T) {
	named := func(name string) state.QueueState {
		return state.QueueState{
			Queue: ledger.Queue{Name: name}, Leaf: true, Admitted: 1,
			Object: &schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: name}},
		}
	}
	implicit := named("default")
	implicit.Object = nil
	settled := named("settled")
	settled.Object.Status = statusOf(settled, schedulingv1alpha1.QueueStatus{}, time.Minute, now)
	written := map[string]time.Time{"a": now, "b": now.Add(-time.Minute), "gone": now}
	var names []string
	for _, c := range changes([]state.QueueState{named("a"), named("b"), named("c"), implicit, settled}, written, time.Minute, now) {
		names = append(names, c.queue.Name)
	}
	if diff := cmp.Diff([]string{"c", "b", "a"}, names); diff != "" {
		t.Errorf("what is due (-want +got):\n%s", diff)
	}
	if _, kept := written["gone"]; kept {
		t.Error("a queue that is gone is remembered")
	}
}
