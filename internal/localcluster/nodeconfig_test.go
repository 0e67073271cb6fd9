package localcluster

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestParseNodeConfig(t *testing.T) {
	groups, err := parseNodeConfig([]byte(`
groups:
- name: gpu
  count: 3
  capacity: {nvidia.com/gpu: 8, cpu: "96", memory: 1Ti}
  labels: {topology.muster.dev/rack: r7}
  taints: [{key: nvidia.com/gpu, value: present, effect: NoSchedule}]
- name: cpu
  count: 1
`))
	if err != nil {
		t.Fatal(err)
	}
	nodes := buildNodes(groups, testTime)
	if len(nodes) != 4 {
		t.Fatalf("%d nodes, want 4", len(nodes))
	}
	gpu, cpu := nodes[2], nodes[3]
	if gpu.Name != "gpu-2" || gpu.Labels[rackLabel] != "r7" || gpu.Spec.Taints[0].Effect != corev1.TaintEffectNoSchedule {
		t.Errorf("node of the first group: %s %v %v", gpu.Name, gpu.Labels, gpu.Spec.Taints)
	}
	if n := gpu.Status.Allocatable["nvidia.com/gpu"]; n.Value() != 8 {
		t.Errorf("%s GPUs allocatable, want 8", n.String())
	}
	if n := gpu.Status.Allocatable[corev1.ResourcePods]; n.Value() != 110 {
		t.Errorf("room for %s pods, want 110", n.String())
	}
	if n := cpu.Status.Capacity[corev1.ResourceMemory]; n.String() != "512Gi" {
		t.Errorf("default memory is %s, want 512Gi", n.String())
	}
}

func TestParseNodeConfigRefuses(t *testing.T) {
	for _, test := range []struct{ name, yaml, want string }{
		{"no group", "groups: []", "groups: there is none"},
		{"unknown field", "groups: [{name: a, count: 1, gpus: 8}]", `unknown field "groups[0].gpus"`},
		{"field given twice", "groups: [{name: a, name: b, count: 1}]", `key "name" already set`},
		{"no YAML", "groups: [", "yaml"},
		{"no quantity", "groups: [{name: a, count: 1, capacity: {cpu: much}}]", "quantities must match"},
		{"no name", "groups: [{count: 1}]", "groups[0].name: Required"},
		{"no DNS name", "groups: [{name: A_B, count: 1}]", `groups[0].name: Invalid value: "A_B"`},
		{"same name twice", "groups: [{name: a, count: 1}, {name: a, count: 2}]", `groups[1].name: Duplicate value: "a"`},
		{"no count", "groups: [{name: a}]", "groups[0].count: Invalid value: 0: must be at least 1"},
		{"count as text", `groups: [{name: a, count: "many"}]`, "count"},
		{"negative capacity", `groups: [{name: a, count: 1, capacity: {cpu: "-1"}}]`, "groups[0].capacity[cpu]: Invalid value"},
		{"bad label", `groups: [{name: a, count: 1, labels: {"a b": c}}]`, "groups[0].labels"},
		{"bad taint effect", "groups: [{name: a, count: 1, taints: [{key: k, effect: Never}]}]", "groups[0].taints[0].effect: Unsupported value"},
		{"taint without key", "groups: [{name: a, count: 1, taints: [{effect: NoSchedule}]}]", "groups[0].taints[0].key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseNodeConfig([]byte(test.yaml))
			checkError(t, err, test.want)
		})
	}
}

func TestDefaultNodes(t *testing.T) {
	if nodes := buildNodes(DefaultNodes(0), testTime); nodes != nil {
		t.Errorf("%d nodes, want none", len(nodes))
	}
	nodes := buildNodes(DefaultNodes(70_000), testTime)
	names, addresses := map[string]bool{}, map[string]bool{}
	racks, blocks := map[string]int{}, map[string]int{}
	for _, n := range nodes {
		names[n.Name] = true
		addresses[n.Status.Addresses[0].Address] = true
		racks[n.Labels[rackLabel]]++
		blocks[n.Labels[blockLabel]]++
	}
	if len(names) != 70_000 || len(addresses) != 70_000 {
		t.Errorf("%d names and %d addresses for 70000 nodes", len(names), len(addresses))
	}
	if len(racks) != 17_500 || racks["rack-0"] != rackSize || len(blocks) != 4375 || blocks["block-1"] != rackSize*blockSize {
		t.Errorf("%d racks, %d in the first; %d blocks, %d in the second", len(racks), racks["rack-0"], len(blocks), blocks["block-1"])
	}
	first := nodes[0]
	if first.Status.Conditions[0].Type != corev1.NodeReady || first.Status.Conditions[0].Status != corev1.ConditionTrue {
		t.Errorf("not ready: %+v", first.Status.Conditions)
	}
}

// A rack holds nodes of one group only.
func TestGroupsDoNotShareRacks(t *testing.T) {
	groups := []NodeGroup{{Name: "a", Count: 5}, {Name: "b", Count: 2}}
	var racks []string
	for _, n := range buildNodes(groups, testTime) {
		racks = append(racks, n.Labels[rackLabel])
	}
	want := []string{"rack-0", "rack-0", "rack-0", "rack-0", "rack-1", "rack-2", "rack-2"}
	if !slices.Equal(racks, want) {
		t.Errorf("racks %v, want %v", racks, want)
	}
}

func TestParseComponents(t *testing.T) {
	got, err := ParseComponents("etcd, apiserver,kwok")
	if err != nil || !slices.Equal(got, []Component{Etcd, APIServer, Kwok}) {
		t.Errorf("got %v, %v", got, err)
	}
	cfg := Config{Components: got}
	if !cfg.runs(Kwok) || cfg.runs(Scheduler) || cfg.runs(Controllers) {
		t.Error("not the components that were asked for")
	}
	if none, err := ParseComponents(""); err != nil || none == nil {
		t.Errorf("an empty list must mean none, not all: %v, %v", none, err)
	}
	_, err = ParseComponents("etcd,kubelet")
	checkError(t, err, `unknown component "kubelet": there are etcd, apiserver, controllers, kwok, scheduler, manager`)
}
