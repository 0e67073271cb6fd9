package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// A1: the pods of two gangs arrive in turn, and there is room for one gang. The older one starts whole, the other holds
// nothing.
func TestTwoGangsInTurn(t *testing.T) {
	for name, order := range map[string][2]string{"in order": {"a", "b"}, "reversed": {"b", "a"}} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, node("node", cpu(4)))
			first, second := order[0], order[1]
			e.create(podGroup(first, 3))
			e.nextSecond()
			e.create(podGroup(second, 3))
			firsts, seconds := members(first, 3, cpu(1)), members(second, 3, cpu(1))
			for i := range firsts {
				e.createPods(firsts[i], seconds[i])
			}
			e.expectBound(first, 3)
			e.expectRefused(second)
			e.expectUnschedulable(second)
			e.expectReason(gangs.Unschedulable, 1)

			for _, p := range firsts {
				e.delete(p)
			}
			e.expectBound(second, 3)
		})
	}
}

// A3: a pod of no gang that fits is bound, though it comes in the middle of a gang that does not fit any more then.
func TestPodBetweenMembers(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(podGroup("gang", 3))
	pods := members("gang", 3, cpu(1))
	e.createPods(pods[0], pods[1])
	e.createPods(pod("single", "", cpu(1)))
	e.expectPodBound("single")
	e.createPods(pods[2])
	e.expectRefused("gang")
	e.expectUnschedulable("gang")
}

// A5: enough GPUs are free, but in pieces. The gang holds none of them: a pod that comes later is bound at once.
func TestFragments(t *testing.T) {
	e := setUp(t, node("six", gpu(6)), node("two-a", gpu(2)), node("two-b", gpu(2)), node("two-c", gpu(2)))
	e.gang("gang", 3, gpu(4))
	e.expectRefused("gang")
	e.createPods(pod("single", "", gpu(2)))
	e.expectPodBound("single")
	for _, name := range []string{"four-a", "four-b", "four-c"} {
		e.expectNoneBound("gang")
		e.createNodes(node(name, gpu(4)))
	}
	e.expectBound("gang", 3)
}

// Twelve executors of 4 CPUs on ten nodes of 6: ten would fit.
func TestExecutorsThatDoNotFitTwice(t *testing.T) {
	e := setUp(t, nodes(10, cpu(6))...)
	e.gang("executors", 12, cpu(4))
	e.expectRefused("executors")
	e.expectEvent("PodGroup", "executors", "ExceedsCluster", "10 of the 12 members that have to start together fit")
	e.createNodes(node("eleventh", cpu(6)), node("twelfth", cpu(6)))
	e.expectBound("executors", 12)
}

// A8: two of three members are the minimum, and there is room for two. The third comes when there is room for it.
func TestMinimumBelowMembers(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.create(podGroup("gang", 2))
	e.createPods(members("gang", 3, cpu(1))...)
	e.expectBound("gang", 2)
	e.expectEvent("PodGroup", "gang", "Scheduled", "2 members")
	e.eventuallyUnschedulablePods(1)
	e.createNodes(node("more", cpu(1)))
	e.expectBound("gang", 3)
}

// In place of B1: a parameter server and two workers are needed together.
func TestMinimumOfRoles(t *testing.T) {
	e := setUp(t, node("workers", cpu(2)))
	e.create(podGroup("job", 3, minMembers(`{"ps":1,"worker":2}`)))
	e.createPods(members("job", 1, corev1.ResourceList{corev1.ResourceMemory: quantity("1Gi")}, role("ps"))...)
	e.createPods(members("job", 2, cpu(1), role("worker"))...)
	e.expectRefused("job")
	e.expectEvent("PodGroup", "job", "ExceedsCluster", `role "ps": 0 of 1`)
	e.createNodes(node("servers", corev1.ResourceList{corev1.ResourceMemory: quantity("1Gi")}))
	e.expectBound("job", 3)
}
