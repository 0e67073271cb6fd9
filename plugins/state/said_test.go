package state

import (
	"testing"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
)

// What members say counts for as long as one says it, in the newest version.
func TestWhatMembersSay(t *testing.T) {
	r, _ := newTestRegistry()
	if _, err := r.SetQueue(queue("q", "")); err != nil {
		t.Fatal(err)
	}
	r.SetPodGroup(podGroup("g", 1, ""))
	a, b := pod("g", "a"), pod("g", "b")
	a.Annotations = map[string]string{schedulingv1alpha1.ExpectedRuntimeAnnotation: "an hour"}
	b.Annotations = map[string]string{schedulingv1alpha1.PreemptibleAnnotation: "false", schedulingv1alpha1.ExpectedRuntimeAnnotation: "1h"}
	b.Labels[schedulingv1alpha1.QueueLabel] = "q"
	r.SetPod(a)
	r.SetPod(b)
	e := r.gangs[gangKey("g")]
	wantReason(t, r, "g", gang.Misconfigured)
	if !e.firm() || e.queue() != "q" || e.runtime().Hours() != 1 {
		t.Errorf("firm %t, in queue %s, expected to run %s", e.firm(), e.queue(), e.runtime())
	}
	// The owner mends the one and replaces the other.
	mended := a.DeepCopy()
	mended.Annotations[schedulingv1alpha1.ExpectedRuntimeAnnotation] = "2h"
	r.SetPod(mended)
	if err := e.malformed(); err != nil || e.runtime().Hours() != 2 {
		t.Errorf("expected to run %s, %v", e.runtime(), err)
	}
	r.DeletePod("b")
	if e.firm() || e.queue() != "default" {
		t.Errorf("firm %t, in queue %s, though nobody says so any more", e.firm(), e.queue())
	}
	wantReason(t, r, "g", gang.NotYetPlanned)
}

// A gang that runs is charged to the queue that it names now.
func TestAMemberMovesItsGang(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetPodGroup(podGroup("g", 1, ""))
	set(r, on(pod("g", "a"), "n"))
	b := pod("g", "b")
	b.Labels[schedulingv1alpha1.QueueLabel] = "q"
	r.SetPod(b)
	if here, there := r.line.Ledger.Usage("default")["cpu"], r.line.Ledger.Usage("q")["cpu"]; here != 0 || there != 1000 {
		t.Errorf("%d are charged to the old queue and %d to the new one, want 0 and 1000", here, there)
	}
}

// The queue's handler may be late: a pod that it brings back to life must not count.
func TestAPodThatIsGoneIsNotAdmitted(t *testing.T) {
	r, _ := newTestRegistry()
	a := pod("", "a")
	wantAdmitted(t, r, a, false)
	r.SetPod(a)
	r.DeletePod(a.UID)
	wantAdmitted(t, r, a, false)
	if len(r.gangs)+len(r.members) > 0 {
		t.Errorf("%d gangs and %d members are left", len(r.gangs), len(r.members))
	}
}
