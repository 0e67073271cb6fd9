package input

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

func TestNodesOfYAML(t *testing.T) {
	nodes, err := Nodes([]byte(`
groups:
- name: gpu
  count: 2
  capacity: {cpu: 1500m, nvidia.com/gpu: 8}
  labels: {rack: a}
  taints: [{key: gpu, effect: NoSchedule}]
- name: cpu
  count: 1
  capacity: {memory: 1Ti, pods: 20}
`))
	if err != nil {
		t.Fatal(err)
	}
	gpu := resource.Amounts{"cpu": 1500, simulate.GPU: 8, simulate.Pods: DefaultPods}
	want := []simulate.Node{
		{Name: "gpu-0", Allocatable: gpu, Labels: map[string]string{"rack": "a"}}, {Name: "gpu-1", Allocatable: gpu, Labels: map[string]string{"rack": "a"}},
		{Name: "cpu-0", Allocatable: resource.Amounts{"memory": 1 << 40, simulate.Pods: 20}},
	}
	if diff := cmp.Diff(want, nodes); diff != "" {
		t.Error(diff)
	}
}

func TestNodesOfCSV(t *testing.T) {
	nodes, err := Nodes([]byte("sn,cpu_milli,memory_mib,gpu,model\nn0,64000,1024,2,P100\nn1,32000,1,0,\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []simulate.Node{
		{Name: "n0", Allocatable: resource.Amounts{"cpu": 64000, "memory": 1 << 30, simulate.GPU: 2, simulate.Pods: DefaultPods}},
		{Name: "n1", Allocatable: resource.Amounts{"cpu": 32000, "memory": 1 << 20, simulate.Pods: DefaultPods}},
	}
	if diff := cmp.Diff(want, nodes); diff != "" {
		t.Error(diff)
	}
}

func TestQueues(t *testing.T) {
	queues, err := Queues([]byte(`
apiVersion: scheduling.muster.dev/v1alpha1
kind: Queue
metadata: {name: research}
spec: {guarantee: {nvidia.com/gpu: 16, cpu: 2}, limit: {memory: 1Gi}, stop: Hold}
---
# nothing but a comment
---
apiVersion: scheduling.muster.dev/v1alpha1
kind: Queue
metadata: {name: team-a}
spec: {parent: research, weight: 0, reclaimable: false, minRuntime: 10m}
---
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: scheduling.muster.dev/v1alpha1
  kind: Queue
  metadata: {name: team-b, uid: b7}
  spec: {parent: research, weight: 2}
  status: {admittedGangs: 1, pendingGangs: 0}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.Queue{
		{
			Name: "research", Weight: 1, Reclaimable: true, Stop: ledger.Hold,
			Guarantee: resource.Amounts{simulate.GPU: 16, "cpu": 2000}, Limit: resource.Amounts{"memory": 1 << 30},
		},
		{Name: "team-a", Parent: "research", MinRuntime: 10 * time.Minute, Guarantee: resource.Amounts{}, Limit: resource.Amounts{}},
		{Name: "team-b", Parent: "research", Weight: 2, Reclaimable: true, Guarantee: resource.Amounts{}, Limit: resource.Amounts{}},
	}
	if diff := cmp.Diff(want, queues); diff != "" {
		t.Error(diff)
	}
}

func TestErrors(t *testing.T) {
	const queue = "apiVersion: scheduling.muster.dev/v1alpha1\nkind: Queue\n"
	nodes := func(data string) error { _, err := Nodes([]byte(data)); return err }
	queues := func(data string) error { _, err := Queues([]byte(data)); return err }
	for _, tc := range []struct {
		name string
		read func(string) error
		data string
		want string
	}{
		{"no group", nodes, "groups: []", "there is none"},
		{"unknown field", nodes, "groups: [{name: a, count: 1, color: red}]", "color"},
		{"no count", nodes, "groups: [{name: a}]", "groups[0].count: 0"},
		{"no name", nodes, "groups: [{count: 1}]", "groups[0].name"},
		{"negative", nodes, "groups: [{name: a, count: 1, capacity: {cpu: -1}}]", "groups[0].capacity: cpu: -1 is negative"},
		{"absurd count", nodes, "groups: [{name: a, count: 999999999}]", "groups[0].count"},
		{"group twice", nodes, "groups: [{name: a, count: 1}, {name: a, count: 1}]", `two nodes have the name "a-0"`},
		{"CSV without GPUs", nodes, "sn,cpu_milli,memory_mib\nn,1,1\n", `column "gpu" is missing`},
		{"CSV with words", nodes, "sn,cpu_milli,memory_mib,gpu\nn,1,1,two\n", `line 2: gpu: "two"`},
		{"CSV without nodes", nodes, "sn,cpu_milli,memory_mib,gpu\n", "no node"},
		{"another kind", queues, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}", "there is a Pod of v1"},
		{"no object", queues, "hello: world", "hello"},
		{"another version", queues, "apiVersion: v1\nkind: Queue\nmetadata: {name: a}", "not a Queue of scheduling.muster.dev/v1alpha1"},
		{"no queue name", queues, queue + "spec: {}", "it has no name"},
		{"misspelt limit", queues, queue + "metadata: {name: a}\nspec: {limits: {cpu: 1}}", "limits"},
		{"negative limit", queues, queue + "metadata: {name: a}\nspec: {limit: {cpu: -1}}", "limit: cpu: -1 is negative"},
		{"limit below the guarantee", queues, queue + "metadata: {name: a}\nspec: {limit: {cpu: 1}, guarantee: {cpu: 2}}", "exceeds the limit"},
		{"no parent", queues, queue + "metadata: {name: a}\nspec: {parent: b}", `b`},
		{"cycle", queues, queue + "metadata: {name: a}\nspec: {parent: b}\n---\n" + queue + "metadata: {name: b}\nspec: {parent: a}", "its own ancestor"},
		{"twice", queues, queue + "metadata: {name: a}\n---\n" + queue + "metadata: {name: a}", `"a" is there twice`},
		{"unknown stop", queues, queue + "metadata: {name: a}\nspec: {stop: Halt}", "Halt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.read(tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestAmountsSaturate(t *testing.T) {
	nodes, err := Nodes([]byte(`groups: [{name: a, count: 1, capacity: {cpu: 9E, memory: 100E, nvidia.com/gpu: 1500m}}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := resource.Amounts{"cpu": math.MaxInt64, "memory": math.MaxInt64, simulate.GPU: 2, simulate.Pods: DefaultPods}
	if diff := cmp.Diff(want, nodes[0].Allocatable); diff != "" {
		t.Error(diff)
	}
}

// The example that the documentation shows can be read.
func TestExample(t *testing.T) {
	for file, read := range map[string]func([]byte) error{
		"nodes.yaml":  func(data []byte) error { _, err := Nodes(data); return err },
		"queues.yaml": func(data []byte) error { _, err := Queues(data); return err },
		"trace.csv":   func(data []byte) error { _, err := Trace(strings.NewReader(string(data))); return err },
	} {
		data, err := os.ReadFile(filepath.Join("../../../examples/simulate", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := read(data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
