package state

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

func TestNobodyHasATurnBeforeAllIsKnown(t *testing.T) {
	r := NewRegistry(func() time.Time { return epoch }, dispatch.Options{})
	wantActivated(t, r.SetPod(pod("", "a")))
	wantActivated(t, r.Tick())
	wantAdmitted(t, r, pod("", "a"), false)
	wantActivated(t, r.Open(), "a")
	wantAdmitted(t, r, pod("", "a"), true)
}

// One gang at a time, the highest priority first, then those that run below their minimum, then the oldest.
func TestTurnsFollowPriorityAndAge(t *testing.T) {
	c := &clock{now: epoch}
	r := NewRegistry(func() time.Time { return c.now }, dispatch.Options{})
	// Gangs of one size are not tried one by one in vain.
	size := int64(0)
	differ := func(p *corev1.Pod) *corev1.Pod {
		size++
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = *resourceapi.NewQuantity(size, resourceapi.DecimalSI)
		return p
	}
	add := func(name string, age time.Duration, p *corev1.Pod) {
		pg := podGroup(name, 1, "")
		pg.CreationTimestamp.Time = epoch.Add(-age)
		r.SetPodGroup(pg)
		r.SetPod(differ(p))
	}
	add("late", time.Minute, pod("late", "late"))
	add("early", time.Hour, pod("early", "early"))
	add("urgent", 0, prioritized(pod("urgent", "urgent"), 10))
	single := pod("", "single")
	single.CreationTimestamp.Time = epoch.Add(-2 * time.Minute)
	r.SetPod(differ(single))
	broken := podGroup("broken", 2, "")
	r.SetPodGroup(broken)
	set(r, on(pod("broken", "runs"), "n"))
	r.SetPod(differ(pod("broken", "broken")))

	effects := r.Open()
	var order []string
	for len(effects.Activate) > 0 {
		if len(effects.Activate) > 1 {
			t.Fatalf("%v have their turn at once", names(effects.Activate))
		}
		p := effects.Activate[0]
		order = append(order, p.Name)
		effects = fail(t, r, p, noRoom(dispatch.WhenAnythingMoves))
	}
	if want := []string{"urgent", "broken", "early", "single", "late"}; !slices.Equal(order, want) {
		t.Errorf("turns go to %v, want %v", order, want)
	}
}

func TestCommittingMembersGoFirst(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	r.SetPod(pod("g", "a"))
	r.SetPod(pod("g", "b"))
	planAll(t, r, pod("g", "a"))
	urgent := prioritized(pod("", "urgent"), 10)
	wantActivated(t, r.SetPod(urgent), "urgent")
	wantAdmitted(t, r, urgent, true)
	for _, name := range []string{"a", "b"} {
		if !r.Less(pod("g", name), urgent) {
			t.Errorf("%s is being committed and does not go before everybody else", name)
		}
	}
	if !r.Less(pod("g", "a"), pod("g", "b")) {
		t.Error("members do not go in the order of the plan")
	}
	if !r.Less(urgent, pod("", "other")) {
		t.Error("the higher priority does not go first")
	}
}

func TestMixedPriorityCountsAsTheHighest(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 2, ""))
	low, high := pod("g", "a"), prioritized(pod("g", "b"), 5)
	r.SetPod(high)
	r.SetPod(low)
	wantAdmitted(t, r, low, true)
	if got := r.order.get(low).priority; got != 5 {
		t.Errorf("the leader goes with priority %d, want the highest of the gang", got)
	}
	if got := r.members[low.UID].gang.priority(); got != 5 {
		t.Errorf("the leader has priority %d, want the highest of the gang", got)
	}
}

func TestAChangeIsAnotherChance(t *testing.T) {
	for name, change := range map[string]func(*Registry) Effects{
		"another minimum": func(r *Registry) Effects { return r.SetPodGroup(podGroup("g", 1, "")) },
		"another member":  func(r *Registry) Effects { return r.SetPod(pod("g", "c")) },
		"another node":    func(r *Registry) Effects { return r.SetNode(node("n2", "1")) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newTestRegistry()
			r.SetPodGroup(podGroup("g", 2, ""))
			r.SetPod(pod("g", "a"))
			r.SetPod(pod("g", "b"))
			fail(t, r, pod("g", "a"), noRoom(dispatch.WhenItFits))
			wantActivated(t, r.Tick())
			wantReason(t, r, "g", gang.Unschedulable)
			wantActivated(t, change(r), "a")
			wantActivated(t, r.Tick())
		})
	}
}

// What stands in the way of a pod may not be known to arithmetic. The event that frees it wakes the pod in the scheduling
// queue, and nobody else.
func TestAnEventOfTheClusterIsAnotherChance(t *testing.T) {
	r, _ := newTestRegistry()
	a := pod("", "a")
	r.SetPod(a)
	fail(t, r, a, noRoom(dispatch.WhenRoomIsFreed))
	wantActivated(t, r.Tick())
	wantAdmitted(t, r, a, false)
	wantActivated(t, r.Tick(), "a")
	wantAdmitted(t, r, a, true)
}

func TestAttemptsThatFailForUnknownReasonsBackOff(t *testing.T) {
	r, c := newTestRegistry()
	a := pod("", "a")
	wantActivated(t, r.SetPod(a), "a")
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second} {
		wantActivated(t, r.Ended(a.UID, "some plugin said no"))
		r.Reopen() // It is not the room that it waits for.
		c.pass(pause - time.Millisecond)
		wantActivated(t, r.Tick())
		c.pass(time.Millisecond)
		wantActivated(t, r.Tick(), "a")
	}
}

func TestAGangWhoseBindIsRefusedLetsOthersGoFirst(t *testing.T) {
	r, c := newTestRegistry()
	r.SetPodGroup(podGroup("g", 3, ""))
	pods := []*corev1.Pod{pod("g", "a"), pod("g", "b"), pod("g", "c")}
	for _, p := range pods {
		r.SetPod(p)
	}
	planAll(t, r, pods[0])
	for _, p := range pods {
		reserve(t, r, p)
		r.Permit(p)
	}
	for _, p := range pods {
		wantActivated(t, giveBack(r, p))
	}
	wantReason(t, r, "g", gang.NotYetPlanned)
	wantActivated(t, r.SetPod(pod("", "other")), "other")
	reserve(t, r, pod("", "other"))
	// One fall is one failure, however many members it takes along.
	c.pass(firstBackOff)
	wantActivated(t, r.Tick(), "a")
}

func TestATurnThatLeadsNowhereEnds(t *testing.T) {
	r, c := newTestRegistry()
	r.SetPod(pod("", "a"))
	r.SetPod(pod("", "b"))
	c.pass(stalledTurn - time.Second)
	wantActivated(t, r.Tick())
	c.pass(time.Second)
	wantActivated(t, r.Tick(), "b")
}

func TestAGangThatBecomesWholeMayBeAVictim(t *testing.T) {
	r, c := newTestRegistry()
	urgent := prioritized(pod("", "urgent"), 5)
	r.SetPod(urgent)
	outcome := noRoom(dispatch.WhenItFits)
	fail(t, r, urgent, outcome)
	lowly := pod("", "lowly")
	wantActivated(t, r.SetPod(lowly), "lowly")
	reserve(t, r, lowly)
	r.Permit(lowly)
	wantActivated(t, set(r, on(lowly, "n")))
	c.pass(2 * time.Second) // Where many start, one look serves for all.
	wantActivated(t, r.Tick(), "urgent")
	_, _, request := r.Standing(urgent)
	if units, _ := r.Units(request); len(units) != 1 || !units[0].Preempt || units[0].Pods[0].Name != "lowly" {
		t.Errorf("%+v may be evicted, want lowly", units)
	}
}

// makingRoom has a gang of the name wait for victims to leave.
func makingRoom(t *testing.T, r *Registry, p *corev1.Pod, victims ...types.UID) Effects {
	t.Helper()
	return fail(t, r, p, Outcome{
		Blocked: dispatch.Blocked{Verdict: gang.Verdict{Reason: gang.MakingRoom}},
		Hold:    &reservation.Hold{Gang: r.members[p.UID].claimOf().id, Start: epoch, Amount: map[string]resource.Amounts{"n": {"cpu": 1000}}},
		Victims: victims,
	})
}

func TestFreedRoomIsForTheGangThatMadeIt(t *testing.T) {
	r, _ := newTestRegistry()
	for _, name := range []string{"v1", "v2"} {
		set(r, on(pod("", name), "n"))
	}
	urgent, other := prioritized(pod("", "urgent"), 5), prioritized(pod("", "other"), 9)
	r.SetPod(urgent)
	makingRoom(t, r, urgent, "v1", "v2")
	if _, awaited := r.Beneficiary("v1"); !awaited {
		t.Error("nobody waits for the victim")
	}
	wantActivated(t, drop(r, on(pod("", "v1"), "n")))
	wantActivated(t, r.SetPod(other), "other")
	if spare := r.Spare(Request{Turn: dispatch.Turn{Gang: dispatch.Gang{ID: "other"}}}, cpuTable); spare["n"][0] != 98_000 {
		t.Errorf("others may take %v of the node, want all but a victim's and the hold's", spare["n"])
	}
	drop(r, on(pod("", "v2"), "n"))
	wantActivated(t, fail(t, r, other, noRoom(dispatch.WhenItFits)), "urgent")
	if _, _, request := r.Standing(urgent); !request.FreedFor {
		t.Error("the turn does not say that room has been freed")
	}
	reserve(t, r, urgent)
	if len(r.victims) != 0 || len(r.claims) != 1 {
		t.Errorf("%d victims and %d claims are left", len(r.victims), len(r.claims))
	}
}

var cpuTable = resource.NewTable("cpu")

func TestVictimsThatAreGoneAreNotWaitedFor(t *testing.T) {
	r, _ := newTestRegistry()
	set(r, on(pod("", "v"), "n"))
	urgent := prioritized(pod("", "urgent"), 5)
	r.SetPod(urgent)
	drop(r, on(pod("", "v"), "n")) // While the cycle was under way.
	wantActivated(t, makingRoom(t, r, urgent, "v"), "urgent")
}

// Somebody else's filter refuses nodes that have room: the gang must not be tried again and again at once.
func TestNobodyHasToLeaveAndYetThereIsNoPlace(t *testing.T) {
	r, c := newTestRegistry()
	a := pod("", "a")
	r.SetPod(a)
	wantActivated(t, makingRoom(t, r, a))
	if len(r.line.HoldsAgainst("")) > 0 {
		t.Error("room is kept for a gang that waits for nobody")
	}
	c.pass(firstBackOff)
	wantActivated(t, r.Tick(), "a")
}

// What is found for a gang that has changed meanwhile counts for nothing: nobody is to be evicted for it.
func TestConcludingTooLate(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPod(on(pod("", "v"), "n"))
	r.SetPodGroup(podGroup("g", 1, ""))
	a := pod("g", "a")
	r.SetPod(a)
	_, _, request := r.Standing(a)
	r.SetPod(pod("g", "b"))
	r.SetPodGroup(podGroup("g", 2, ""))
	r.DeletePod(a.UID)
	if r.Conclude(request, Outcome{Victims: []types.UID{"v"}}) {
		t.Error("it counts")
	}
	if _, awaited := r.Beneficiary("v"); awaited {
		t.Error("the victim is awaited")
	}
}

// Two gangs may need the room of one and the same victim.
func TestOneVictimForTwo(t *testing.T) {
	r, _ := newTestRegistry()
	set(r, on(pod("", "v"), "n"))
	a, b := prioritized(pod("", "a"), 5), prioritized(pod("", "b"), 4)
	r.SetPod(a)
	r.SetPod(b)
	makingRoom(t, r, a, "v")
	makingRoom(t, r, b, "v")
	wantActivated(t, drop(r, on(pod("", "v"), "n")), "a")
	wantActivated(t, reserve(t, r, a), "b")
}

func TestAVictimThatIsSpared(t *testing.T) {
	r, c := newTestRegistry()
	set(r, on(pod("", "v"), "n"))
	urgent := prioritized(pod("", "urgent"), 5)
	r.SetPod(urgent)
	makingRoom(t, r, urgent, "v")
	usage := r.line.Ledger.Usage("default")["cpu"]
	if usage != 2000 {
		t.Errorf("%d milli-CPU are charged, want the victim and who makes room", usage)
	}
	wantActivated(t, r.Spared("v", "its budget does not allow it"))
	if len(r.victims) != 0 || len(r.line.HoldsAgainst("")) != 0 {
		t.Errorf("%d victims and %d holds are left", len(r.victims), len(r.line.HoldsAgainst("")))
	}
	if usage := r.line.Ledger.Usage("default")["cpu"]; usage != 1000 {
		t.Errorf("%d milli-CPU are charged, want the victim that runs on", usage)
	}
	c.pass(lastBackOff)
	wantActivated(t, r.Tick(), "urgent")
}

// A gang that is gone needs no room any more: what it waited for may stay.
func TestWhoWaitsForVictimsIsDeleted(t *testing.T) {
	r, _ := newTestRegistry()
	set(r, on(pod("", "v"), "n"))
	urgent := prioritized(pod("", "urgent"), 5)
	r.SetPod(urgent)
	makingRoom(t, r, urgent, "v")
	r.DeletePod("urgent")
	if _, awaited := r.Beneficiary("v"); awaited {
		t.Error("the victim is still awaited")
	}
	if usage := r.line.Ledger.Usage("default")["cpu"]; usage != 1000 {
		t.Errorf("%d milli-CPU are charged, want the victim that runs on", usage)
	}
}
