package topology

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/plugins/state"
)

const gpu = "nvidia.com/gpu"

// content is what a node reports that has NUMA nodes of 4 GPUs, so many of them free.
func content(policy string, free ...int) map[string]any {
	object := map[string]any{"attributes": []any{map[string]any{"name": "topologyManagerPolicy", "value": policy}}}
	var zones []any
	for i, n := range free {
		zones = append(zones, map[string]any{"name": fmt.Sprintf("node-%d", i), "type": "Node", "resources": []any{
			map[string]any{"name": gpu, "allocatable": "4", "available": fmt.Sprint(n)},
		}})
	}
	object["zones"] = zones
	return object
}

// reported is a store that knows what a node "node" reports.
func reported(policy string, free ...int) *state.Store {
	s := &state.Store{}
	s.SetLayout("node", content(policy, free...))
	return s
}

func pod(name string, gpus int64, edits ...func(*corev1.Pod)) *corev1.Pod {
	list := corev1.ResourceList{gpu: *resource.NewQuantity(gpus, resource.DecimalSI)}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list, Limits: list}}}},
	}
	for _, edit := range edits {
		edit(p)
	}
	return p
}

func annotated(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[key] = value }
}

func startedAt(seconds int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: time.Unix(seconds, 0)} }
}

// nodeWith is a node of 8 GPUs with pods.
func nodeWith(pods ...*corev1.Pod) fwk.NodeInfo {
	info := framework.NewNodeInfo(pods...)
	info.SetNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Status: corev1.NodeStatus{
		Allocatable: corev1.ResourceList{gpu: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("110")},
	}})
	return info
}

var (
	near       = annotated(schedulingv1alpha1.GPUTopologyRequiredAnnotation, "numa")
	ratherNear = annotated(schedulingv1alpha1.GPUTopologyPreferredAnnotation, "numa")
)

func TestFilter(t *testing.T) {
	for name, c := range map[string]struct {
		store *state.Store
		pod   *corev1.Pod
		on    []*corev1.Pod
		code  fwk.Code
		skip  bool
	}{
		"fits":                        {store: reported("none", 4, 4), pod: pod("p", 4, near)},
		"does not fit for now":        {store: reported("none", 2, 2), on: []*corev1.Pod{pod("a", 2), pod("b", 2)}, pod: pod("p", 4, near), code: fwk.Unschedulable},
		"never fits":                  {store: reported("none", 4, 4), pod: pod("p", 5, near), code: fwk.UnschedulableAndUnresolvable},
		"contradicts the node":        {store: reported("none", 4), pod: pod("p", 2, near), code: fwk.UnschedulableAndUnresolvable},
		"the kubelet would refuse it": {store: reported("restricted", 2, 2), on: []*corev1.Pod{pod("a", 2), pod("b", 2)}, pod: pod("p", 4), code: fwk.Unschedulable},
		"no layout":                   {store: &state.Store{}, pod: pod("p", 5, near)},
		"no wish":                     {store: reported("none", 2, 2), pod: pod("p", 4), skip: true},
	} {
		t.Run(name, func(t *testing.T) {
			pl, cycle, info := &Topology{gangs: c.store}, framework.NewCycleState(), nodeWith(c.on...)
			_, status := pl.PreFilter(context.Background(), cycle, c.pod, nil)
			if status.IsSkip() != c.skip {
				t.Fatalf("PreFilter: %v", status)
			}
			if status := pl.Filter(context.Background(), cycle, c.pod, info); status.Code() != c.code {
				t.Errorf("Filter: %v", status)
			}
		})
	}
}

// The report counts the pods that started first. The others are put where they fit best, one after the other: a pod of 1 GPU
// and then one of 3 leave 1 free in each NUMA node, the other way round they leave 2 in one.
func TestPodsCountInTheOrderInWhichTheyStarted(t *testing.T) {
	for name, c := range map[string]struct {
		one, three func(*corev1.Pod)
		fits       bool
	}{
		"the smaller first":           {startedAt(2), startedAt(3), false},
		"the larger first":            {startedAt(3), startedAt(2), true},
		"the larger has not started":  {startedAt(2), func(*corev1.Pod) {}, false},
		"the smaller has not started": {func(*corev1.Pod) {}, startedAt(2), true},
	} {
		t.Run(name, func(t *testing.T) {
			pl := &Topology{gangs: reported("none", 4, 2)}
			on := []*corev1.Pod{pod("a", 1, c.one), pod("b", 3, c.three), pod("z", 2, startedAt(1))}
			for range 2 {
				status := pl.Filter(context.Background(), framework.NewCycleState(), pod("p", 2, near), nodeWith(on...))
				if status.IsSuccess() != c.fits {
					t.Errorf("it fits: %v; %v", !c.fits, status)
				}
				slices.Reverse(on)
			}
		})
	}
}

func TestScore(t *testing.T) {
	for name, c := range map[string]struct {
		store *state.Store
		pod   *corev1.Pod
		want  int64
		skip  bool
	}{
		"near":      {store: reported("none", 4, 4), pod: pod("p", 4, ratherNear), want: numa.Best},
		"too many":  {store: reported("none", 4, 4), pod: pod("p", 5, ratherNear)},
		"no layout": {store: &state.Store{}, pod: pod("p", 4, ratherNear)},
		"no wish":   {store: reported("none", 4, 4), pod: pod("p", 4), skip: true},
	} {
		t.Run(name, func(t *testing.T) {
			pl, cycle := &Topology{gangs: c.store}, framework.NewCycleState()
			if status := pl.PreScore(context.Background(), cycle, c.pod, nil); status.IsSkip() != c.skip {
				t.Fatalf("PreScore: %v", status)
			}
			if score, status := pl.Score(context.Background(), cycle, c.pod, nodeWith()); !status.IsSuccess() || score != c.want {
				t.Errorf("score %d (%v), want %d", score, status, c.want)
			}
		})
	}
}

// BenchmarkFilter measures one node with four pods.
func BenchmarkFilter(b *testing.B) {
	var on []*corev1.Pod
	for i := range 4 {
		on = append(on, pod(fmt.Sprint(i), 1, startedAt(int64(i))))
	}
	for name, pl := range map[string]*Topology{
		"counted": {gangs: reported("single-numa-node", 2, 2)}, "lags": {gangs: reported("single-numa-node", 4, 2)}, "some have left": {gangs: reported("single-numa-node", 0, 0)},
	} {
		b.Run(name, func(b *testing.B) {
			asks, info, cycle := pod("p", 2), nodeWith(on...), framework.NewCycleState()
			for b.Loop() {
				pl.Filter(context.Background(), cycle, asks, info)
			}
		})
	}
}
