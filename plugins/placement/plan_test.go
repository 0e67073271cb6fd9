package placement

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/plugins/state"
)

// planner is the plugin over kube-scheduler's own plugins and a snapshot, with no API server.
func planner(tb testing.TB, nodes []*corev1.Node, running []*corev1.Pod) (*Planner, []fwk.NodeInfo) {
	tb.Helper()
	metrics.Register()
	config, err := latest.Default()
	if err != nil {
		tb.Fatal(err)
	}
	profile := config.Profiles[0]
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	snapshot := internalcache.NewSnapshot(running, nodes)
	claims := assumecache.NewAssumeCache(klog.Background(), factory.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)
	devices, err := tracker.StartTracker(tb.Context(), tracker.Options{SliceInformer: factory.Resource().V1().ResourceSlices(), KubeClient: client})
	if err != nil {
		tb.Fatal(err)
	}
	f, err := frameworkruntime.NewFramework(tb.Context(), plugins.NewInTreeRegistry(), &profile,
		frameworkruntime.WithClientSet(client),
		frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithSnapshotSharedLister(snapshot),
		frameworkruntime.WithMutableSnapshotLister(snapshot),
		frameworkruntime.WithSharedDRAManager(dynamicresources.NewDRAManager(tb.Context(), claims, devices, factory)),
		frameworkruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		frameworkruntime.WithPodNominator(noNominations{}),
		frameworkruntime.WithParallelism(1),
	)
	if err != nil {
		tb.Fatal(err)
	}
	factory.Start(tb.Context().Done())
	factory.WaitForCacheSync(tb.Context().Done())
	infos, err := snapshot.NodeInfos().List()
	if err != nil {
		tb.Fatal(err)
	}
	// A snapshot that is made for tests lists its nodes in random order.
	slices.SortFunc(infos, func(a, b fwk.NodeInfo) int { return strings.Compare(a.Node().Name, b.Node().Name) })
	return &Planner{handle: f, framework: f, gangs: &state.Store{Registry: state.NewRegistry(time.Now, dispatch.Options{})}}, infos
}

// noNominations is a cluster in which nobody preempts.
type noNominations struct{ fwk.PodNominator }

func (noNominations) NominatedPodsForNode(string) []fwk.PodInfo { return nil }

func node(name string, gpus int64, labels ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/hostname": name}}}
	for i := 0; i < len(labels); i += 2 {
		n.Labels[labels[i]] = labels[i+1]
	}
	n.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("32"), corev1.ResourceMemory: resource.MustParse("256Gi"), corev1.ResourcePods: resource.MustParse("110"),
		"nvidia.com/gpu": *resource.NewQuantity(gpus, resource.DecimalSI),
	}
	return n
}

func member(name, role string, gpus int64, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name), Labels: map[string]string{
		schedulingv1alpha1.PodGroupLabel: "g", schedulingv1alpha1.RoleLabel: role,
	}}}
	p.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
	p.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100m"), "nvidia.com/gpu": *resource.NewQuantity(gpus, resource.DecimalSI),
	}}}}
	// What differs from rank to rank must not make a class of each.
	p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "RANK", Value: name}}
	p.Labels["training.kubeflow.org/replica-index"] = name
	for _, f := range change {
		f(p)
	}
	return p
}

func members(role string, count int, gpus int64, change ...func(*corev1.Pod)) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range count {
		pods = append(pods, member(fmt.Sprintf("%s-%d", role, i), role, gpus, change...))
	}
	return pods
}

func bound(p *corev1.Pod, node string) *corev1.Pod {
	p = p.DeepCopy()
	p.Spec.NodeName = node
	return p
}

func near(role, topology string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(role, topology)}}
	}
}

func awayFrom(role, topology string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(role, topology)}}
	}
}

func terms(role, topology string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{
		TopologyKey:   topology,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{schedulingv1alpha1.RoleLabel: role}},
	}}
}

func spread(role, topology string, skew int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: skew, TopologyKey: topology, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{schedulingv1alpha1.RoleLabel: role}},
		}}
	}
}

func hostPort(port int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: port, HostPort: port}}
	}
}

func planOf(tb testing.TB, pl *Planner, infos []fwk.NodeInfo, pods []*corev1.Pod, need gang.Need) *Attempt {
	tb.Helper()
	request := state.Request{Key: state.Key{Namespace: "ns", Name: "g"}, Need: need, Pods: pods}
	attempt, err := pl.Plan(context.Background(), request, infos, OnCycle)
	if err != nil {
		tb.Fatal(err)
	}
	return attempt
}

const hostname = "kubernetes.io/hostname"

// PodTopologySpread remembers the two least crowded domains, chosen by chance: with three the plan must be right every time.
func TestSpreadOverMoreThanTwoDomains(t *testing.T) {
	for range 20 {
		pl, infos := planner(t, []*corev1.Node{node("a", 8), node("b", 8), node("c", 8)}, nil)
		count := map[string]int{}
		for i, placement := range planOf(t, pl, infos, members("w", 6, 1, spread("w", hostname, 1)), gang.Need{Total: 6}).Placements {
			count[placement.Node]++
			if i == 2 && len(count) != 3 {
				t.Fatalf("the first three members go to %v, want one to each node", count)
			}
		}
		if count["a"] != 2 || count["b"] != 2 || count["c"] != 2 {
			t.Fatalf("placed %v, want two on each node", count)
		}
	}
}

func TestPlanAsksTheFilters(t *testing.T) {
	twoRacks := []*corev1.Node{
		node("a1", 8, "rack", "a"), node("a2", 8, "rack", "a"), node("b1", 8, "rack", "b"), node("b2", 8, "rack", "b"),
	}
	for _, tc := range []struct {
		name    string
		nodes   []*corev1.Node
		running []*corev1.Pod
		pods    []*corev1.Pod
		need    gang.Need
		// want is how many members go to each node; nil where no plan exists.
		want map[string]int
		says string
	}{
		{
			name: "packs onto used nodes", nodes: twoRacks, running: []*corev1.Pod{bound(member("other", "x", 2), "b1")},
			pods: members("w", 6, 1), want: map[string]int{"b1": 6},
		},
		{
			name: "keeps CPU work off free GPUs", nodes: []*corev1.Node{node("a", 8), node("b", 0)},
			pods: members("w", 3, 0), want: map[string]int{"b": 3},
		},
		{
			name: "fragments do not add up", nodes: []*corev1.Node{node("a", 6), node("b", 2), node("c", 2), node("d", 2)},
			pods: members("w", 3, 4), need: gang.Need{Total: 3}, says: "1 of the 3 members that have to start together fit",
		},
		{
			name: "node selector", nodes: twoRacks,
			pods: members("w", 2, 8, func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"rack": "b"} }), want: map[string]int{"b1": 1, "b2": 1},
		},
		{
			name: "prefers a rack over packing", nodes: twoRacks, running: []*corev1.Pod{bound(member("other", "x", 2), "b1")},
			pods: members("w", 2, 1, preferring("rack", "a")), want: map[string]int{"a1": 2},
		},
		{
			name: "soft taint", nodes: []*corev1.Node{softTainted(node("a", 8)), node("b", 8)},
			pods: members("w", 3, 4), want: map[string]int{"a": 1, "b": 2},
		},
		{
			name: "taint", nodes: []*corev1.Node{tainted(node("a", 8)), node("b", 8)},
			pods: members("w", 2, 4), want: map[string]int{"b": 2},
		},
		{
			name: "host ports", nodes: twoRacks, pods: members("w", 4, 1, hostPort(4000)), want: map[string]int{"a1": 1, "a2": 1, "b1": 1, "b2": 1},
		},
		{
			name: "one host port too many", nodes: twoRacks, pods: members("w", 5, 1, hostPort(4000)), need: gang.Need{Total: 5}, says: "4 of the 5",
		},
		{
			name: "members that avoid each other", nodes: twoRacks, pods: members("w", 2, 1, awayFrom("w", "rack")), want: map[string]int{"a1": 1, "b1": 1},
		},
		{
			name: "avoids a role that has no wish of its own", nodes: twoRacks[:2],
			pods: append(members("ps", 1, 1, awayFrom("w", hostname)), members("w", 2, 1)...), want: map[string]int{"a1": 1, "a2": 2},
		},
		{
			name: "workers near their ps, whoever leads", nodes: twoRacks, running: []*corev1.Pod{bound(member("other", "x", 1), "b2")},
			pods: append(members("w", 3, 4, near("ps", "rack")), members("ps", 1, 0)...), want: map[string]int{"b1": 2, "b2": 2},
		},
		{
			name: "spread over racks", nodes: twoRacks, pods: members("w", 4, 1, spread("w", "rack", 1)), want: map[string]int{"a1": 2, "b1": 2},
		},
		{
			name: "spread that cannot be met", nodes: append(slices.Clone(twoRacks[:2]), node("b1", 1, "rack", "b")),
			pods: members("w", 6, 1, spread("w", "rack", 1)), need: gang.Need{Total: 6}, says: "3 of the 6",
		},
		{
			name: "kept away by the pod of somebody else", nodes: twoRacks[:2], running: []*corev1.Pod{bound(member("hermit", "x", 1, awayFrom("w", hostname)), "a1")},
			pods: members("w", 2, 1), want: map[string]int{"a2": 2},
		},
		{
			name: "surplus as far as it fits", nodes: twoRacks[:1], pods: members("w", 3, 4), need: gang.Need{Total: 1}, want: map[string]int{"a1": 2},
		},
		{
			name: "roles first", nodes: twoRacks[:1], pods: append(members("w", 8, 1), members("ps", 1, 1)...),
			need: gang.Need{Total: 3, Role: map[string]int{"ps": 1, "w": 2}}, want: map[string]int{"a1": 8},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pl, infos := planner(t, tc.nodes, tc.running)
			need := tc.need
			if need.Total == 0 {
				need.Total = len(tc.pods)
			}
			attempt := planOf(t, pl, infos, tc.pods, need)
			placements := attempt.Placements
			if tc.want == nil {
				if placements != nil || !strings.Contains(attempt.Message, tc.says) {
					t.Fatalf("placed %v, refused with %q, want %q", placements, attempt.Message, tc.says)
				}
				return
			}
			if attempt.Result != gang.Placed {
				t.Fatal(attempt.Message)
			}
			got := map[string]int{}
			for _, p := range placements {
				got[p.Node]++
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("placed %v, want %v", got, tc.want)
			}
			replay(t, tc.nodes, tc.running, tc.pods, placements)
		})
	}
}

func softTainted(n *corev1.Node) *corev1.Node {
	n.Spec.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectPreferNoSchedule}}
	return n
}

func preferring(label, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}},
			}}},
		}}
	}
}

func tainted(n *corev1.Node) *corev1.Node {
	n.Spec.Taints = []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}
	return n
}

// replay reserves a plan in its order on a fresh snapshot, member by member as the scheduler will, and fails where a
// filter contradicts the plan.
func replay(t *testing.T, nodes []*corev1.Node, running, pods []*corev1.Pod, placements []state.Placement) {
	t.Helper()
	byUID := map[types.UID]*corev1.Pod{}
	for _, p := range pods {
		byUID[p.UID] = p
	}
	running = slices.Clone(running)
	for _, placement := range placements {
		pl, infos := planner(t, nodes, running)
		pod := byUID[placement.UID]
		cycle := framework.NewCycleState()
		if _, status, _ := pl.framework.RunPreFilterPlugins(t.Context(), cycle, pod); !status.IsSuccess() {
			t.Fatalf("%s cannot follow the plan: %v", pod.Name, status)
		}
		at := slices.IndexFunc(infos, func(info fwk.NodeInfo) bool { return info.Node().Name == placement.Node })
		if status := pl.framework.RunFilterPlugins(t.Context(), cycle, pod, infos[at]); !status.IsSuccess() {
			t.Fatalf("%s cannot go to %s as planned: %v", pod.Name, placement.Node, status)
		}
		running = append(running, bound(pod, placement.Node))
	}
}

func TestPlanLeavesTheSnapshotAlone(t *testing.T) {
	nodes := []*corev1.Node{node("a", 8, "rack", "a"), node("b", 8, "rack", "b")}
	pl, infos := planner(t, nodes, nil)
	pods := members("w", 2, 1, awayFrom("w", "rack"))
	for range 2 {
		placements := planOf(t, pl, infos, pods, gang.Need{Total: 2}).Placements
		if len(placements) != 2 {
			t.Fatalf("placed %v", placements)
		}
		for _, info := range infos {
			if len(info.GetPods()) != 0 {
				t.Fatalf("planning left %d pods on node %s of the snapshot", len(info.GetPods()), info.Node().Name)
			}
		}
	}
}

func TestRanksAreOneClass(t *testing.T) {
	pl, _ := planner(t, []*corev1.Node{node("a", 8)}, nil)
	classes, err := pl.classify(append(members("ps", 1, 1), members("w", 100, 1)...))
	if err != nil || len(classes) != 2 {
		t.Errorf("%d classes (%v), want one for each role", len(classes), err)
	}
}

// BenchmarkPlan measures a planning attempt as the leader's cycle makes it, filters included, on one core.
func BenchmarkPlan(b *testing.B) {
	for _, bench := range []struct {
		name   string
		nodes  int
		pods   []*corev1.Pod
		expect bool
	}{
		{"fits/1000pods/5000nodes", 5000, members("w", 1000, 1), true},
		{"fails/1000pods/5000nodes", 5000, members("w", 1000, 9), false},
		{"fails-by-one/4001pods/500nodes", 500, members("w", 4001, 1), false},
		{"roles/8ps+992workers/5000nodes", 5000, append(members("ps", 8, 0), members("w", 992, 8)...), true},
		{"apart/1000pods/1000nodes", 1000, members("w", 1000, 1, awayFrom("w", hostname)), true},
		{"spread/256pods/1000nodes", 1000, members("w", 256, 1, spread("w", "rack", 1)), true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var nodes []*corev1.Node
			for i := range bench.nodes {
				nodes = append(nodes, node(fmt.Sprintf("n%d", i), 8, "rack", fmt.Sprintf("r%d", i/16)))
			}
			pl, infos := planner(b, nodes, nil)
			for b.Loop() {
				if attempt := planOf(b, pl, infos, bench.pods, gang.Need{Total: len(bench.pods)}); (attempt.Result == gang.Placed) != bench.expect {
					b.Fatalf("%v: %s", attempt.Result, attempt.Message)
				}
			}
		})
	}
}
