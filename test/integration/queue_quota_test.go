package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// D9: a firm gang above the guarantee of its queue waits though there is room, and says that it always will; others use
// what nobody is guaranteed.
func TestFirmOnlyWithinGuarantee(t *testing.T) {
	e := setUp(t, node("node", gpu(4)))
	e.queue("q", guarantee(gpu(1)))
	e.gangIn("q", "firm-two", 2, 2, gpu(1), firm)
	e.expectEvent("PodGroup", "firm-two", string(gangs.ExceedsLimit), "the guarantee is 1")
	e.gangIn("q", "soft", 2, 2, gpu(1))
	e.expectBound("soft", 2)
	e.gangIn("q", "firm-one", 1, 1, gpu(1), firm)
	e.expectBound("firm-one", 1)
	e.gangIn("q", "firm-more", 1, 1, gpu(1), firm)
	e.expectEvent("PodGroup", "firm-more", string(gangs.QuotaExceeded), "1 of 1 guaranteed nvidia.com/gpu in use by gangs that may not be preempted")
	e.expectAtRest(map[string]int{"firm-two": 0, "soft": 2, "firm-one": 1, "firm-more": 0})
	e.expectEvicted()
	e.editQueue("q", guarantee(gpu(2)))
	e.expectAtRest(map[string]int{"firm-two": 0, "soft": 2, "firm-one": 1, "firm-more": 1})
}

// A limit two levels up holds for all queues below it together, the queue that refuses is named, and the limit is kept
// by many gangs that come at once.
func TestLimitFarAbove(t *testing.T) {
	e := setUp(t, node("node", cpu(16)))
	e.queue("top", limit(cpu(3)))
	e.queue("mid", e.below("top"), limit(cpu(8)))
	e.queue("a", e.below("mid"))
	e.queue("b", e.below("mid"))
	e.queue("c", e.below("top"))
	for _, queue := range []string{"a", "b", "c"} {
		e.jobsIn(queue, queue, 4, cpu(1))
	}
	e.eventually("three gangs run", func(context.Context) (bool, string) {
		a, b, c := e.boundJobs("a", 4), e.boundJobs("b", 4), e.boundJobs("c", 4)
		return a+b+c == 3, fmt.Sprint(a, b, c)
	})
	e.expectReason(gangs.QuotaExceeded, 9)
	e.expectAtRest(nil)
	if bound := e.boundJobs("a", 4) + e.boundJobs("b", 4) + e.boundJobs("c", 4); bound != 3 {
		t.Errorf("%d gangs run, want 3", bound)
	}
	e.expectEvicted()
	e.gangIn("a", "huge", 4, 4, cpu(1))
	e.expectEvent("PodGroup", "huge", string(gangs.ExceedsLimit), "queue "+e.queueName("top")+": 4 cpu asked, the limit is 3")
}

// Pods that are leaving count against the limit until they are gone, and so do pods of a gang that was admitted and is
// about to be bound.
func TestLimitCountsWhatLeaves(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	e.queue("q", limit(cpu(2)))
	first := e.gangIn("q", "first", 2, 2, cpu(1), lingers)
	e.expectBound("first", 2)
	e.gangIn("q", "second", 2, 2, cpu(1))
	e.expectReason(gangs.QuotaExceeded, 1)
	e.delete(first[0], first[1])
	e.expectBound("first", 0)
	e.expectAtRest(map[string]int{"second": 0})
	e.force(first[0])
	e.expectAtRest(map[string]int{"second": 0})
	e.force(first[1])
	e.expectBound("second", 2)
}

// Members beyond the minimum are admitted one by one, as far as the limit goes.
func TestLimitForSurplus(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("q", limit(cpu(3)))
	e.gangIn("q", "elastic", 2, 6, cpu(1))
	e.expectAtRest(map[string]int{"elastic": 3})
	e.editQueue("q", limit(cpu(5)))
	e.expectAtRest(map[string]int{"elastic": 5})
}

// The number of pods can be limited, and so can resources that nobody has heard of.
func TestLimitOfPodsAndUnknownResources(t *testing.T) {
	e := setUp(t, node("node", corev1.ResourceList{corev1.ResourceCPU: quantity("8"), "example.org/widget": quantity("9223372036854775807")}))
	e.queue("pods", limit(corev1.ResourceList{corev1.ResourcePods: quantity("2"), "example.org/nothing": quantity("0")}))
	e.jobsIn("pods", "p", 3, nil)
	e.expectJobs("p", 3, 2)
	e.queue("widgets", limit(corev1.ResourceList{"example.org/widget": quantity("4611686018427387905")}), weight(1000000))
	widgets := corev1.ResourceList{"example.org/widget": quantity("4611686018427387904")}
	e.jobsIn("widgets", "w", 2, widgets)
	e.expectJobs("w", 2, 1)
	e.expectReason(gangs.QuotaExceeded, 2)
	e.expectAtRest(nil)
}

// The queue's limit is lowered below its usage: nothing is evicted and nothing is admitted until usage is below it.
func TestLimitLowered(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("q")
	running := e.gangIn("q", "running", 3, 3, cpu(1))
	e.expectBound("running", 3)
	e.updateQueue("q", limit(cpu(2)))
	e.gangIn("q", "waiting", 1, 1, cpu(1))
	e.expectEvent("PodGroup", "waiting", string(gangs.QuotaExceeded), "3 of 2 cpu in use, 1 more asked")
	e.expectAtRest(map[string]int{"running": 3, "waiting": 0})
	e.mayBreak("running")
	e.force(running[0])
	e.round()
	e.expectNoneBound("waiting")
	e.force(running[1], running[2])
	e.expectBound("waiting", 1)
	e.expectEvicted()
}

// The status of a queue says what is in it, and who is first in line and why.
func TestQueueStatus(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("top", guarantee(cpu(6)))
	e.queue("q", e.below("top"), guarantee(cpu(2)), limit(cpu(3)))
	e.gangIn("q", "running", 3, 3, cpu(1))
	e.expectBound("running", 3)
	e.gangIn("q", "first", 1, 1, cpu(1))
	e.nextSecond()
	e.gangIn("q", "second", 1, 1, cpu(1))
	for _, name := range []string{"q", "top"} {
		e.expectQueue(name, "shows what is in it", func(q *queueObject) bool {
			s := q.Status
			return s.AdmittedGangs == 1 && s.PendingGangs == 2 && s.Allocated.Cpu().Value() == 3 && s.Head != nil &&
				s.Head.Namespace == e.namespace && s.Head.Name == "first" && s.Head.Kind == "PodGroup" &&
				s.Head.Reason == string(gangs.QuotaExceeded) && len(s.Waiting) == 1 && s.Waiting[0].Count == 2
		})
	}
	q := e.getQueue("q").Status
	if guaranteed, share := q.Guaranteed.Cpu().Value(), q.FairShare.Cpu().Value(); guaranteed != 2 || share != 3 {
		t.Errorf("%d CPUs of the usage are guaranteed, and %d a fair share; want 2 and 3", guaranteed, share)
	}
	err := e.client.Delete(e.Context(), &queueObject{ObjectMeta: metav1.ObjectMeta{Name: e.queueName("q")}})
	if err == nil {
		t.Error("a queue with gangs in it was deleted")
	}
}
