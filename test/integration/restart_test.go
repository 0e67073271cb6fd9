package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// startScheduler starts the scheduler again, after a kill. A grace period replaces the default until the test ends,
// unless it is empty.
func (e *env) startScheduler(grace string) {
	e.Helper()
	if grace != "" {
		e.configured = true
	}
	e.do(writeSchedulerConfig(shared.schedulerConfig, shared.cluster.Kubeconfig(), grace))
	e.do(shared.cluster.StartScheduler(e.Context()))
}

// mayBreak names a gang that the test breaks on purpose.
func (e *env) mayBreak(gang string) { e.broken[e.namespace+"/"+gang] = true }

// force deletes a pod at once, as when its node is gone.
func (e *env) force(pods ...*corev1.Pod) {
	e.Helper()
	for _, p := range pods {
		e.do(client.IgnoreNotFound(e.client.Delete(e.Context(), p, client.GracePeriodSeconds(0))))
	}
}

// A11: the scheduler is killed while half of a gang is bound and the other half is about to be. The next one completes
// the gang, before another that came between and would take its room.
func TestKilledHalfBound(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	gate := e.gateBindings(anyOf(hold, "gang-1", "gang-3"))
	e.mayBreak("gang") // while no scheduler runs
	e.gang("gang", 4, cpu(1))
	e.expectBound("gang", 2)
	e.eventuallyAsked(gate, "gang-1", "gang-3")
	shared.cluster.KillScheduler()
	e.gang("newer", 2, cpu(1))
	gate.set(everything(allow))
	e.startScheduler("")
	e.expectBound("gang", 4)
	e.expectRefused("newer")
}

// A11: the scheduler is killed when all members are assumed to be on their nodes and none is bound.
func TestKilledAssumed(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	gate := e.gateBindings(everything(hold))
	e.gang("gang", 4, cpu(1))
	e.eventuallyAsked(gate, "gang-0", "gang-1", "gang-2", "gang-3")
	shared.cluster.KillScheduler()
	e.startScheduler("")
	e.expectNoneBound("gang")
	gate.set(everything(allow))
	e.expectBound("gang", 4)
}

// A11: a scheduler that finds half of a gang bound, and no room for the rest, lets go of it after the grace period.
// When there is room and the members have been replaced, the gang starts whole.
func TestKilledHalfBoundAndNoRoom(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	shared.cluster.KillScheduler()
	pods := e.gang("gang", 4, cpu(1))
	e.mayBreak("gang")
	e.bind("gang-0", "node-0")
	e.bind("gang-1", "node-0")
	other := pod("other", "", cpu(1))
	e.createPods(other)
	e.bind("other", "node-1")
	e.startScheduler("2s")
	e.expectGone(pods[:2]...)
	e.expectEvent("PodGroup", "gang", "BrokenGangEvicted", "below the minimum of 4")
	e.expectNoneBound("gang")

	e.createPods(members("gang", 2, cpu(1))...)
	e.expectRefused("gang")
	e.delete(other)
	e.expectBound("gang", 4)
}

// A10: the API server refuses to bind one member. Nothing is lost, others are not held up, and the gang is complete once
// the API server relents.
func TestRefusedBinding(t *testing.T) {
	e := setUp(t, node("node", cpu(8)))
	gate := e.gateBindings(anyOf(refuse, "gang-2"))
	e.mayBreak("gang")
	e.gang("gang", 4, cpu(1))
	e.expectBound("gang", 3)
	e.eventuallyAsked(gate, "gang-2")
	e.createPods(pod("single", "", cpu(1)))
	e.expectPodBound("single")
	e.gang("other", 3, cpu(1))
	e.expectBound("other", 3)
	e.eventuallyAskedAgain(gate, "gang-2") // it is not forgotten either
	gate.set(everything(allow))
	e.expectBound("gang", 4)
}

// A gang of which the API server keeps refusing a member is let go after the grace period, and holds nothing then.
func TestRefusedForGood(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	shared.cluster.KillScheduler()
	e.startScheduler("2s")
	gate := e.gateBindings(anyOf(refuse, "gang-2"))
	e.mayBreak("gang")
	pods := e.gang("gang", 4, cpu(1))
	e.eventuallyAsked(gate, "gang-2")
	e.expectGone(pods[0], pods[1], pods[3])
	e.gang("other", 4, cpu(1))
	e.expectBound("other", 4)
	e.expectNoneBound("gang")
}

// A member is deleted when it is about to be bound. The others start, and the one that replaces it completes the gang.
func TestMemberDiesBeforeBinding(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	gate := e.gateBindings(everything(hold))
	e.mayBreak("gang")
	pods := e.gang("gang", 4, cpu(1))
	e.eventuallyAsked(gate, "gang-0", "gang-1", "gang-2", "gang-3")
	e.force(pods[1])
	gate.set(everything(allow))
	e.expectBound("gang", 3)
	e.createPods(members("gang", 2, cpu(1))[1])
	e.expectBound("gang", 4)
}

// A node goes with half of a gang. The gang is completed before a newer one of equal priority that could have the room.
func TestNodeLost(t *testing.T) {
	e := setUp(t, nodes(2, cpu(2))...)
	pods := e.gang("gang", 4, cpu(1))
	e.expectBound("gang", 4)
	e.mayBreak("gang")
	e.nextSecond()
	e.gang("newer", 2, cpu(1))
	e.expectRefused("newer")

	e.do(e.client.Delete(e.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}))
	var replacements []*corev1.Pod
	for i, p := range pods {
		if e.seen(p.Name).Spec.NodeName == "node-1" {
			e.force(p)
			replacements = append(replacements, members("gang", 4, cpu(1))[i])
		}
	}
	e.createPods(replacements...)
	e.expectNoRoomFor("gang")
	e.expectBound("gang", 2)
	e.createNodes(node("node-2", cpu(2)))
	e.expectBound("gang", 4)
	e.expectNoneBound("newer")
	e.createNodes(node("node-3", cpu(2)))
	e.expectBound("newer", 2)
}
