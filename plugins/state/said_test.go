package state

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

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
	b.Annotations = map[string]string{schedulingv1alpha1.PreemptibleAnnotation: "false", schedulingv1alpha1.ExpectedRuntimeAnnotation: "1h",
		schedulingv1alpha1.ReservationAnnotation: schedulingv1alpha1.ReservationIgnore}
	b.Labels[schedulingv1alpha1.QueueLabel] = "q"
	r.SetPod(a)
	r.SetPod(b)
	e := r.gangs[gangKey("g")]
	wantReason(t, r, "g", gang.Misconfigured)
	if !e.firm() || !e.urgent() || e.queue() != "q" || e.runtime().Hours() != 1 {
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
	if e.firm() || e.urgent() || e.queue() != "default" {
		t.Errorf("firm %t, in queue %s, though nobody says so any more", e.firm(), e.queue())
	}
	wantReason(t, r, "g", gang.NotYetPlanned)
}

func TestOnlyIgnoreIsSaidOfReservations(t *testing.T) {
	r, _ := newTestRegistry()
	g := podGroup("g", 1, "")
	g.Annotations = map[string]string{schedulingv1alpha1.ReservationAnnotation: schedulingv1alpha1.ReservationIgnore}
	r.SetPodGroup(g)
	r.SetPod(pod("g", "a"))
	if e := r.gangs[gangKey("g")]; !e.urgent() || e.malformed() != nil {
		t.Errorf("urgent %t, %v", e.urgent(), e.malformed())
	}
	g = g.DeepCopy()
	g.Annotations[schedulingv1alpha1.ReservationAnnotation] = "true"
	r.SetPodGroup(g)
	wantReason(t, r, "g", gang.Misconfigured)
}

// The trials of an experiment differ by what they try, and by their names: one verdict stands for all of them.
func TestTrialsOfAnExperimentHaveOneShape(t *testing.T) {
	shape := func(name, rate string) string {
		p := pod("", name)
		p.Labels = map[string]string{"katib.kubeflow.org/trial": name, "katib.kubeflow.org/experiment": "search", "training.kubeflow.org/job-name": name}
		p.Spec.Hostname = name
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		p.Spec.Containers[0].Args = []string{"--lr=" + rate}
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "LR", Value: rate}, {Name: "KATIB_TRIAL_NAME", Value: name}}
		return shapeOf(p)
	}
	if shape("search-a1b2", "0.1") != shape("search-c3d4", "0.01") {
		t.Error("two trials are told apart")
	}
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
