package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// cpuAndGPU is a list of CPUs and GPUs.
func cpuAndGPU(cpus, gpus int) corev1.ResourceList {
	list := cpu(cpus)
	if gpus > 0 {
		list[gpuResource] = gpu(gpus)[gpuResource]
	}
	return list
}

// Two nodes have free GPUs. Those of one are of no use to the shapes that come here, for want of CPUs: a small pod goes there,
// by itself or in a gang, though the other node is the tighter fit.
func TestPacksForShapesSeen(t *testing.T) {
	for name, members := range map[string]int{"single pod": 0, "gang": 1} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, node("starved", cpuAndGPU(12, 8)), node("useful", cpuAndGPU(32, 4)))
			e.gang("filler", 1, cpuAndGPU(8, 1), onNodesWith(corev1.LabelHostname, "starved"))
			e.expectBound("filler", 1)
			e.gang("usual", 1, cpuAndGPU(16, 2), onNodesWith(corev1.LabelHostname, "useful"))
			e.expectBound("usual", 1)
			e.gang("waits", 4, cpuAndGPU(16, 2), onNodesWith(corev1.LabelHostname, "useful"))
			e.expectNoRoomFor("waits")
			if members > 0 {
				e.gang("small", members, cpuAndGPU(1, 1))
				e.expectBound("small", 1)
				if got := e.nodesOf("small"); got["starved"] != 1 {
					t.Errorf("the small pod is on %v, want the node whose GPUs nobody else can use", got)
				}
				return
			}
			e.createPods(pod("small", "", cpuAndGPU(1, 1)))
			if got := e.expectPodBound("small"); got != "starved" {
				t.Errorf("the small pod is on %s, want the node whose GPUs nobody else can use", got)
			}
		})
	}
}

// Who asks for it is spread, as a gang, as members beyond a minimum, and as single pods; others fill one node.
func TestSpreads(t *testing.T) {
	spread := annotation(schedulingv1alpha1.PackingAnnotation, schedulingv1alpha1.PackingSpread)
	e := setUp(t, nodes(3, gpu(4))...)
	e.gang("packed", 2, gpu(1))
	e.expectBound("packed", 2)
	if got := e.nodesOf("packed"); len(got) != 1 {
		t.Errorf("the gang is on %v, want one node", got)
	}
	e.gang("apart", 2, gpu(1), spread)
	e.expectBound("apart", 2)
	if got := e.nodesOf("apart"); len(got) != 2 {
		t.Errorf("the gang that asks to be spread is on %v, want two nodes", got)
	}
	e.create(podGroup("elastic", 1, onGroup(schedulingv1alpha1.PackingAnnotation, schedulingv1alpha1.PackingSpread)))
	e.createPods(members("elastic", 3, gpu(1))...)
	e.expectBound("elastic", 3)
	e.createPods(pod("one", "", gpu(1), spread))
	e.expectPodBound("one")
	all := map[string]int{}
	for _, gang := range []string{"packed", "apart", "elastic", ""} {
		for node, n := range e.nodesOf(gang) {
			all[node] += n
		}
	}
	for node, n := range all {
		if n > 3 {
			t.Errorf("%d of 8 pods are on %s, want at most 3 when 6 of them spread", n, node)
		}
	}
}
