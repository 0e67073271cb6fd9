package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// Members above the minimum come and go one by one, and the gang goes on.
func TestElasticGang(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(podGroup("gang", 2))
	pods := members("gang", 5, cpu(1))
	e.createPods(pods...)
	e.expectBound("gang", 3)
	e.eventuallyUnschedulablePods(2)

	e.delete(e.boundPods("gang")[0])
	e.expectBound("gang", 3)
	e.createNodes(node("more", cpu(4)))
	e.expectBound("gang", 4)
	bound := e.boundPods("gang")
	e.delete(bound[0], bound[1])
	e.expectBound("gang", 2)
	e.createPods(members("gang", 7, cpu(1))[5:]...)
	e.expectBound("gang", 4)
}

// A role below its minimum is not made up for by more of another.
func TestElasticRoles(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	e.create(podGroup("job", 3, minMembers(`{"ps":1,"worker":1}`)))
	e.createPods(members("job", 4, cpu(1), role("worker"))...)
	e.expectReason(gangs.WaitingForMembers, 1)
	e.expectNoneBound("job")
	e.createPods(members("job", 1, cpu(1), role("ps"))...)
	e.expectBound("job", 4)
	servers := 0
	for _, p := range e.boundPods("job") {
		if p.Name == "job-0-ps" {
			servers++
		}
	}
	if servers != 1 {
		t.Error("the gang started without its parameter server")
	}
}

// A gang has the priority of its most important member: it gets room before an older gang of less, or from that gang if
// that was quicker.
func TestMixedPriority(t *testing.T) {
	e := setUp(t, node("node", cpu(1)))
	important := e.withPriority(1000)
	e.gang("older", 3, cpu(1))
	e.expectRefused("older")
	e.create(podGroup("newer", 3))
	pods := members("newer", 3, cpu(1))
	important(pods[1])
	e.createPods(pods...)
	e.expectRefused("newer")
	e.createNodes(node("room", cpu(3)))
	e.expectBound("newer", 3)
	e.expectBound("older", 0)
}

// A member that is gone before the gang starts takes nothing with it; the one that replaces it makes the gang whole.
func TestMemberLeavesBeforeTheStart(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	pods := e.gang("gang", 3, cpu(1))
	e.expectRefused("gang")
	e.delete(pods[0])
	e.expectReason(gangs.WaitingForMembers, 1)
	e.createNodes(node("more", cpu(1)))
	e.createPods(pod("gang-again", "gang", cpu(1)))
	e.expectBound("gang", 3)
}

// Members that are still gated do not count, and start the gang when their gates are lifted.
func TestGatedMember(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(podGroup("gang", 3))
	pods := members("gang", 3, cpu(1))
	pods[2].Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/later"}}
	e.createPods(pods...)
	e.expectReason(gangs.WaitingForMembers, 1)
	e.expectEvent("PodGroup", "gang", "WaitingForMembers", "2 of at least 3 members")
	e.expectNoneBound("gang")
	gated := e.seen("gang-2")
	lifted := gated.DeepCopy()
	lifted.Spec.SchedulingGates = nil
	e.do(e.client.Patch(e.Context(), lifted, client.MergeFrom(gated))) // an update would meet others' writes of the status
	e.expectBound("gang", 3)
}

// Small gangs are packed, so that whole nodes stay free for gangs that want whole nodes. The scheduler has seen nothing else:
// holes are kept for the shapes that came before, and other tests have theirs.
func TestSmallGangsLeaveWholeNodesFree(t *testing.T) {
	e := setUp(t, nodes(4, gpu(8))...)
	e.do(shared.cluster.StopScheduler())
	e.do(shared.cluster.StartScheduler(e.Context()))
	for i := range 4 {
		name := fmt.Sprintf("small-%d", i)
		e.gang(name, 2, gpu(1))
		e.expectBound(name, 2)
	}
	e.gang("large", 3, gpu(8))
	e.expectBound("large", 3)
}

// Gangs that wait hold nothing: what they cannot use together, others get.
func TestManyWaitingGangsHoldNothing(t *testing.T) {
	e := setUp(t, nodes(2, gpu(8))...)
	for i := range 10 {
		e.gang(fmt.Sprintf("large-%d", i), 3, gpu(8))
	}
	for i := range 2 {
		name := fmt.Sprintf("fits-%d", i)
		e.gang(name, 8, gpu(1))
		e.expectBound(name, 8)
	}
	e.expectReason(gangs.ExceedsCluster, 10)
}

// Members that were told to stop and end without an error have not succeeded: one that replaces them is not let in alone.
func TestStoppedMembersHaveNotSucceeded(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	pods := e.gang("gang", 2, cpu(1), func(p *corev1.Pod) { p.Finalizers = []string{"test.muster.dev/held"} })
	e.expectBound("gang", 2)
	e.delete(pods[0], pods[1])
	for _, p := range pods {
		ended := p.DeepCopy()
		ended.Status.Phase = corev1.PodSucceeded
		e.do(e.client.Status().Patch(e.Context(), ended, client.MergeFrom(p)))
	}
	e.createPods(pod("gang-again", "gang", cpu(1)))
	e.expectReason(gangs.WaitingForMembers, 1)
	e.expectNoneBound("gang")
	for _, p := range pods {
		e.do(e.client.Patch(e.Context(), p, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))))
	}
	e.createPods(pod("gang-another", "gang", cpu(1)))
	e.expectBound("gang", 2)
}
