package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/explain"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// zone is a zone of a node with GPUs, of which so many are free.
func zone(kind, name string, gpus, free int64) nrt.Zone {
	return nrt.Zone{Type: kind, Name: name, Resources: nrt.ResourceInfoList{{
		Name: string(gpuResource), Capacity: *resource.NewQuantity(gpus, resource.DecimalSI),
		Allocatable: *resource.NewQuantity(gpus, resource.DecimalSI), Available: *resource.NewQuantity(free, resource.DecimalSI),
	}}}
}

// numaNodes are NUMA nodes of 4 GPUs, with so many free in each.
func numaNodes(free ...int64) (zones []nrt.Zone) {
	for i, n := range free {
		zones = append(zones, zone("Node", fmt.Sprintf("node-%d", i), 4, n))
	}
	return zones
}

// report creates what a node reports of its layout, and waits until the scheduler knows it. No zone may have all of the
// node's GPUs.
func (e *env) report(node, policy string, zones ...nrt.Zone) *nrt.NodeResourceTopology {
	e.Helper()
	layout := &nrt.NodeResourceTopology{ObjectMeta: metav1.ObjectMeta{Name: node}, Zones: zones}
	if policy != "" {
		layout.Attributes = nrt.AttributeList{{Name: "topologyManagerPolicy", Value: policy}}
	}
	e.create(layout)
	e.eventually("the scheduler knows the layout of "+node, func(ctx context.Context) (bool, string) {
		var n corev1.Node
		if err := e.client.Get(ctx, client.ObjectKey{Name: node}, &n); err != nil {
			return false, err.Error()
		}
		probe := pod("probe", "", corev1.ResourceList{gpuResource: n.Status.Allocatable[gpuResource]}, linked("numa"), onNodesWith(corev1.LabelHostname, node))
		probe.Namespace = e.namespace
		answer, err := e.scheduler().WhatIf(ctx, explain.Question{Pods: []corev1.Pod{*probe}})
		return err == nil && (strings.Contains(answer.Message, "NUMA node") || strings.Contains(answer.Message, "Topology")), fmt.Sprintf("%+v, %v", answer, err)
	})
	return layout
}

func linked(locality string) func(*corev1.Pod) {
	return annotation(schedulingv1alpha1.GPUTopologyRequiredAnnotation, locality)
}

func ratherLinked(locality string) func(*corev1.Pod) {
	return annotation(schedulingv1alpha1.GPUTopologyPreferredAnnotation, locality)
}

// occupy puts pods of so many GPUs on a node.
func (e *env) occupy(node string, gpus ...int) {
	e.Helper()
	for i, n := range gpus {
		name := fmt.Sprintf("on-%s-%d", node, i)
		e.createPods(pod(name, "", gpu(n), onNodesWith(corev1.LabelHostname, node)))
		e.expectPodBound(name)
	}
}

// F11: of two nodes with four free GPUs each, one has them in two NUMA nodes. Its kubelet would refuse a pod that wants four.
func TestStrictKubeletIsLeftAlone(t *testing.T) {
	for _, policy := range []string{"single-numa-node", "restricted"} {
		t.Run(policy, func(t *testing.T) {
			e := setUp(t, node("split", gpu(8)))
			e.report("split", policy, numaNodes(2, 2)...)
			e.occupy("split", 2, 2)
			e.gang("gang", 1, gpu(4))
			e.expectRefused("gang")
			e.expectEvent("PodGroup", "gang", string(gangs.Unschedulable), "the kubelet's policy "+policy+" would refuse 4 nvidia.com/gpu: node-0 has 2 nvidia.com/gpu, node-1 has 2")
			e.createNodes(node("whole", gpu(4)))
			e.expectBound("gang", 1)
			e.checkPlaces("gang", []string{"whole"}, 0)
			e.gang("small", 2, gpu(2))
			e.expectBound("small", 2)
			e.checkPlaces("small", []string{"split"}, 0)
		})
	}
}

// Members take the NUMA nodes of one node from each other: two of three GPUs fit, and no third, though two GPUs are free.
func TestMembersShareTheZonesOfANode(t *testing.T) {
	e := setUp(t, node("a", gpu(8)))
	e.report("a", "", numaNodes(4, 4)...)
	e.gang("three", 3, gpu(3), linked("numa"))
	e.gang("six", 3, gpu(2), linked("numa"))
	e.expectBound("six", 3)
	e.expectRefused("three")
	e.delete(e.asObjects("six")...)
	e.createNodes(node("b", gpu(8)))
	e.expectBound("three", 3)
	e.checkPlaces("three", nil, 2)
}

// asObjects are the bound pods of a gang.
func (e *env) asObjects(gang string) (objects []client.Object) {
	for _, p := range e.boundPods(gang) {
		objects = append(objects, p)
	}
	return objects
}

// GPUs of one NVLink island are found where NUMA nodes do not tell them apart.
func TestNVLinkIslands(t *testing.T) {
	e := setUp(t, node("linked", gpu(8)), node("plain", gpu(8)))
	e.report("linked", "", append(numaNodes(4, 4), zone("NVLink", "nvlink-0", 8, 8))...)
	e.report("plain", "", numaNodes(4, 4)...)
	e.gang("gang", 2, gpu(4), linked("nvlink"))
	e.expectBound("gang", 2)
	e.checkPlaces("gang", []string{"linked"}, 0)
	e.gang("more", 1, gpu(4), linked("nvlink"))
	e.expectRefused("more")
	e.expectEvent("PodGroup", "more", string(gangs.Unschedulable), "no NVLink island has 4 nvidia.com/gpu free")
}

// A preference goes before packing, and keeps nobody from starting.
func TestPreferredNearness(t *testing.T) {
	e := setUp(t, node("split", gpu(8)), node("whole", gpu(8)))
	e.report("split", "", numaNodes(2, 2)...)
	e.report("whole", "", numaNodes(4, 4)...)
	e.occupy("split", 2, 2)
	e.gang("gang", 2, gpu(4), ratherLinked("numa"))
	e.expectBound("gang", 2)
	e.checkPlaces("gang", []string{"whole"}, 0)
	e.gang("late", 1, gpu(4), ratherLinked("nvlink"))
	e.expectBound("late", 1)
}

// Nodes that report no layout take whoever they have room for.
func TestNodesWithoutLayout(t *testing.T) {
	e := setUp(t, nodes(2, gpu(8))...)
	e.gang("gang", 4, gpu(4), linked("nvlink"), ratherLinked("numa"))
	e.expectBound("gang", 4)
}

// A report that contradicts the node, or cannot be read, is told with its numbers. Who does not care goes there all the same;
// who does, once the report is mended.
func TestLayoutToMend(t *testing.T) {
	for name, c := range map[string]struct {
		zones []nrt.Zone
		says  string
	}{
		"lists less than the node has": {numaNodes(4), "it lists 4 nvidia.com/gpu in NUMA nodes, the node has 8"},
		"lists more than the node has": {numaNodes(4, 4, 4), "it lists 12 nvidia.com/gpu in NUMA nodes, the node has 8"},
		"lists no resources":           {[]nrt.Zone{{Type: "Node", Name: "node-0"}}, "it lists 0 nvidia.com/gpu in NUMA nodes, the node has 8"},
		"lists a negative number":      {[]nrt.Zone{zone("Node", "node-0", -4, -4)}, "zone node-0 has -4 allocatable nvidia.com/gpu"},
	} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, node("node", gpu(8)))
			layout := e.report("node", "", c.zones...)
			e.gang("gang", 1, gpu(4), linked("numa"))
			e.expectRefused("gang")
			e.expectEvent("PodGroup", "gang", string(gangs.Unschedulable), c.says)
			e.gang("careless", 1, gpu(4))
			e.expectBound("careless", 1)
			mended := layout.DeepCopy()
			mended.Zones = numaNodes(0, 4)
			e.do(e.client.Patch(e.Context(), mended, client.MergeFrom(layout)))
			e.expectBound("gang", 1)
		})
	}
}

// A locality that does not exist is told.
func TestUnknownLocality(t *testing.T) {
	e := setUp(t, node("node", gpu(8)))
	e.gang("gang", 1, gpu(2), linked("rack"))
	e.expectReason(gangs.Misconfigured, 1)
	e.expectEvent("PodGroup", "gang", string(gangs.Misconfigured), `annotation scheduling.muster.dev/gpu-topology-required: it is "rack" and must be nvlink or numa`)
	e.expectNoneBound("gang")
}

// Pods of lower priority leave for a pod that needs a NUMA node to itself, but not where those that stay have a part of each.
func TestRoomIsMadeInOneZone(t *testing.T) {
	e := setUp(t, node("node", gpu(8)))
	e.report("node", "", numaNodes(0, 0)...)
	high := e.withPriority(100)
	e.createPods(pod("firm-0", "", gpu(1), high), pod("firm-1", "", gpu(1), high))
	e.expectPodBound("firm-0")
	e.expectPodBound("firm-1")
	e.gang("low", 6, gpu(1))
	e.expectBound("low", 6)
	e.create(podGroup("gang", 1))
	e.createPods(members("gang", 1, gpu(4), linked("numa"), high)...)
	e.expectRefused("gang")
	e.expectStable(map[string]int{"low": 6, "gang": 0})
	e.delete(e.seen("firm-0"), e.seen("firm-1"))
	e.expectBound("gang", 1)
}

// Of two pods that have a NUMA node each, one leaves for a pod that needs one. Which of them has which nobody knows, and it does
// not matter.
func TestOneLeavesForANUMANode(t *testing.T) {
	e := setUp(t, node("node", gpu(8)))
	e.report("node", "single-numa-node", numaNodes(0, 0)...)
	e.gang("low-a", 1, gpu(4))
	e.gang("low-b", 1, gpu(4))
	e.expectBound("low-a", 1)
	e.expectBound("low-b", 1)
	e.gang("high", 1, gpu(4), e.withPriority(100))
	e.expectBound("high", 1)
	if left := len(e.boundPods("low-a")) + len(e.boundPods("low-b")); left != 1 {
		e.Errorf("%d of the pods are left, want one", left)
	}
}

// The status of a Topology says what the cluster has of it, and follows the nodes.
func TestTopologyStatus(t *testing.T) {
	e := setUp(t, append(rack("b1", "r1", 2, cpu(1)), rack("b1", "r2", 1, cpu(1))...)...)
	e.createNodes(node("bare", cpu(1)))
	e.create(clusterTopology("block="+blockLabel, "rack="+rackLabel))
	blocks := schedulingv1alpha1.TopologyLevelStatus{Name: "block", Domains: 1, Unlabelled: 1}
	racks := schedulingv1alpha1.TopologyLevelStatus{Name: "rack", Domains: 2, Unlabelled: 1}
	e.expectTopology(schedulingv1alpha1.ReasonReady, 4, blocks, racks)
	e.createNodes(rack("b2", "r1", 1, cpu(1))...)
	blocks.Domains, racks.Domains = 2, 3
	e.expectTopology(schedulingv1alpha1.ReasonReady, 5, blocks, racks)
	for _, c := range []struct {
		spec   string
		reason string
		nodes  int32
		levels []schedulingv1alpha1.TopologyLevelStatus
	}{
		{`{"levels":[{"name":"cell","nodeLabel":"cell"}]}`, schedulingv1alpha1.ReasonLabelNotFound, 5, []schedulingv1alpha1.TopologyLevelStatus{{Name: "cell", Unlabelled: 5}}},
		{`{"levels":[{"name":"rack","nodeLabel":"` + rackLabel + `"}],"nodeSelector":{"pool":"none"}}`, schedulingv1alpha1.ReasonNoNodes, 0, []schedulingv1alpha1.TopologyLevelStatus{{Name: "rack"}}},
	} {
		t := &schedulingv1alpha1.Topology{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
		e.do(e.client.Patch(e.Context(), t, client.RawPatch(types.MergePatchType, []byte(`{"spec":`+c.spec+`}`))))
		e.expectTopology(c.reason, c.nodes, c.levels...)
	}
}

// expectTopology waits until the Topology says that it is ready, or why it is not.
func (e *env) expectTopology(reason string, nodes int32, levels ...schedulingv1alpha1.TopologyLevelStatus) {
	e.Helper()
	e.eventually("the Topology is "+reason, func(ctx context.Context) (bool, string) {
		var t schedulingv1alpha1.Topology
		if err := e.client.Get(ctx, types.NamespacedName{Name: "cluster"}, &t); err != nil {
			return false, err.Error()
		}
		ready := meta.FindStatusCondition(t.Status.Conditions, schedulingv1alpha1.TopologyReady)
		return ready != nil && ready.Reason == reason && (ready.Status == metav1.ConditionTrue) == (reason == schedulingv1alpha1.ReasonReady) &&
			t.Status.Nodes == nodes && fmt.Sprint(t.Status.Levels) == fmt.Sprint(levels), fmt.Sprintf("%+v", t.Status)
	})
}
