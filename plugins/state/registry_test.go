package state

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/gang"
)

func TestOnlyTheLeaderEntersUntilThereIsAPlan(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 3, ""))
	a, b, c := pod("g", "a"), pod("g", "b"), pod("g", "c")
	for _, p := range []*corev1.Pod{a, b} {
		wantActivated(t, r.SetPod(p))
		wantAdmitted(t, r, p, false)
		wantReason(t, r, "g", gang.WaitingForMembers)
	}
	// The last member to come completes the gang.
	wantActivated(t, r.SetPod(c), "a")
	wantReason(t, r, "g", gang.NotYetPlanned)
	wantAdmitted(t, r, a, true)
	wantAdmitted(t, r, b, false)
	wantAdmitted(t, r, c, false)

	wantActivated(t, planAll(t, r, a), "b", "c")
	wantReason(t, r, "g", gang.Committing)
	for i, p := range []*corev1.Pod{a, b, c} {
		wantAdmitted(t, r, p, true)
		if standing, node, _ := r.Standing(p); standing != Planned || node != "n" {
			t.Errorf("pod %s has standing %d on %q", p.Name, standing, node)
		}
		reserve(t, r, p)
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
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	a, b := pod("g", "a"), pod("g", "b")
	r.SetPod(a)
	r.SetPod(b)
	planAll(t, r, a)
	reserve(t, r, a)
	r.Permit(a)
	effects := giveBack(r, b)
	if !slices.Equal(effects.Reject, []types.UID{"a"}) {
		t.Errorf("rejected %v, want a", effects.Reject)
	}
	giveBack(r, a)
	view, _ := r.View(gangKey("g"))
	if view.Reserved != 0 || len(view.Waiting) != 2 {
		t.Errorf("after giving back: %d reserved, %d waiting", view.Reserved, len(view.Waiting))
	}
	if r.gangs[view.Key].plan != nil {
		t.Error("the plan stands")
	}
	if usage := r.line.Ledger.Usage("default"); len(usage) != 0 {
		t.Errorf("the queue is charged for %v", usage)
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
			r, _ := newTestRegistry()
			r.SetPodGroup(podGroup("g", tc.min, ""))
			pods := []*corev1.Pod{pod("g", "a"), pod("g", "b"), pod("g", "c")}
			for _, p := range pods {
				r.SetPod(p)
			}
			leader := pods[0]
			wantAdmitted(t, r, leader, true)
			planAll(t, r, leader)
			reserve(t, r, leader)
			if permission, _ := r.Permit(leader); permission != Wait {
				t.Fatal("the leader does not wait")
			}
			effects := r.DeletePod("c")
			if fell := len(effects.Reject) == 1; fell != tc.wantFall {
				t.Errorf("the plan fell: %t, want %t", fell, tc.wantFall)
			}
			if !tc.wantFall {
				reserve(t, r, pods[1])
				if permission, effects := r.Permit(pods[1]); permission != Go || len(effects.Allow) != 1 {
					t.Errorf("the rest of the plan has permission %d, lets go %v", permission, effects.Allow)
				}
			}
		})
	}
}

// A member that is gone is charged for no longer, although others of its plan are still to be bound.
func TestBoundMemberDeletedBeforeTheRestIsBound(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	a, b := pod("g", "a"), pod("g", "b")
	b.CreationTimestamp.Time = epoch.Add(1)
	r.SetPod(a)
	r.SetPod(b)
	planAll(t, r, a)
	reserve(t, r, a)
	r.Permit(a)
	set(r, on(a, "n"))
	drop(r, on(a, "n"))
	if usage := r.line.Ledger.Usage("default")["cpu"]; usage != 1000 {
		t.Errorf("%d milli-CPU are charged, want those of b, which is planned or has its turn", usage)
	}
}

func TestLeaderDeleted(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	r.SetPod(pod("g", "a"))
	wantActivated(t, r.SetPod(pod("g", "b")), "a")
	r.SetPod(pod("g", "c"))
	wantActivated(t, r.DeletePod("a"), "b")
}

func TestRestartWithHalfTheGangBound(t *testing.T) {
	r, _ := newTestRegistry()
	set(r, on(pod("g", "a"), "n"))
	r.SetPod(pod("g", "b"))
	wantReason(t, r, "g", gang.PodGroupNotFound)
	wantActivated(t, r.SetPodGroup(podGroup("g", 2, "")), "b")
	view, _ := r.View(gangKey("g"))
	if !view.Partial() {
		t.Error("a gang with half of its minimum bound is not reported as partial")
	}
	standing, _, request := r.Standing(pod("g", "b"))
	if standing != Leading || request.Need.Total != 1 {
		t.Errorf("standing %d, need %+v, want b to be planned alone", standing, request.Need)
	}
}

func TestSucceededMembersAreNotLost(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	for _, name := range []string{"a", "b"} {
		set(r, on(pod("g", name), "n"))
	}
	wantReason(t, r, "g", gang.None)
	// Either informer may be first.
	r.SetSucceeded(gangKey("g"), "a", "")
	r.DeletePod("a")
	r.DeletePod("b")
	r.SetSucceeded(gangKey("g"), "b", "")
	wantReason(t, r, "g", gang.None)
	// One of them is deleted, and its successor has only itself to wait for.
	r.ForgetSucceeded(gangKey("g"), "b")
	r.SetPod(pod("g", "b2"))
	wantReason(t, r, "g", gang.NotYetPlanned)
}

func TestNodeLostBreaksAndMends(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	set(r, on(pod("g", "a"), "n"))
	set(r, on(pod("g", "b"), "n"))
	set(r, leaving(on(pod("g", "b"), "n")))
	if view, _ := r.View(gangKey("g")); view.BrokenSince.IsZero() || view.Partial() {
		t.Errorf("broken since %v, partial %t: want broken, not partial", view.BrokenSince, view.Partial())
	}
	r.SetPod(pod("g", "b2"))
	wantAdmitted(t, r, pod("g", "b2"), true)
	if !r.Less(pod("g", "b2"), pod("", "single")) {
		t.Error("the broken gang does not go before a newer pod of equal priority")
	}
	planAll(t, r, pod("g", "b2"))
	if view, _ := r.View(gangKey("g")); !view.BrokenSince.IsZero() {
		t.Error("broken although it is being mended")
	}
}

func TestSurplusComesAndGoesOneByOne(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	set(r, on(pod("g", "a"), "n"))
	b, c := pod("g", "b"), pod("g", "c")
	wantActivated(t, r.SetPod(b), "b")
	wantActivated(t, r.SetPod(c))
	wantAdmitted(t, r, b, true)
	wantAdmitted(t, r, c, false)
	standing, _, request := r.Standing(b)
	if standing != Free || !request.Elastic || request.Need.Total != 1 || len(request.Pods) != 1 {
		t.Errorf("surplus has standing %d and asks for %+v, want it Free and alone", standing, request)
	}
	wantActivated(t, reserve(t, r, b), "c")
	if permission, _ := r.Permit(b); permission != Go {
		t.Error("surplus waits in Permit")
	}
	// What had been reserved last goes on its own, and the gang is none the worse for it.
	giveBack(r, b)
	wantReason(t, r, "g", gang.None)
	wantActivated(t, r.DeletePod("c"))
	if len(r.claims) != 1 {
		t.Errorf("%d claims, want that of b alone", len(r.claims))
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
			r, _ := newTestRegistry()
			if tc.pg != nil {
				r.SetPodGroup(tc.pg)
			}
			wantActivated(t, r.SetPod(pod("g", "a")))
			wantAdmitted(t, r, pod("g", "a"), false)
			wantReason(t, r, "g", tc.want)
			// The user mends it.
			wantActivated(t, r.SetPodGroup(podGroup("g", 1, "")), "a")
		})
	}
}

// A member whose claim is still to be made from a template cannot be planned, and the last claim wakes the gang.
func TestGangWaitsForTheClaimsOfItsMembers(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	template, made := "template", "made"
	withClaim := func(p *corev1.Pod) *corev1.Pod {
		p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimTemplateName: &template}}
		return p
	}
	a, b := withClaim(pod("g", "a")), withClaim(pod("g", "b"))
	for _, p := range []*corev1.Pod{a, b} {
		wantActivated(t, r.SetPod(p))
	}
	wantReason(t, r, "g", gang.WaitingForMembers)
	wantAdmitted(t, r, a, false)
	r.SetResourceClaim(gpuClaim(made, 1))
	for i, p := range []*corev1.Pod{a, b} {
		p = p.DeepCopy()
		p.Status.ResourceClaimStatuses = []corev1.PodResourceClaimStatus{{Name: "gpu", ResourceClaimName: &made}}
		if effects := r.SetPod(p); len(effects.Activate) != i {
			t.Errorf("after the claim of %s: %v are activated, want %d", p.Name, names(effects.Activate), i)
		}
	}
}

// A deleted PodGroup is missed only by members that wait: not by those that run or are being deleted.
func TestRunningMembersDoNotMissTheirPodGroup(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	running := on(pod("g", "a"), "n")
	set(r, running)
	r.DeletePodGroup(gangKey("g"))
	wantReason(t, r, "g", gang.None)
	r.SetPod(pod("g", "b"))
	wantReason(t, r, "g", gang.PodGroupNotFound)
	r.DeletePod("b")
	set(r, leaving(running))
	wantReason(t, r, "g", gang.None)
}
