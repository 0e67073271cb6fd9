package state

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/numa"
	amounts "github.com/muster-scheduling/muster/internal/resource"
)

// layoutIn is the layout that a store has of a node after it was told JSON.
func layoutIn(t interface{ Fatal(...any) }, text string) (*Store, *numa.Layout) {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	s := &Store{}
	s.SetLayout("node", object)
	return s, s.Layout("node")
}

func TestLayoutsAreRead(t *testing.T) {
	s, layout := layoutIn(t, `{
		"attributes": [{"name":"topologyManagerPolicy","value":"single-numa-node"},{"name":"topologyManagerScope","value":"pod"},{"name":"other","value":"x"}],
		"topologyPolicies": ["BestEffort"],
		"zones": [
			{"name":"node-10","type":"Node","resources":[{"name":"nvidia.com/gpu","capacity":4,"allocatable":"4","available":3}],
				"attributes":[{"name":"gpus","value":"0,1,2,3"},{"name":"unhealthy","value":"nvidia.com/gpu=1 rest broken=x"}]},
			{"name":"node-2","type":"Node","resources":[{"name":"cpu","capacity":"16","allocatable":"15500m","available":"8"},{"name":"memory","capacity":"64Gi","allocatable":"63Gi","available":"1Gi"}]},
			{"name":"nvlink-0","type":"NVLink","resources":[{"name":"nvidia.com/gpu","capacity":"4","allocatable":"4","available":"4"}]},
			{"name":"socket-0","type":"Socket"}
		]}`)
	if layout.Policy != numa.SingleNode || !layout.PodScope || len(layout.Faults) > 0 || len(layout.Nodes) != 2 || len(layout.Islands) != 1 {
		t.Fatalf("read %+v", layout)
	}
	first, second := layout.Nodes[0], layout.Nodes[1]
	if first.Name != "node-2" || first.Allocatable["cpu"] != 15_500 || first.Available["memory"] != 1<<30 || second.Available["nvidia.com/gpu"] != 3 ||
		len(first.Broken) > 0 || len(second.Broken) != 1 || second.Broken["nvidia.com/gpu"] != 1 {
		t.Errorf("read %+v", layout.Nodes)
	}
	if !s.HasStrictLayouts() {
		t.Error("a strict kubelet is not known")
	}
	s.SetLayout("node", nil)
	if s.Layout("node") != nil || s.HasStrictLayouts() {
		t.Error("the layout is not forgotten")
	}
}

func TestPoliciesAreRead(t *testing.T) {
	for text, want := range map[string]numa.Layout{
		`{}`:                            {},
		`{"topologyPolicies":["None"]}`: {},
		`{"topologyPolicies":["SingleNUMANodePodLevel"]}`:                                                                {Policy: numa.SingleNode, PodScope: true},
		`{"topologyPolicies":["SingleNUMANodeContainerLevel"]}`:                                                          {Policy: numa.SingleNode},
		`{"topologyPolicies":["Restricted"]}`:                                                                            {Policy: numa.Restricted},
		`{"topologyPolicies":["RestrictedPodLevel"]}`:                                                                    {Policy: numa.Restricted, PodScope: true},
		`{"topologyPolicies":["BestEffortContainerLevel"]}`:                                                              {Policy: numa.BestEffort},
		`{"topologyPolicies":["SingleNUMANodePodLevel"],"attributes":[{"name":"topologyManagerPolicy","value":"none"}]}`: {Policy: numa.None, PodScope: true},
	} {
		if _, layout := layoutIn(t, text); layout.Policy != want.Policy || layout.PodScope != want.PodScope {
			t.Errorf("%s is read as %q, of a pod: %v", text, layout.Policy, layout.PodScope)
		}
	}
}

func TestFaultsOfLayoutsAreKept(t *testing.T) {
	for info, says := range map[string]string{
		`{"name":"nvidia.com/gpu","allocatable":"four","available":"4"}`:                                                          "zone node-0 has four allocatable nvidia.com/gpu",
		`{"name":"nvidia.com/gpu","allocatable":"-4","available":"4"}`:                                                            "zone node-0 has -4 allocatable nvidia.com/gpu",
		`{"name":"nvidia.com/gpu","allocatable":"4","available":-1}`:                                                              "zone node-0 has -1 available nvidia.com/gpu",
		`{"name":"nvidia.com/gpu","allocatable":"4","available":"5"}`:                                                             "zone node-0 has 5 available of 4 nvidia.com/gpu",
		`{"name":"nvidia.com/gpu","allocatable":"4"}`:                                                                             "zone node-0 has <nil> available nvidia.com/gpu",
		`{"name":"nvidia.com/gpu","allocatable":"4","available":"4"},{"name":"nvidia.com/gpu","allocatable":"4","available":"4"}`: "zone node-0 lists nvidia.com/gpu twice",
	} {
		_, layout := layoutIn(t, `{"zones":[{"name":"node-0","type":"Node","resources":[`+info+`]}]}`)
		if layout.Faults["nvidia.com/gpu"] != says {
			t.Errorf("%s: %q", info, layout.Faults)
		}
	}
}

// Nothing that an object may hold, by whatever schema, crashes who reads it or who asks about it.
func TestAnyLayoutIsSurvived(t *testing.T) {
	value := rapid.OneOf(
		rapid.Just(any(nil)), rapid.Just(any(true)), rapid.Map(rapid.Int64(), func(n int64) any { return n }), rapid.Map(rapid.Float64(), func(f float64) any { return f }),
		rapid.Map(rapid.SampledFrom([]string{"", "4", "-4", "1e99", "9223372036854775807", "0.5", "node", "Node", "NVLink", "nvidia.com/gpu", "cpu", "restricted", "x"}), func(s string) any { return s }),
	)
	var nested func(depth int) *rapid.Generator[any]
	nested = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return value
		}
		keys := rapid.SampledFrom([]string{"zones", "name", "type", "resources", "allocatable", "available", "capacity", "attributes", "value", "topologyPolicies"})
		return rapid.OneOf(value,
			rapid.Map(rapid.SliceOfN(nested(depth-1), 0, 3), func(list []any) any { return list }),
			rapid.Map(rapid.MapOfN(keys, nested(depth-1), 0, 6), func(object map[string]any) any { return object }))
	}
	rapid.Check(t, func(t *rapid.T) {
		object := map[string]any{"zones": nested(5).Draw(t, "zones"), "attributes": nested(2).Draw(t, "attributes"), "topologyPolicies": nested(2).Draw(t, "policies")}
		s := &Store{}
		s.SetLayout("node", object)
		pod := numa.Pod{Required: numa.NUMA, Containers: []amounts.Amounts{{"nvidia.com/gpu": 2}}}
		numa.Node{Layout: s.Layout("node"), Allocatable: amounts.Amounts{"nvidia.com/gpu": 4}}.Fits(pod)
	})
}

func TestWhatIsAligned(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	container := func(list map[string]string) corev1.Container {
		requests := corev1.ResourceList{}
		for name, amount := range list {
			requests[corev1.ResourceName(name)] = resource.MustParse(amount)
		}
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: requests, Limits: requests}}
	}
	sidecar := container(map[string]string{"cpu": "500m", "memory": "1Gi"})
	sidecar.RestartPolicy = &always
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		InitContainers: []corev1.Container{container(map[string]string{"cpu": "2", "memory": "1Gi"}), sidecar},
		Containers:     []corev1.Container{container(map[string]string{"cpu": "4", "memory": "2Gi", "ephemeral-storage": "1Gi", "nvidia.com/gpu": "2"})},
	}}
	pod.Annotations = map[string]string{schedulingv1alpha1.GPUTopologyRequiredAnnotation: "numa", schedulingv1alpha1.GPUTopologyPreferredAnnotation: "nvlink"}
	want := `{numa nvlink [map[cpu:2000 memory:1073741824]] [map[memory:1073741824] map[cpu:4000 memory:2147483648 nvidia.com/gpu:2]]}`
	show := func(p numa.Pod) string {
		return fmt.Sprint(struct{ a, b, c, d any }{p.Required, p.Preferred, p.Init, p.Containers})
	}
	if got := show(AlignedOf(pod)); got != want {
		t.Errorf("a Guaranteed pod:\n%s, want\n%s", got, want)
	}
	pod.Spec.Containers[0].Resources.Limits = nil
	if got := show(AlignedOf(pod)); !strings.HasSuffix(got, "[map[] map[nvidia.com/gpu:2]]}") {
		t.Errorf("a Burstable pod has whole CPUs or memory of a zone to itself: %s", got)
	}
}
