package topology

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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/plugins/placement"
	"github.com/muster-scheduling/muster/plugins/state"
)

// planner plans over kube-scheduler's own plugins and this one, and a snapshot of nodes with 8 GPUs in two NUMA nodes.
func planner(tb testing.TB, nodes int, policy string) (*placement.Planner, []fwk.NodeInfo) {
	tb.Helper()
	metrics.Register()
	defaults, err := latest.Default()
	if err != nil {
		tb.Fatal(err)
	}
	store := &state.Store{Registry: state.NewRegistry(time.Now, dispatch.Options{})}
	profile, registry := defaults.Profiles[0], plugins.NewInTreeRegistry()
	profile.Plugins.MultiPoint.Enabled = append(profile.Plugins.MultiPoint.Enabled, config.Plugin{Name: Name, Weight: 3})
	registry[Name] = func(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) {
		return &Topology{gangs: store}, nil
	}
	var list []*corev1.Node
	for i := range nodes {
		name := fmt.Sprintf("n%d", i)
		list = append(list, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
			gpu: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("110"),
		}}})
		store.SetLayout(name, content(policy, 4, 4))
	}
	snapshot := internalcache.NewSnapshot(nil, list)
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	claims := assumecache.NewAssumeCache(klog.Background(), factory.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)
	devices, err := tracker.StartTracker(tb.Context(), tracker.Options{SliceInformer: factory.Resource().V1().ResourceSlices(), KubeClient: client})
	if err != nil {
		tb.Fatal(err)
	}
	f, err := frameworkruntime.NewFramework(tb.Context(), registry, &profile,
		frameworkruntime.WithClientSet(client), frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithSnapshotSharedLister(snapshot), frameworkruntime.WithMutableSnapshotLister(snapshot),
		frameworkruntime.WithSharedDRAManager(dynamicresources.NewDRAManager(tb.Context(), claims, devices, factory)),
		frameworkruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		frameworkruntime.WithPodNominator(noNominations{}), frameworkruntime.WithParallelism(1),
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
	slices.SortFunc(infos, func(a, b fwk.NodeInfo) int { return strings.Compare(a.Node().Name, b.Node().Name) })
	pl, err := placement.New(f, store)
	if err != nil {
		tb.Fatal(err)
	}
	return pl, infos
}

// noNominations is a cluster in which nobody preempts.
type noNominations struct{ fwk.PodNominator }

func (noNominations) NominatedPodsForNode(string) []fwk.PodInfo { return nil }

// members are n pods of so many GPUs.
func members(n int, gpus int64, edits ...func(*corev1.Pod)) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range n {
		pods = append(pods, pod(fmt.Sprintf("%d-gpus-%d", gpus, i), gpus, edits...))
	}
	return pods
}

func planOf(tb testing.TB, pl *placement.Planner, nodes []fwk.NodeInfo, pods []*corev1.Pod) *placement.Attempt {
	tb.Helper()
	attempt, err := pl.Plan(tb.Context(), state.Request{Need: gang.Need{Total: len(pods)}, Pods: pods}, nodes, placement.OnCycle)
	if err != nil {
		tb.Fatal(err)
	}
	return attempt
}

// Members of one plan take zones from each other, by arithmetic where no zone can be too small for them.
func TestMembersShareZones(t *testing.T) {
	for name, c := range map[string]struct {
		policy      string
		pods        []*corev1.Pod
		fits        bool
		constrained bool
	}{
		"three of three GPUs on a node":         {"none", members(3, 3, near), false, true},
		"two of three and two of one":           {"none", append(members(2, 3, near), members(2, 1)...), true, true},
		"those that do not care go between":     {"none", append(members(2, 3), members(1, 2)...), true, false},
		"a strict kubelet refuses the third":    {"single-numa-node", append(members(2, 3), members(1, 2)...), false, true},
		"single GPUs are counted, not arranged": {"single-numa-node", members(8, 1), true, false},
		"one too many":                          {"single-numa-node", members(9, 1), false, false},
		"two NUMA nodes where they have to":     {"restricted", members(1, 8), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			pl, nodes := planner(t, 1, c.policy)
			attempt := planOf(t, pl, nodes, c.pods)
			if (attempt.Result == gang.Placed) != c.fits || attempt.Constrained != c.constrained {
				t.Errorf("%v, constrained: %v; %s", attempt.Result, attempt.Constrained, attempt.Message)
			}
			if len(nodes[0].GetPods()) > 0 {
				t.Errorf("the plan has left %d pods on the node", len(nodes[0].GetPods()))
			}
		})
	}
}

// BenchmarkPlan measures a gang that takes all NUMA nodes, and one that asks for one more.
func BenchmarkPlan(b *testing.B) {
	for _, count := range []int{2000, 2001} {
		b.Run(fmt.Sprintf("%d members of 4 GPUs/1000 nodes", count), func(b *testing.B) {
			pl, nodes := planner(b, 1000, "single-numa-node")
			pods := members(count, 4)
			for b.Loop() {
				planOf(b, pl, nodes, pods)
			}
		})
	}
}
