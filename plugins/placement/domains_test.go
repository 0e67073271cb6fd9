package placement

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
	"github.com/muster-scheduling/muster/plugins/state"
)

func racks() *schedulingv1alpha1.Topology {
	return &schedulingv1alpha1.Topology{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster", Generation: 1},
		Spec:       schedulingv1alpha1.TopologySpec{Levels: []schedulingv1alpha1.TopologyLevel{{Name: "rack", NodeLabel: "rack"}}},
	}
}

// wanting plans pods that all have to start, and want something of the topology together.
func wanting(t testing.TB, pl *Planner, infos []fwk.NodeInfo, pods []*corev1.Pod, wants state.Wants) *Attempt {
	t.Helper()
	for i, pod := range pods {
		wants.Members = append(wants.Members, state.MemberWants{Pod: pod, Unit: -1, Rank: i})
	}
	wants.Needed = len(pods)
	attempt, err := pl.Plan(t.Context(), state.Request{Pods: pods, Need: gang.Need{Total: len(pods)}, Wants: &wants}, infos, OnCycle)
	if err != nil {
		t.Fatal(err)
	}
	return attempt
}

func nodesOf(attempt *Attempt) map[string]int {
	count := map[string]int{}
	for _, placement := range attempt.Placements {
		count[placement.Node]++
	}
	return count
}

// The required rack is kept where filters and members that constrain each other leave one, and what is refused says why.
func TestPlansInOneRack(t *testing.T) {
	nodes := []*corev1.Node{node("a1", 2, "rack", "a"), node("a2", 2, "rack", "a"), node("b1", 4, "rack", "b"), node("b2", 4, "rack", "b"), node("c1", 8)}
	inRack := state.Wants{Gang: topology.Want{Required: "rack"}}
	for name, tc := range map[string]struct {
		pods      []*corev1.Pod
		wants     state.Wants
		want      map[string]int
		scattered bool
	}{
		"tightest rack":            {pods: members("w", 3, 1), wants: inRack, want: map[string]int{"a1": 2, "a2": 1}},
		"only rack with room":      {pods: members("w", 5, 1), wants: inRack, want: map[string]int{"b1": 4, "b2": 1}},
		"one to each node":         {pods: members("w", 2, 3, awayFrom("w", hostname)), wants: inRack, want: map[string]int{"b1": 1, "b2": 1}},
		"where a member runs":      {pods: members("w", 2, 1), wants: state.Wants{Gang: inRack.Gang, Nodes: []string{"b2"}}, want: map[string]int{"b1": 2}},
		"no rack has room":         {pods: members("w", 9, 1), wants: inRack, scattered: true},
		"no rack has nodes enough": {pods: members("w", 3, 1, awayFrom("w", hostname)), wants: inRack, scattered: true},
	} {
		t.Run(name, func(t *testing.T) {
			pl, infos := planner(t, nodes, nil)
			pl.gangs.SetTopology(racks())
			attempt := wanting(t, pl, infos, tc.pods, tc.wants)
			if got := nodesOf(attempt); tc.want != nil && (attempt.Result != gang.Placed || rackOf(got) != rackOf(tc.want) || sum(got) != sum(tc.want)) {
				t.Errorf("%s: placed %v (%s), want %v", attempt.Result, got, attempt.Message, tc.want)
			}
			if tc.want == nil && (attempt.Result == gang.Placed || attempt.Scattered != tc.scattered) {
				t.Errorf("%s: placed %v, scattered %t (%s)", attempt.Result, nodesOf(attempt), attempt.Scattered, attempt.Message)
			}
		})
	}
}

// rackOf is the rack of all nodes, whose names begin with it; "several" if they are of more than one.
func rackOf(count map[string]int) string {
	rack := ""
	for node := range count {
		if rack != "" && rack != node[:1] {
			return "several"
		}
		rack = node[:1]
	}
	return rack
}

func sum(count map[string]int) (all int) {
	for _, n := range count {
		all += n
	}
	return all
}

// The domains follow the nodes and the Topologies, and are kept while neither changes them.
func TestDomainsFollowTheCluster(t *testing.T) {
	pl, infos := planner(t, []*corev1.Node{node("a1", 8, "rack", "a"), node("b1", 8, "rack", "b")}, nil)
	pl.gangs.SetTopology(racks())
	tree := func() *topology.Tree { return pl.forest.grow(pl.gangs, infos)[0] }
	first := tree()
	if again := tree(); again != first {
		t.Error("the domains were found again though nothing changed")
	}
	change := func(i int, edit func(*corev1.Node)) {
		changed := infos[i].Node().DeepCopy()
		edit(changed)
		info := framework.NewNodeInfo()
		info.SetNode(changed)
		infos = slices.Clone(infos)
		infos[i] = info
	}
	change(0, func(n *corev1.Node) { n.Labels["other"] = "x" })
	if again := tree(); again != first {
		t.Error("the domains were found again though only another label changed")
	}
	change(0, func(n *corev1.Node) { n.Labels["rack"] = "b" })
	if moved := tree(); moved == first || moved.Domains(0) != 1 {
		t.Errorf("a node moved to the other's rack, and there are %d racks", moved.Domains(0))
	}
	change(1, func(n *corev1.Node) { delete(n.Labels, "rack") })
	if gone := tree(); gone.Domain(0, 1) != -1 {
		t.Error("a node without the label is in a rack")
	}
	selected := racks()
	selected.Generation, selected.Spec.NodeSelector = 2, map[string]string{"other": "y"}
	pl.gangs.SetTopology(selected)
	if none := tree(); none.Domains(0) != 0 {
		t.Errorf("the Topology describes nodes that have no such label: %d racks", none.Domains(0))
	}
}

// Equal keys have equal ranks, and the smaller key the lower one.
func TestRanks(t *testing.T) {
	got := ranks([][]int64{{1, 5}, {0, 9}, {1, 5}, {1, 2}})
	if want := []int{2, 0, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("the ranks are %v, want %v", got, want)
	}
}

// Single pods are packed like gangs: what others could use is spared, then nodes in use and those with the fewest free GPUs
// come first; who spreads gets the emptiest.
func TestRanksOfNodes(t *testing.T) {
	nodes := []*corev1.Node{node("empty", 8), node("half", 8), node("tight", 8), node("bare", 0)}
	running := []*corev1.Pod{bound(member("h", "", 4), "half"), bound(member("t", "", 7), "tight")}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want []string
	}{
		"one GPU":       {member("p", "", 1), []string{"tight", "half", "empty"}},
		"spread":        {member("p", "", 1, func(p *corev1.Pod) { p.Annotations = map[string]string{schedulingv1alpha1.PackingAnnotation: "spread"} }), []string{"empty", "half", "tight"}},
		"no GPU at all": {member("p", "", 0), []string{"tight", "half", "empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			pl, infos := planner(t, nodes, running)
			rank := map[string]int{}
			for i, r := range pl.Ranks(tc.pod, infos) {
				rank[infos[i].Node().Name] = r
			}
			for i := 1; i < len(tc.want); i++ {
				if rank[tc.want[i-1]] >= rank[tc.want[i]] {
					t.Errorf("the ranks are %v, want %v in this order", rank, tc.want)
				}
			}
		})
	}
}

// The gang of 512 on 5,000 nodes in 250 racks in 10 blocks, as a leader's cycle plans it, filters included.
func BenchmarkPlanInOneBlock(b *testing.B) {
	var nodes []*corev1.Node
	for i := range 5000 {
		nodes = append(nodes, node(fmt.Sprintf("n%d", i), 8, "rack", fmt.Sprintf("r%d", i/20), "block", fmt.Sprintf("b%d", i/500)))
	}
	pl, infos := planner(b, nodes, nil)
	levels := racks()
	levels.Spec.Levels = append([]schedulingv1alpha1.TopologyLevel{{Name: "block", NodeLabel: "block"}}, levels.Spec.Levels...)
	pl.gangs.SetTopology(levels)
	pods := members("w", 512, 1)
	for b.Loop() {
		attempt := wanting(b, pl, infos, pods, state.Wants{Gang: topology.Want{Required: "block", Preferred: "rack"}})
		if attempt.Result != gang.Placed || len(nodesOf(attempt)) != 64 {
			b.Fatalf("%v on %d nodes: %s", attempt.Result, len(nodesOf(attempt)), attempt.Message)
		}
	}
}
