package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/internal/explain"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

const (
	blockLabel = "topology.muster.dev/block"
	rackLabel  = "topology.muster.dev/rack"
)

// clusterTopology has levels, each given as name=label, the widest first.
func clusterTopology(levels ...string) *schedulingv1alpha1.Topology {
	t := &schedulingv1alpha1.Topology{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}}
	for _, level := range levels {
		name, label, _ := strings.Cut(level, "=")
		t.Spec.Levels = append(t.Spec.Levels, schedulingv1alpha1.TopologyLevel{Name: name, NodeLabel: label})
	}
	return t
}

func blocksAndRacks() *schedulingv1alpha1.Topology {
	return clusterTopology("block="+blockLabel, "rack="+rackLabel, "host="+corev1.LabelHostname)
}

// rack is n nodes in one rack of one block, named after it.
func rack(block, name string, n int, capacity corev1.ResourceList) []*corev1.Node {
	list := make([]*corev1.Node, n)
	for i := range list {
		list[i] = node(fmt.Sprintf("%s-%s-%d", block, name, i), capacity, nodeLabel(blockLabel, block), nodeLabel(rackLabel, name))
	}
	return list
}

// onGroup writes an annotation on a PodGroup.
func onGroup(key, value string) func(*podgroupv1alpha1.PodGroup) {
	return func(pg *podgroupv1alpha1.PodGroup) { pg.Annotations[key] = value }
}

func inOne(level string) func(*podgroupv1alpha1.PodGroup) {
	return onGroup(schedulingv1alpha1.TopologyRequiredAnnotation, level)
}

func nearIn(level string) func(*podgroupv1alpha1.PodGroup) {
	return onGroup(schedulingv1alpha1.TopologyPreferredAnnotation, level)
}

// racksOf counts the bound pods of a gang in each block/rack, by the names of their nodes.
func (e *env) racksOf(gang string) map[string]int {
	counts := map[string]int{}
	for node, n := range e.nodesOf(gang) {
		counts[node[:strings.LastIndexByte(node, '-')]] += n
	}
	return counts
}

// F1: four racks have two free GPUs each. A gang of four that has to be in one rack waits, and says how far each rack comes;
// it starts when a rack comes that can take it.
func TestRequiredRack(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b", "r1", 1, gpu(2)), rack("b", "r2", 1, gpu(2)), rack("b", "r3", 1, gpu(2)), rack("b", "r4", 1, gpu(4)))...)
	e.create(blocksAndRacks())
	small := e.gang("small", 1, gpu(2), onNodesWith(rackLabel, "r4"))
	e.expectBound("small", 1)
	e.create(podGroup("gang", 4, inOne("rack")))
	e.createPods(members("gang", 4, gpu(1))...)
	e.expectReason(gangs.TopologyNotMet, 1)
	answer, err := e.scheduler().Gang(e.Context(), explain.KindPodGroup, e.namespace, "gang")
	e.do(err)
	if len(answer.Hints) != 1 || !strings.Contains(answer.Hints[0], schedulingv1alpha1.TopologyPreferredAnnotation) {
		t.Errorf("what would help is %q", answer.Hints)
	}
	e.expectEvent("PodGroup", "gang", string(gangs.TopologyNotMet), "rack b/r1 can take 2 of 4")
	e.expectUnschedulable("gang")
	e.expectNoneBound("gang")
	e.expectAtRest(map[string]int{"gang": 0, "small": 1})
	e.delete(small[0])
	e.expectBound("gang", 4)
	if got := e.racksOf("gang"); got["b-r4"] != 4 {
		t.Errorf("the gang is in %v, want rack r4", got)
	}
}

// A gang that no rack could hold even if it were empty asks for more than the cluster has.
func TestRequiredRackTooSmall(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b", "r1", 2, gpu(2)), rack("b", "r2", 2, gpu(2)))...)
	e.create(blocksAndRacks())
	e.create(podGroup("gang", 5, inOne("rack")))
	e.createPods(members("gang", 5, gpu(1))...)
	e.expectReason(gangs.ExceedsCluster, 1)
	e.expectEvent("PodGroup", "gang", string(gangs.ExceedsCluster), "can take 4 of 5")
	e.expectNoneBound("gang")
}

// F3: of two racks that can take a gang, the one in use does.
func TestFillsRackInUse(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b", "r1", 1, gpu(3)), rack("b", "r2", 1, gpu(3)))...)
	e.create(blocksAndRacks())
	e.gang("first", 1, gpu(1), onNodesWith(rackLabel, "r2"))
	e.expectBound("first", 1)
	e.create(podGroup("gang", 2, inOne("rack")))
	e.createPods(members("gang", 2, gpu(1))...)
	e.expectBound("gang", 2)
	if got := e.racksOf("gang"); got["b-r2"] != 2 {
		t.Errorf("the gang is in %v, want the rack in use, r2", got)
	}
}

// F5: a low gang runs across two domains. A gang of high priority that no domain can hold evicts nobody; one that a domain can
// hold evicts what is in its way there, and nothing elsewhere.
func TestVictimsInOneDomain(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b", "r1", 2, cpu(8)), rack("b", "r2", 2, cpu(8)))...)
	e.create(blocksAndRacks())
	e.create(podGroup("low", 2))
	e.createPods(members("low", 4, cpu(4), func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{schedulingv1alpha1.PodGroupLabel: "low"}},
		}}
	})...)
	e.expectBound("low", 4)
	high := e.withPriority(100)
	e.create(podGroup("three", 3, inOne("rack")))
	e.createPods(members("three", 3, cpu(5), high)...)
	e.expectReason(gangs.ExceedsCluster, 1)
	e.expectAtRest(map[string]int{"low": 4, "three": 0})
	e.expectEvicted()

	e.create(podGroup("two", 2, inOne("rack")))
	e.createPods(members("two", 2, cpu(5), high)...)
	e.expectBound("two", 2)
	e.expectBound("low", 2)
	two, low := e.racksOf("two"), e.racksOf("low")
	if len(two) != 1 || len(low) != 1 || maps.Equal(two, low) {
		t.Errorf("the high gang is in %v and what is left of the low one in %v, want one rack each", two, low)
	}
	e.expectAtRest(map[string]int{"low": 2, "two": 2, "three": 0})
}

// Every four workers share a rack, and all of them a block.
func TestSegments(t *testing.T) {
	e := setUp(t, slices.Concat(
		rack("b1", "r1", 1, gpu(6)), rack("b1", "r2", 1, gpu(3)), rack("b1", "r3", 1, gpu(3)),
		rack("b2", "r1", 1, gpu(5)), rack("b2", "r2", 1, gpu(7)),
	)...)
	e.create(blocksAndRacks())
	e.create(podGroup("gang", 8, inOne("block")))
	e.createPods(members("gang", 8, gpu(1),
		annotation(schedulingv1alpha1.TopologyRequiredAnnotation, "rack"), annotation(schedulingv1alpha1.SegmentSizeAnnotation, "4"))...)
	e.expectBound("gang", 8)
	for _, segment := range [][]string{{"gang-0", "gang-1", "gang-2", "gang-3"}, {"gang-4", "gang-5", "gang-6", "gang-7"}} {
		for _, name := range segment {
			if got, want := e.seen(name).Spec.NodeName, e.seen(segment[0]).Spec.NodeName; got != want || !strings.HasPrefix(got, "b2-") {
				t.Errorf("%s is on %s and %s on %s, want one rack of block b2", name, got, segment[0], want)
			}
		}
	}
}

// A member that is made again returns to the rack of its gang, though another rack is a tighter fit.
func TestReplacedMemberReturns(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b", "r1", 2, gpu(2)), rack("b", "r2", 1, gpu(1)))...)
	e.create(blocksAndRacks())
	e.create(podGroup("gang", 2, inOne("rack")))
	pods := members("gang", 2, gpu(1))
	e.createPods(pods...)
	e.expectBound("gang", 2)
	e.mayBreak("gang")
	e.delete(pods[1])
	e.expectGone(pods[1])
	e.createPods(members("gang", 2, gpu(1))[1])
	e.expectBound("gang", 2)
	if got := e.racksOf("gang"); got["b-r1"] != 2 {
		t.Errorf("the gang is in %v, want all of it in r1", got)
	}
}

// A preferred rack never keeps a gang waiting.
func TestPreferredRack(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b1", "r1", 1, gpu(2)), rack("b1", "r2", 1, gpu(2)), rack("b2", "r3", 1, gpu(3)))...)
	e.create(blocksAndRacks())
	e.create(podGroup("near", 3, nearIn("rack")))
	e.createPods(members("near", 3, gpu(1))...)
	e.expectBound("near", 3)
	if got := e.racksOf("near"); got["b2-r3"] != 3 {
		t.Errorf("the gang is in %v, want rack r3, which can take all of it", got)
	}
	e.create(podGroup("far", 4, nearIn("rack")))
	e.createPods(members("far", 4, gpu(1))...)
	e.expectBound("far", 4)
}

// Neighbours in the order of ranks are placed near each other: a job of twelve on nodes of two GPUs in racks of two.
func TestRanksAreNeighbours(t *testing.T) {
	e := setUp(t, slices.Concat(rack("b", "r1", 2, gpu(2)), rack("b", "r2", 2, gpu(2)), rack("b", "r3", 2, gpu(2)))...)
	e.create(blocksAndRacks())
	job := pyTorchJob("job", specs{"Worker": replicas(12, gpu(1))}, func(p *trainingv1.RunPolicy) {
		all := int32(12)
		p.SchedulingPolicy = &trainingv1.SchedulingPolicy{MinAvailable: &all}
	})
	job.Annotations = map[string]string{schedulingv1alpha1.TopologyPreferredAnnotation: "rack"}
	e.create(job)
	e.expectBound("job", 12)
	hosts, racks := 0, 0
	for rank := 1; rank < 12; rank++ {
		before, after := e.seen(fmt.Sprintf("job-worker-%d", rank-1)).Spec.NodeName, e.seen(fmt.Sprintf("job-worker-%d", rank)).Spec.NodeName
		if before != after {
			hosts++
		}
		if before[:4] != after[:4] {
			racks++
		}
	}
	if hosts != 5 || racks != 2 {
		t.Errorf("neighbours are on other hosts %d times and in other racks %d times, want 5 and 2", hosts, racks)
	}
}

// What is wrong with a Topology, or with what a gang asks of it, is told, and the gang starts once it is mended.
func TestTopologyMistakes(t *testing.T) {
	t.Run("refused by the API server", func(t *testing.T) {
		e := setUp(t)
		for words, bad := range map[string]*schedulingv1alpha1.Topology{
			"spec.levels":                          clusterTopology(),
			"a level's name must appear once":      clusterTopology("rack=a", "rack=b"),
			"a level's nodeLabel must appear once": clusterTopology("block=a", "rack=a"),
		} {
			if err := e.client.Create(e.Context(), bad); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), words) {
				t.Errorf("creating it: %v, want it refused with %q", err, words)
			}
		}
	})
	t.Run("unknown level", func(t *testing.T) {
		e := setUp(t, rack("b", "r1", 1, gpu(2))...)
		e.create(clusterTopology("block=" + blockLabel))
		e.create(podGroup("gang", 2, inOne("rack")))
		e.createPods(members("gang", 2, gpu(1))...)
		e.expectReason(gangs.TopologyNotFound, 1)
		e.expectEvent("PodGroup", "gang", string(gangs.TopologyNotFound), `"rack" that the gang asks for; there are: block`)
		e.expectNotUnschedulable("gang")
		other := clusterTopology("rack=" + rackLabel)
		other.Name = "racks"
		e.create(other)
		e.expectBound("gang", 2)
	})
	t.Run("unknown level that is only preferred", func(t *testing.T) {
		e := setUp(t, rack("b", "r1", 1, gpu(2))...)
		e.create(blocksAndRacks())
		e.create(podGroup("gang", 2, nearIn("rak")))
		e.createPods(members("gang", 2, gpu(1))...)
		e.expectBound("gang", 2)
		e.expectEvent("PodGroup", "gang", "PreferenceIgnored", `"rak"`)
	})
	t.Run("label that no node has", func(t *testing.T) {
		bare := node("node", gpu(2), nodeLabel(blockLabel, "b"))
		e := setUp(t, bare)
		e.create(blocksAndRacks())
		e.create(podGroup("gang", 2, inOne("rack")))
		e.createPods(members("gang", 2, gpu(1))...)
		e.expectReason(gangs.TopologyNotFound, 1)
		e.expectEvent("PodGroup", "gang", string(gangs.TopologyNotFound), rackLabel)
		e.do(e.client.Patch(e.Context(), bare, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:"r"}}}`, rackLabel))))
		e.expectBound("gang", 2)
	})
	t.Run("segments of no size", func(t *testing.T) {
		e := setUp(t, rack("b", "r1", 1, gpu(2))...)
		e.create(blocksAndRacks())
		e.create(podGroup("gang", 2))
		e.createPods(members("gang", 2, gpu(1), annotation(schedulingv1alpha1.SegmentSizeAnnotation, "0"))...)
		e.expectReason(gangs.Misconfigured, 1)
		e.expectEvent("PodGroup", "gang", string(gangs.Misconfigured), "must be a number of pods, at least 1")
	})
}

// A Topology that goes takes nothing from who runs; who asks for its levels waits.
func TestTopologyDeleted(t *testing.T) {
	e := setUp(t, rack("b", "r1", 2, gpu(2))...)
	topology := blocksAndRacks()
	e.create(topology)
	e.create(podGroup("first", 2, inOne("rack")))
	e.createPods(members("first", 2, gpu(1))...)
	e.expectBound("first", 2)
	e.delete(topology)
	e.create(podGroup("second", 2, inOne("rack")))
	e.createPods(members("second", 2, gpu(1))...)
	e.expectReason(gangs.TopologyNotFound, 1)
	e.expectAtRest(map[string]int{"first": 2, "second": 0})
	e.eventually("the Topology can be made again", func(ctx context.Context) (bool, string) {
		err := e.client.Create(ctx, blocksAndRacks())
		return err == nil || apierrors.IsAlreadyExists(err), fmt.Sprint(err)
	})
	e.expectBound("second", 2)
}
