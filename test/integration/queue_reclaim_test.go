package integration

import (
	"context"
	"fmt"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// D1: a queue takes back what it is guaranteed from one whose gang straddles its guarantee. When that gang's pod is made
// again, it waits: it does not take back in turn. The victim says on itself that it was disrupted, and its gang for whom.
func TestReclaimsGuarantee(t *testing.T) {
	e := setUp(t, node("node", gpu(2)))
	e.queue("q0", guarantee(gpu(1)))
	e.queue("q1", guarantee(gpu(1)))
	large := e.gangIn("q0", "large", 1, 1, gpu(2))
	e.expectBound("large", 1)
	e.gangIn("q1", "small", 1, 1, gpu(1))
	e.expectBound("small", 1)
	e.expectGone(large...)
	e.expectEvicted("large-0")
	e.expectEvent("PodGroup", "large", "Reclaimed", e.namespace+"/small")
	e.createPods(members("large", 1, gpu(2))...)
	e.expectReason(gangs.Unschedulable, 1)
	e.expectAtRest(map[string]int{"large": 0, "small": 1})
}

// reclaimCase is one of GR-1 to GR-7: on four nodes of one CPU two gangs of two, or one of four of which two are its
// minimum, run in one queue, and a gang comes in another.
type reclaimCase struct {
	giver, taker []queueEdit
	elastic      bool
	// running is what runs in the claimant's own queue already.
	running, asks int
	evicted       []string
	refused       bool
}

// D3: whole gangs or surplus are reclaimed, no more than needed, and none of a queue that is within its guarantee.
func TestReclaimsWholeGangs(t *testing.T) {
	for name, tc := range map[string]reclaimCase{
		"GR-1 surplus": {
			giver: []queueEdit{guarantee(cpu(2))}, taker: []queueEdit{guarantee(cpu(2))}, elastic: true, asks: 2,
			evicted: []string{"a-2", "a-3"},
		},
		"GR-2 one tight gang": {
			giver: []queueEdit{guarantee(cpu(2))}, taker: []queueEdit{guarantee(cpu(2))}, asks: 2, evicted: []string{"b-0", "b-1"},
		},
		"GR-3 half a gang is never taken": {
			giver: []queueEdit{guarantee(cpu(2))}, taker: []queueEdit{guarantee(cpu(2))}, asks: 1, evicted: []string{"b-0", "b-1"},
		},
		"GR-4 all within guarantee": {
			giver: []queueEdit{guarantee(cpu(4))}, taker: []queueEdit{guarantee(cpu(2))}, asks: 2, refused: true,
		},
		"GR-5 not reclaimable": {
			giver: []queueEdit{guarantee(cpu(2)), notReclaimable}, taker: []queueEdit{guarantee(cpu(2))}, asks: 2, refused: true,
		},
		"GR-6 not enough above the guarantee": {
			giver: []queueEdit{guarantee(cpu(2))}, taker: []queueEdit{guarantee(cpu(4))}, asks: 4, refused: true,
		},
		"GR-6 not enough surplus": {
			giver: []queueEdit{guarantee(cpu(2))}, taker: []queueEdit{guarantee(cpu(4))}, elastic: true, asks: 4, refused: true,
		},
		"GR-7 claimant above its guarantee": {
			giver: []queueEdit{guarantee(cpu(1))}, taker: []queueEdit{guarantee(cpu(1))}, running: 1, asks: 1, refused: true,
		},
		"no guarantee": {asks: 2, refused: true},
	} {
		t.Run(name, tc.run)
	}
}

func (tc reclaimCase) run(t *testing.T) {
	want := map[string]int{"a": 2, "b": 2, "claim": tc.asks, "own": tc.running}
	queueCase{
		nodes: nodes(4+tc.running, cpu(1)),
		given: func(e *env) {
			e.queue("giver", tc.giver...)
			e.queue("taker", tc.taker...)
			if tc.elastic {
				e.gangIn("giver", "a", 2, 4, cpu(1))
				e.expectBound("a", 4)
			} else {
				e.gangIn("giver", "a", 2, 2, cpu(1))
				e.expectBound("a", 2)
				e.nextSecond()
				e.gangIn("giver", "b", 2, 2, cpu(1))
				e.expectBound("b", 2)
			}
			if tc.running > 0 {
				e.gangIn("taker", "own", tc.running, tc.running, cpu(1))
				e.expectBound("own", tc.running)
			}
			for gang := range want {
				want[gang] = len(e.boundPods(gang))
			}
			want["claim"] = tc.asks
			for _, victim := range tc.evicted {
				want[victim[:1]]--
			}
			if tc.refused {
				want["claim"] = 0
			}
		},
		then: func(e *env) {
			e.gangIn("taker", "claim", tc.asks, tc.asks, cpu(1))
			if tc.refused {
				e.expectReason(gangs.Unschedulable, 1)
			}
		},
		want:    want,
		evicted: tc.evicted,
	}.run(t)
}

// B5, D5, D7 and what follows from them for trees.
func TestReclaimInTrees(t *testing.T) {
	for name, c := range map[string]queueCase{
		"B5 the minimum of an elastic gang for one surplus pod": {
			nodes: nodes(1, gpu(2)),
			given: func(e *env) {
				e.queue("q0", guarantee(gpu(1)))
				e.queue("q1", guarantee(gpu(1)))
				e.gangIn("q0", "first", 1, 2, gpu(1))
				e.expectBound("first", 2)
			},
			then:    func(e *env) { e.gangIn("q1", "second", 1, 3, gpu(1)) },
			want:    map[string]int{"first": 1, "second": 1},
			evicted: []string{"first-1"},
		},
		"D5 from the sibling that is above its guarantee": {
			nodes: nodes(2, gpu(3)),
			given: func(e *env) {
				e.departments()
				e.gangIn("q0", "two-0", 1, 1, gpu(2))
				e.gangIn("q0", "one-0", 1, 1, gpu(1))
				e.gangIn("q1", "two-1", 1, 1, gpu(2))
				e.gangIn("q1", "one-1", 1, 1, gpu(1))
				for _, gang := range []string{"two-0", "one-0", "two-1", "one-1"} {
					e.expectBound(gang, 1)
				}
			},
			then:    func(e *env) { e.gangIn("q2", "claim", 1, 1, gpu(1)) },
			want:    map[string]int{"two-0": 1, "one-0": 1, "two-1": 1, "one-1": 0, "claim": 1},
			evicted: []string{"one-1-0"},
		},
		"D7 the department is at its guarantee": {
			nodes: nodes(1, gpu(6)),
			given: func(e *env) {
				e.queue("d1", guarantee(gpu(3)))
				e.queue("q0", e.below("d1"), guarantee(gpu(3)))
				e.queue("d2", guarantee(gpu(2)))
				e.queue("q1", e.below("d2"), guarantee(gpu(1)), notReclaimable)
				e.queue("q2", e.below("d2"), guarantee(gpu(1)))
				e.jobsIn("q1", "mine", 2, gpu(1))
				e.jobsIn("q0", "theirs", 4, gpu(1))
				e.expectJobs("mine", 2, 2)
				e.expectJobs("theirs", 4, 4)
			},
			then: func(e *env) {
				e.gangIn("q2", "claim", 1, 1, gpu(1))
				e.expectReason(gangs.Unschedulable, 1)
			},
			want: map[string]int{"claim": 0},
		},
		"a queue below one that is within its guarantee keeps what it borrows inside": {
			nodes: nodes(1, gpu(4)),
			given: func(e *env) {
				e.queue("d1", guarantee(gpu(4)))
				e.queue("q0", e.below("d1"))
				e.queue("d2", guarantee(gpu(2)))
				e.jobsIn("q0", "theirs", 4, gpu(1))
				e.expectJobs("theirs", 4, 4)
			},
			then: func(e *env) {
				e.gangIn("d2", "claim", 1, 1, gpu(1))
				e.expectReason(gangs.Unschedulable, 1)
			},
			want: map[string]int{"claim": 0},
		},
		"firm gangs stay, and others go": {
			nodes: nodes(1, gpu(2)),
			given: func(e *env) {
				e.queue("q0", guarantee(gpu(1)))
				e.queue("q1", guarantee(gpu(1)))
				e.gangIn("q0", "soft", 1, 1, gpu(1))
				e.expectBound("soft", 1)
				e.nextSecond()
				e.gangIn("q0", "firm", 1, 1, gpu(1), firm)
				e.expectBound("firm", 1)
			},
			then:    func(e *env) { e.gangIn("q1", "claim", 1, 1, gpu(1)) },
			want:    map[string]int{"soft": 0, "firm": 1, "claim": 1},
			evicted: []string{"soft-0"},
		},
	} {
		t.Run(name, c.run)
	}
}

// departments makes two queues of three GPUs each, one with one queue below it and one with two.
func (e *env) departments() {
	e.Helper()
	e.queue("d1", guarantee(gpu(3)))
	e.queue("q0", e.below("d1"), guarantee(gpu(3)))
	e.queue("d2", guarantee(gpu(3)))
	e.queue("q1", e.below("d2"), guarantee(gpu(2)))
	e.queue("q2", e.below("d2"), guarantee(gpu(1)))
}

// A gang that a PodDisruptionBudget protects is spared, where others can go, though it would be the one to go.
func TestReclaimSparesWhatBudgetsProtect(t *testing.T) {
	e := setUp(t, nodes(3, cpu(1))...)
	e.queue("giver", guarantee(cpu(1)))
	e.queue("taker", guarantee(cpu(2)))
	e.gangIn("giver", "bare", 1, 1, cpu(1))
	e.expectBound("bare", 1)
	e.nextSecond()
	e.gangIn("giver", "kept", 2, 2, cpu(1), podLabel("app", "kept"))
	e.expectBound("kept", 2)
	two := intstr.FromInt32(2)
	e.create(&policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "kept"},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: &two, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "kept"}},
		},
	})
	e.eventually("the budget is in force", func(ctx context.Context) (bool, string) {
		pdb, err := e.clients.PolicyV1().PodDisruptionBudgets(e.namespace).Get(ctx, "kept", metav1.GetOptions{})
		return err == nil && pdb.Status.CurrentHealthy == 2 && pdb.Status.DisruptionsAllowed == 0, fmt.Sprint(err)
	})
	e.gangIn("taker", "first", 1, 1, cpu(1))
	e.expectAtRest(map[string]int{"bare": 0, "kept": 2, "first": 1})
	e.gangIn("taker", "second", 1, 1, cpu(1))
	e.expectReason(gangs.Unschedulable, 1)
	e.expectAtRest(map[string]int{"kept": 2, "first": 1, "second": 0})
	e.expectEvicted("bare-0")
}

// Two queues with the same jobs without end share by their weights: what is admitted when the queue above them is opened.
func TestSharesByWeight(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("top", stop(schedulingv1alpha1.StopHold))
	e.queue("a", e.below("top"), weight(3))
	e.queue("b", e.below("top"), weight(1))
	e.jobsIn("b", "b", 8, cpu(1))
	e.jobsIn("a", "a", 8, cpu(1))
	e.expectReason(gangs.QueueStopped, 16)
	e.editQueue("top", stop(schedulingv1alpha1.StopNone))
	e.expectJobs("a", 8, 6)
	e.expectJobs("b", 8, 2)
	e.expectAtRest(nil)
	e.expectEvicted()
}
