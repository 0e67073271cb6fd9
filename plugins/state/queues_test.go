package state

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	muster "github.com/muster-scheduling/muster/internal/resource"
)

// in puts a PodGroup into a queue.
func in(queue, name string, minMember int32) *podgroupv1alpha1.PodGroup {
	pg := podGroup(name, minMember, "")
	pg.Labels = map[string]string{schedulingv1alpha1.QueueLabel: queue}
	return pg
}

func below(q *schedulingv1alpha1.Queue, parent string) *schedulingv1alpha1.Queue {
	q.Spec.Parent = parent
	return q
}

func setQueues(t *testing.T, r *Registry, queues ...*schedulingv1alpha1.Queue) {
	t.Helper()
	for _, q := range queues {
		if _, err := r.SetQueue(q); err != nil {
			t.Fatal(err)
		}
	}
}

func queueNamed(t *testing.T, r *Registry, name string) QueueState {
	t.Helper()
	r.Changed()
	states, _ := r.Queues()
	for _, s := range states {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("queue %s is not listed", name)
	return QueueState{}
}

func TestQueuesCountTheirSubtrees(t *testing.T) {
	r, c := newTestRegistry()
	setQueues(t, r, queue("top", "3"), below(queue("a", ""), "top"), below(queue("b", ""), "top"))
	r.SetPodGroup(in("a", "runs", 2))
	x, y := pod("runs", "x"), pod("runs", "y")
	r.SetPod(x)
	r.SetPod(y)
	run(t, r, x, y)
	r.SetPodGroup(in("b", "over", 2))
	r.SetPod(pod("over", "p"))
	r.SetPod(pod("over", "q"))
	r.SetPodGroup(in("b", "incomplete", 2))
	r.SetPod(pod("incomplete", "alone"))
	r.SetPodGroup(in("b", "empty", 2))
	c.pass(time.Second)
	for _, tc := range []struct {
		queue             string
		leaf              bool
		admitted, pending int
		reasons           map[gang.Reason]int
		cpu               int64
		head              string
	}{
		{"top", false, 1, 2, map[gang.Reason]int{gang.QuotaExceeded: 1, gang.WaitingForMembers: 1}, 2000, "over"},
		{"a", true, 1, 0, map[gang.Reason]int{}, 2000, ""},
		{"b", true, 0, 2, map[gang.Reason]int{gang.QuotaExceeded: 1, gang.WaitingForMembers: 1}, 0, "over"},
		{"default", true, 0, 0, map[gang.Reason]int{}, 0, ""},
	} {
		s := queueNamed(t, r, tc.queue)
		if s.Leaf != tc.leaf || s.Admitted != tc.admitted || s.Pending != tc.pending || s.Usage["cpu"] != tc.cpu {
			t.Errorf("queue %s: leaf %t, %d admitted, %d pending, %d milli-CPU; want %t, %d, %d, %d",
				tc.queue, s.Leaf, s.Admitted, s.Pending, s.Usage["cpu"], tc.leaf, tc.admitted, tc.pending, tc.cpu)
		}
		if diff := cmp.Diff(tc.reasons, s.Reasons); diff != "" {
			t.Errorf("queue %s: reasons (-want +got):\n%s", tc.queue, diff)
		}
		head := ""
		if s.Head != nil {
			head = s.Head.Key.Name
		}
		if head != tc.head {
			t.Errorf("queue %s: the head is %q, want %q", tc.queue, head, tc.head)
		}
		if (s.Object == nil) != (tc.queue == "default") {
			t.Errorf("queue %s: object %v; only the implicit queue has none", tc.queue, s.Object)
		}
	}
	if head := queueNamed(t, r, "b").Head; head.Verdict.Reason != gang.QuotaExceeded || head.Verdict.Message == "" {
		t.Errorf("the head waits for %+v, want quota, in words", head.Verdict)
	}
}

func TestQueuesTellFaultsAndStops(t *testing.T) {
	r, _ := newTestRegistry()
	stopped := queue("stopped", "")
	stopped.Spec.Stop = schedulingv1alpha1.StopDrain
	setQueues(t, r, stopped, below(queue("child", ""), "stopped"), below(queue("x", ""), "y"), below(queue("y", ""), "x"), below(queue("orphan", ""), "nobody"))
	if s := queueNamed(t, r, "child"); s.Stopped != ledger.Drain || s.StoppedBy != "stopped" || s.Fault != nil {
		t.Errorf("the child is stopped %v by %q with fault %v", s.Stopped, s.StoppedBy, s.Fault)
	}
	if s := queueNamed(t, r, "stopped"); s.Fault != nil || s.Leaf {
		t.Errorf("the parent has fault %v, leaf %t: to have children is no fault", s.Fault, s.Leaf)
	}
	for name, code := range map[string]ledger.FaultCode{"x": ledger.Cycle, "y": ledger.Cycle, "orphan": ledger.ParentNotFound} {
		if s := queueNamed(t, r, name); s.Fault == nil || s.Fault.Code != code {
			t.Errorf("queue %s has fault %v, want %s", name, s.Fault, code)
		}
	}
}

// A status is written every few seconds: that must not send the gangs of the queue to the end of anything.
func TestAStatusIsNoChangeOfTheQueue(t *testing.T) {
	r, _ := newTestRegistry()
	q := queue("q", "4")
	q.UID, q.Generation = "1", 1
	setQueues(t, r, q)
	changed := q.DeepCopy()
	changed.Status.AdmittedGangs = 7
	changed.Spec.Limit = nil // Cannot be without another generation: shows that nobody looked.
	setQueues(t, r, changed)
	if s := queueNamed(t, r, "q"); s.Limit["cpu"] != 4000 || s.Object.Status.AdmittedGangs != 7 {
		t.Errorf("limit %v, %d admitted; want the old limit and the new status", s.Limit, s.Object.Status.AdmittedGangs)
	}
	again := changed.DeepCopy()
	again.UID = "2"
	setQueues(t, r, again)
	if s := queueNamed(t, r, "q"); len(s.Limit) != 0 {
		t.Errorf("limit %v of a queue that was made anew without one", s.Limit)
	}
}

func usedBefore(q *schedulingv1alpha1.Queue, cpu string, asOf time.Time) *schedulingv1alpha1.Queue {
	q.Status.Usage = &schedulingv1alpha1.QueueUsage{
		Decayed: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}, AsOf: metav1.Time{Time: asOf},
	}
	return q
}

func TestPastUsageSurvivesARestart(t *testing.T) {
	c := &clock{now: epoch}
	r := NewRegistry(func() time.Time { return c.now }, dispatch.Options{})
	// The watch may be faster than the configuration, and the queue may have been used meanwhile.
	early := usedBefore(queue("early", ""), "8", epoch.Add(-time.Hour))
	early.UID, early.Generation = "early", 1
	setQueues(t, r, early)
	r.Configure(dispatch.Options{}, time.Hour)
	setQueues(t, r, usedBefore(queue("late", ""), "8", epoch.Add(-2*time.Hour)))
	if got := queueNamed(t, r, "late").Decayed["cpu"]; got != 2000 {
		t.Errorf("what was 8 CPUs two half-lives ago is %d milli-CPU, want 2000", got)
	}
	// Another replica led for three hours and wrote what it knew.
	c.pass(3 * time.Hour)
	after := usedBefore(early.DeepCopy(), "16", c.now)
	setQueues(t, r, after)
	r.RestoreUsage()
	if s := queueNamed(t, r, "early"); s.Decayed["cpu"] != 16000 || !s.AsOf.Equal(c.now) {
		t.Errorf("%d milli-CPU as of %s, want what the status says", s.Decayed["cpu"], s.AsOf)
	}
	if got := queueNamed(t, r, "late").Decayed["cpu"]; got != 250 {
		t.Errorf("what was 8 CPUs five half-lives ago is %d milli-CPU, want 250", got)
	}
}

func TestQueuesAddUpTheCluster(t *testing.T) {
	r, _ := newTestRegistry()
	r.SetNode(node("m", "20"))
	_, capacity := r.Queues()
	if diff := cmp.Diff(muster.Amounts{"cpu": 120000, "pods": 220}, capacity); diff != "" {
		t.Errorf("capacity (-want +got):\n%s", diff)
	}
}
