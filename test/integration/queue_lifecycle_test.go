package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

type queueObject = schedulingv1alpha1.Queue

// A gang waits for its queue, says which one does not exist, and starts when it is made.
func TestQueueMadeLater(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	e.gangIn("q", "gang", 2, 2, cpu(1))
	e.createPods(pod("single", "", cpu(1), e.ofQueue("q")))
	e.expectEvent("PodGroup", "gang", string(gangs.QueueNotFound), e.queueName("q"))
	e.expectAtRest(map[string]int{"gang": 0, "": 0})
	e.queue("q")
	e.expectBound("gang", 2)
	e.expectPodBound("single")
}

// A queue on hold admits nothing and lets go on what runs; the same for a queue above it. Opened again, it admits.
func TestQueueOnHold(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("top")
	e.queue("q", e.below("top"))
	e.gangIn("q", "running", 2, 2, cpu(1))
	e.expectBound("running", 2)
	e.editQueue("q", stop(schedulingv1alpha1.StopHold))
	e.expectNotReady("q", schedulingv1alpha1.ReasonStopped)
	e.gangIn("q", "waiting", 2, 2, cpu(1))
	e.expectEvent("PodGroup", "waiting", string(gangs.QueueStopped), "queue "+e.queueName("q"))
	e.expectAtRest(map[string]int{"running": 2, "waiting": 0})
	e.editQueue("top", stop(schedulingv1alpha1.StopHold))
	e.expectNotReady("top", schedulingv1alpha1.ReasonStopped)
	e.editQueue("q", stop(schedulingv1alpha1.StopNone))
	e.expectReason(gangs.QueueStopped, 1)
	e.expectAtRest(map[string]int{"running": 2, "waiting": 0})
	e.editQueue("top", stop(schedulingv1alpha1.StopNone))
	e.expectBound("waiting", 2)
	e.expectEvicted()
}

// A queue that is drained evicts what runs, firm gangs too, and admits nothing; others are left alone.
func TestQueueDrained(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("top", guarantee(cpu(8)))
	e.queue("q", e.below("top"), guarantee(cpu(4)))
	e.queue("other", e.below("top"))
	evicted := e.gangIn("q", "soft", 2, 2, cpu(1))
	evicted = append(evicted, e.gangIn("q", "firm", 1, 1, cpu(1), firm)...)
	e.gangIn("other", "other", 1, 1, cpu(1))
	e.expectBound("soft", 2)
	e.expectBound("firm", 1)
	e.expectBound("other", 1)
	e.editQueue("q", stop(schedulingv1alpha1.StopDrain))
	e.expectGone(evicted...)
	e.expectEvicted("firm-0", "soft-0", "soft-1")
	e.createPods(members("soft", 2, cpu(1))...)
	e.expectReason(gangs.QueueStopped, 1)
	e.expectAtRest(map[string]int{"soft": 0, "other": 1})
	e.editQueue("q", stop(schedulingv1alpha1.StopNone))
	e.expectBound("soft", 2)
}

// A queue admits the gangs of namespaces that it selects, from when they have the label; what runs goes on without it.
func TestQueueSelectsNamespaces(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	e.queue("q", func(spec *schedulingv1alpha1.QueueSpec) {
		spec.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
	})
	e.gangIn("q", "first", 2, 2, cpu(1))
	e.expectEvent("PodGroup", "first", string(gangs.NamespaceNotAllowed), e.queueName("q"))
	e.expectAtRest(map[string]int{"first": 0})
	e.labelNamespace("team", "a")
	e.expectBound("first", 2)
	e.labelNamespace("team", "b")
	e.gangIn("q", "second", 2, 2, cpu(1))
	e.expectReason(gangs.NamespaceNotAllowed, 1)
	e.expectAtRest(map[string]int{"first": 2, "second": 0})
	e.expectEvicted()
}

func (e *env) labelNamespace(key, value string) {
	e.Helper()
	change(e, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}}, func(n *corev1.Namespace) { n.Labels[key] = value })
}

// A gang that names no queue is in that of its namespace; one that does is not.
func TestQueueOfNamespace(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("team", limit(cpu(1)))
	e.queue("own")
	e.labelNamespace(schedulingv1alpha1.QueueLabel, e.queueName("team"))
	e.gangIn("own", "named", 2, 2, cpu(1))
	e.createPods(pod("single", "", cpu(1), e.ofQueue("own")))
	e.gang("silent", 2, cpu(1))
	e.expectBound("named", 2)
	e.expectPodBound("single")
	e.expectEvent("PodGroup", "silent", string(gangs.ExceedsLimit), "queue "+e.queueName("team"))
	e.expectAtRest(map[string]int{"silent": 0})
	e.labelNamespace(schedulingv1alpha1.QueueLabel, e.queueName("own"))
	e.expectBound("silent", 2)
}

// A queue is deleted while one gang runs in it and another waits, and made again with the same name: the one that runs
// goes on and counts in the new queue, the other waits for the queue and then in it.
func TestQueueDeletedAndMadeAgain(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("q", limit(cpu(2)))
	running := e.gangIn("q", "running", 2, 2, cpu(1))
	e.expectBound("running", 2)
	e.gangIn("q", "waiting", 1, 1, cpu(1))
	e.expectReason(gangs.QuotaExceeded, 1)
	e.withoutManager(func() { e.do(e.deleteQueues(e.Context(), e.queueName("q"))) }) // whose webhook would look for gangs itself
	e.expectEvent("PodGroup", "waiting", string(gangs.QueueNotFound), e.queueName("q"))
	e.expectAtRest(map[string]int{"running": 2, "waiting": 0})
	e.queue("q", limit(cpu(2)))
	e.expectReason(gangs.QuotaExceeded, 1)
	e.expectQueue("q", "counts what ran before it was made", func(q *queueObject) bool {
		return q.Status.AdmittedGangs == 1 && q.Status.PendingGangs == 1 && q.Status.Allocated.Cpu().Value() == 2
	})
	e.expectAtRest(map[string]int{"running": 2, "waiting": 0})
	e.mayBreak("running")
	e.force(running...)
	e.expectBound("waiting", 1)
	e.expectEvicted()
}

// The tree is edited into a cycle: its queues admit nothing, say so, and what runs goes on. When the tree is mended, what
// waited starts.
func TestQueuesInACycle(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("a")
	e.queue("b", e.below("a"))
	e.queue("leaf", e.below("b"), limit(cpu(4)))
	e.gangIn("leaf", "running", 2, 2, cpu(1))
	e.expectBound("running", 2)
	e.withoutManager(func() { e.editQueue("a", e.below("b")) }) // whose webhook would refuse it
	for _, queue := range []string{"a", "b", "leaf"} {
		e.expectNotReady(queue, schedulingv1alpha1.ReasonCycle)
	}
	e.gangIn("leaf", "waiting", 2, 2, cpu(1))
	e.expectEvent("PodGroup", "waiting", string(gangs.Misconfigured), "own ancestor")
	e.createPods(pod("elsewhere", "", cpu(1)))
	e.expectPodBound("elsewhere")
	e.expectAtRest(map[string]int{"running": 2, "waiting": 0})
	e.editQueue("a", func(spec *schedulingv1alpha1.QueueSpec) { spec.Parent = "" })
	e.expectBound("waiting", 2)
	e.expectQueue("a", "counts what is below it", func(q *queueObject) bool { return q.Status.Allocated.Cpu().Value() == 4 })
	e.expectEvicted()
}

// Other mistakes in the tree close the queues concerned until they are corrected: a parent that does not exist, more
// guaranteed below than above, gangs in a queue that has queues below it.
func TestMistakesInTheTree(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	e.queue("orphan", e.below("parent"))
	e.queue("top", guarantee(cpu(2)))
	e.withoutManager(func() { e.queue("greedy", e.below("top"), guarantee(cpu(3))) }) // whose webhook would refuse it
	e.gangIn("orphan", "orphan", 1, 1, cpu(1))
	e.gangIn("greedy", "greedy", 1, 1, cpu(1))
	e.gangIn("top", "inner", 1, 1, cpu(1))
	e.expectNotReady("orphan", schedulingv1alpha1.ReasonParentNotFound)
	e.expectNotReady("greedy", schedulingv1alpha1.ReasonGuaranteeExceedsParent)
	e.expectEvent("PodGroup", "orphan", string(gangs.Misconfigured), e.queueName("parent"))
	e.expectEvent("PodGroup", "greedy", string(gangs.Misconfigured), "3")
	e.expectEvent("PodGroup", "inner", string(gangs.Misconfigured), e.queueName("top"))
	e.expectAtRest(map[string]int{"orphan": 0, "greedy": 0, "inner": 0})
	e.queue("parent")
	e.expectBound("orphan", 1)
	e.editQueue("greedy", guarantee(cpu(2)))
	e.expectBound("greedy", 1)
	e.expectReason(gangs.Misconfigured, 1)
}
