package state

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newTestRegistry() *Registry { return NewRegistry(func() time.Time { return epoch }) }

func podGroup(name string, minMember int32, minMembers string) *podgroupv1alpha1.PodGroup {
	pg := &podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name)}}
	pg.Spec.MinMember = minMember
	if minMembers != "" {
		pg.Annotations = map[string]string{schedulingv1alpha1.MinMembersAnnotation: minMembers}
	}
	return pg
}

func pod(gang, name string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), CreationTimestamp: metav1.Time{Time: epoch}}}
	p.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
	if gang != "" {
		p.Labels = map[string]string{schedulingv1alpha1.PodGroupLabel: gang}
	}
	return p
}

func on(p *corev1.Pod, node string) *corev1.Pod {
	p = p.DeepCopy()
	p.Spec.NodeName = node
	return p
}

func names(pods []*corev1.Pod) []string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return names
}

func wantAdmitted(t *testing.T, r *Registry, p *corev1.Pod, want bool) {
	t.Helper()
	if got, why := r.Admit(p); got != want {
		t.Errorf("Admit(%s) = %t (%s), want %t", p.Name, got, why, want)
	}
}

func wantReason(t *testing.T, r *Registry, name string, want gang.Reason) {
	t.Helper()
	view, ok := r.View(Key{Namespace: "ns", Name: name})
	if !ok || view.Verdict.Reason != want {
		t.Errorf("gang %s waits for %q (%s), want %q", name, view.Verdict.Reason, view.Verdict.Message, want)
	}
}

// plan commits a plan that puts every ready member on node n, the leader first.
func planAll(t *testing.T, r *Registry, leader *corev1.Pod) Effects {
	t.Helper()
	standing, _, request := r.Standing(leader)
	if standing != Leading {
		t.Fatalf("pod %s has standing %d, want it to lead", leader.Name, standing)
	}
	var placements []Placement
	for _, p := range request.Pods {
		placements = append(placements, Placement{UID: p.UID, Node: "n"})
	}
	effects, err := r.Commit(request, placements)
	if err != nil {
		t.Fatal(err)
	}
	return effects
}

func TestOnlyTheLeaderEntersUntilThereIsAPlan(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 3, ""))
	a, b, c := pod("g", "a"), pod("g", "b"), pod("g", "c")
	wantAdmitted(t, r, a, false)
	wantReason(t, r, "g", gang.WaitingForMembers)
	wantAdmitted(t, r, b, false)
	// The last member to come completes the gang and leads it: nobody else has to be woken.
	wantAdmitted(t, r, c, true)
	wantReason(t, r, "g", gang.NotYetPlanned)
	wantAdmitted(t, r, a, false)

	effects := planAll(t, r, c)
	if got := names(effects.Activate); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("the plan lets in %v, want a and b", got)
	}
	for i, p := range []*corev1.Pod{c, a, b} {
		wantAdmitted(t, r, p, true)
		if standing, node, _ := r.Standing(p); standing != Planned || node != "n" {
			t.Errorf("pod %s has standing %d on %q", p.Name, standing, node)
		}
		if err := r.Reserve(p, "n"); err != nil {
			t.Fatal(err)
		}
		permission, effects := r.Permit(p)
		if (permission == Wait) != (i < 2) {
			t.Errorf("pod %s has permission %d", p.Name, permission)
		}
		if i == 2 && len(effects.Allow) != 2 {
			t.Errorf("the last member lets %v go, want the two others", effects.Allow)
		}
	}
	wantReason(t, r, "g", gang.None)
}

func TestNothingIsHeldWhenAMemberFails(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	a, b := pod("g", "a"), pod("g", "b")
	r.Admit(a)
	r.Admit(b)
	planAll(t, r, b)
	if err := r.Reserve(b, "n"); err != nil {
		t.Fatal(err)
	}
	r.Permit(b)
	effects := r.GiveBack(a.UID)
	if !slices.Equal(effects.Reject, []types.UID{"b"}) {
		t.Errorf("rejected %v, want b", effects.Reject)
	}
	r.GiveBack(b.UID)
	view, _ := r.View(Key{Namespace: "ns", Name: "g"})
	if view.Reserved != 0 || len(view.Waiting) != 2 {
		t.Errorf("after giving back: %d reserved, %d waiting", view.Reserved, len(view.Waiting))
	}
	if r.gangs[view.Key].plan != nil {
		t.Error("the plan stands")
	}
}

func TestMemberDeletedBetweenPlanAndBind(t *testing.T) {
	for _, tc := range []struct {
		name     string
		min      int32
		wantFall bool
	}{
		{name: "needed", min: 3, wantFall: true},
		{name: "surplus", min: 2, wantFall: false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newTestRegistry()
			r.SetPodGroup(podGroup("g", tc.min, ""))
			pods := []*corev1.Pod{pod("g", "a"), pod("g", "b"), pod("g", "c")}
			for _, p := range pods {
				r.SetPod(p)
			}
			leader := pods[0]
			wantAdmitted(t, r, leader, true)
			planAll(t, r, leader)
			if err := r.Reserve(leader, "n"); err != nil {
				t.Fatal(err)
			}
			if permission, _ := r.Permit(leader); permission != Wait {
				t.Fatal("the leader does not wait")
			}
			effects := r.DeletePod("c")
			if fell := len(effects.Reject) == 1; fell != tc.wantFall {
				t.Errorf("the plan fell: %t, want %t", fell, tc.wantFall)
			}
			if !tc.wantFall {
				if err := r.Reserve(pods[1], "n"); err != nil {
					t.Fatal(err)
				}
				if permission, effects := r.Permit(pods[1]); permission != Go || len(effects.Allow) != 1 {
					t.Errorf("the rest of the plan has permission %d, lets go %v", permission, effects.Allow)
				}
			}
		})
	}
}

func TestLeaderDeleted(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	a, b, c := pod("g", "a"), pod("g", "b"), pod("g", "c")
	r.SetPod(a)
	effects := r.SetPod(b)
	if got := names(effects.Activate); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("activated %v, want a to lead", got)
	}
	r.SetPod(c)
	effects = r.DeletePod("a")
	if got := names(effects.Activate); !slices.Equal(got, []string{"b"}) {
		t.Errorf("activated %v, want b to lead in place of a", got)
	}
}

func TestRestartWithHalfTheGangBound(t *testing.T) {
	r := newTestRegistry()
	r.SetPod(on(pod("g", "a"), "n"))
	r.SetPod(pod("g", "b"))
	wantReason(t, r, "g", gang.PodGroupNotFound)
	effects := r.SetPodGroup(podGroup("g", 2, ""))
	if got := names(effects.Activate); !slices.Equal(got, []string{"b"}) {
		t.Fatalf("activated %v, want b to complete the gang", got)
	}
	view, _ := r.View(Key{Namespace: "ns", Name: "g"})
	if !view.Partial() {
		t.Error("a gang with half of its minimum bound is not reported as partial")
	}
	standing, _, request := r.Standing(pod("g", "b"))
	if standing != Leading || request.Need.Total != 1 {
		t.Errorf("standing %d, need %+v, want b to be planned alone", standing, request.Need)
	}
}

func TestSucceededMembersAreNotLost(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	key := Key{Namespace: "ns", Name: "g"}
	for _, name := range []string{"a", "b"} {
		r.SetPod(on(pod("g", name), "n"))
	}
	wantReason(t, r, "g", gang.None)
	// Either informer may be first.
	r.SetSucceeded(key, "a", "")
	r.DeletePod("a")
	r.DeletePod("b")
	r.SetSucceeded(key, "b", "")
	wantReason(t, r, "g", gang.None)
	// One of them is deleted, and its successor has only itself to wait for.
	r.ForgetSucceeded(key, "b")
	r.SetPod(pod("g", "b2"))
	wantReason(t, r, "g", gang.NotYetPlanned)
}

func TestNodeLostBreaksAndMends(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	key := Key{Namespace: "ns", Name: "g"}
	r.SetPod(on(pod("g", "a"), "n"))
	r.SetPod(on(pod("g", "b"), "n"))
	terminating := on(pod("g", "b"), "n")
	terminating.DeletionTimestamp = &metav1.Time{Time: epoch}
	r.SetPod(terminating)
	if view, _ := r.View(key); view.BrokenSince.IsZero() || view.Partial() {
		t.Errorf("broken since %v, partial %t: want broken, not partial", view.BrokenSince, view.Partial())
	}
	wantAdmitted(t, r, pod("g", "b2"), true)
	newer := pod("", "single")
	if !r.Less(pod("g", "b2"), newer) {
		t.Error("the broken gang does not go before a newer pod of equal priority")
	}
	planAll(t, r, pod("g", "b2"))
	if view, _ := r.View(key); !view.BrokenSince.IsZero() {
		t.Error("broken although it is being mended")
	}
}

func TestSurplusComesAndGoesOneByOne(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	r.SetPod(on(pod("g", "a"), "n"))
	b := pod("g", "b")
	wantAdmitted(t, r, b, true)
	if standing, _, _ := r.Standing(b); standing != Free {
		t.Errorf("surplus has standing %d, want Free", standing)
	}
	if err := r.Reserve(b, "n"); err != nil {
		t.Fatal(err)
	}
	if permission, _ := r.Permit(b); permission != Go {
		t.Error("surplus waits in Permit")
	}
}

func TestBadPodGroups(t *testing.T) {
	for _, tc := range []struct {
		name string
		pg   *podgroupv1alpha1.PodGroup
		want gang.Reason
	}{
		{name: "missing", want: gang.PodGroupNotFound},
		{name: "minMember zero", pg: podGroup("g", 0, ""), want: gang.Misconfigured},
		{name: "malformed annotation", pg: podGroup("g", 1, "{"), want: gang.Misconfigured},
		{name: "more than exist", pg: podGroup("g", 2, ""), want: gang.WaitingForMembers},
		{name: "role that nobody has", pg: podGroup("g", 1, `{"ps":1}`), want: gang.WaitingForMembers},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newTestRegistry()
			if tc.pg != nil {
				r.SetPodGroup(tc.pg)
			}
			wantAdmitted(t, r, pod("g", "a"), false)
			wantReason(t, r, "g", tc.want)
			// The user mends it.
			effects := r.SetPodGroup(podGroup("g", 1, ""))
			if got := names(effects.Activate); !slices.Equal(got, []string{"a"}) {
				t.Errorf("after it was mended %v is activated, want a", got)
			}
		})
	}
}

func TestQueueOrder(t *testing.T) {
	r := newTestRegistry()
	late := podGroup("late", 1, "")
	late.CreationTimestamp = metav1.Time{Time: epoch.Add(time.Minute)}
	r.SetPodGroup(late)
	early := podGroup("early", 1, "")
	early.CreationTimestamp = metav1.Time{Time: epoch}
	r.SetPodGroup(early)
	l, e := pod("late", "a"), pod("early", "z")
	r.Admit(l)
	r.Admit(e)
	if !r.Less(e, l) {
		t.Error("the older gang does not go first")
	}
	urgent := pod("", "urgent")
	urgent.Spec.Priority = new(int32)
	*urgent.Spec.Priority = 10
	if !r.Less(urgent, e) {
		t.Error("the higher priority does not go first")
	}
	planAll(t, r, l)
	if !r.Less(l, urgent) {
		t.Error("a member that is being committed does not go before everybody else")
	}
}

func TestMixedPriorityCountsAsTheHighest(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	low, high := pod("g", "low"), pod("g", "high")
	high.Spec.Priority = new(int32)
	*high.Spec.Priority = 5
	r.Admit(high)
	wantAdmitted(t, r, low, true)
	if got := r.order.get(low).priority; got != 5 {
		t.Errorf("the leader goes with priority %d, want the highest of the gang", got)
	}
}

// A member whose claim is still to be made from a template cannot be planned, and the last claim wakes the gang.
func TestGangWaitsForTheClaimsOfItsMembers(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	template, made := "template", "made"
	withClaim := func(p *corev1.Pod) *corev1.Pod {
		p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimTemplateName: &template}}
		return p
	}
	a, b := withClaim(pod("g", "a")), withClaim(pod("g", "b"))
	for _, p := range []*corev1.Pod{a, b} {
		if effects := r.SetPod(p); len(effects.Activate) > 0 {
			t.Errorf("%v are activated before there are claims", names(effects.Activate))
		}
	}
	wantReason(t, r, "g", gang.WaitingForMembers)
	wantAdmitted(t, r, a, false)
	for i, p := range []*corev1.Pod{a, b} {
		p = p.DeepCopy()
		p.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "gpu", ResourceClaimName: &made}}
		if effects := r.SetPod(p); len(effects.Activate) != i {
			t.Errorf("after the claim of %s: %v are activated, want %d", p.Name, names(effects.Activate), i)
		}
	}
}

func TestAChangeIsAnotherChance(t *testing.T) {
	key := Key{Namespace: "ns", Name: "g"}
	for name, change := range map[string]func(*Registry){
		"another minimum": func(r *Registry) { r.SetPodGroup(podGroup("g", 1, "")) },
		"another member":  func(r *Registry) { r.SetPod(pod("g", "c")) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestRegistry()
			r.SetPodGroup(podGroup("g", 2, ""))
			r.SetPod(pod("g", "a"))
			r.SetPod(pod("g", "b"))
			r.Standing(pod("g", "a"))
			r.Fail(key, Failure{Message: "no room"})
			if effects := r.Retry(); len(effects.Activate) != 0 {
				t.Fatalf("activated %v though nothing changed", names(effects.Activate))
			}
			change(r)
			if got := names(r.Retry().Activate); !slices.Equal(got, []string{"a"}) {
				t.Errorf("activated %v, want the leader a", got)
			}
			if effects := r.Retry(); len(effects.Activate) != 0 {
				t.Errorf("activated %v again", names(effects.Activate))
			}
		})
	}
}

// A deleted PodGroup is missed only by members that wait: not by those that run or are being deleted.
func TestRunningMembersDoNotMissTheirPodGroup(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	running := on(pod("g", "a"), "n")
	r.SetPod(running)
	r.DeletePodGroup(Key{Namespace: "ns", Name: "g"})
	wantReason(t, r, "g", gang.None)
	r.SetPod(pod("g", "b"))
	wantReason(t, r, "g", gang.PodGroupNotFound)
	r.DeletePod("b")
	leaving := running.DeepCopy()
	leaving.DeletionTimestamp = &metav1.Time{Time: epoch}
	r.SetPod(leaving)
	wantReason(t, r, "g", gang.None)
}

func TestAGangThatBecomesWholeIsChallenged(t *testing.T) {
	r := newTestRegistry()
	r.SetPodGroup(podGroup("low", 1, ""))
	r.SetPodGroup(podGroup("high", 1, ""))
	urgent := pod("high", "urgent")
	urgent.Spec.Priority = new(int32(5))
	r.SetPod(urgent)
	r.Standing(urgent)
	r.Fail(Key{Namespace: "ns", Name: "high"}, Failure{Message: "no room"})
	lowly := pod("low", "lowly")
	r.SetPod(lowly)
	planAll(t, r, lowly)
	if err := r.Reserve(lowly, "n"); err != nil {
		t.Fatal(err)
	}
	r.Permit(lowly)
	if got := names(r.SetPod(on(lowly, "n")).Activate); !slices.Equal(got, []string{"urgent"}) {
		t.Errorf("activated %v, want the leader that may evict the gang now", got)
	}
}
