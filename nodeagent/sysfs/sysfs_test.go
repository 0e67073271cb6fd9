package sysfs

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func twoSockets() map[string]string {
	const node = "devices/system/node/node"
	return map[string]string{
		"class/dmi/id/product_name":              "DGXA100\n",
		node + "0/cpulist":                       "0-1,4\n",
		node + "0/meminfo":                       "Node 0 MemTotal:       2048 kB\nNode 0 MemFree:       1024 kB\n",
		node + "0/distance":                      "10 21 80\n",
		node + "1/cpulist":                       "2-3\n",
		node + "1/meminfo":                       "Node 1 MemTotal:       4096 kB\n",
		node + "1/distance":                      "21 10 80\n",
		node + "10/cpulist":                      "\n",
		node + "10/meminfo":                      "Node 10 MemTotal:       16 kB\n",
		node + "10/distance":                     "80 80 10\n",
		"bus/pci/devices/0000:07:00.0/numa_node": "1\n",
		"bus/pci/devices/0000:08:00.0/numa_node": "-1\n",
	}
}

func TestMachine(t *testing.T) {
	got, err := Machine(tree(t, twoSockets()))
	if err != nil {
		t.Fatal(err)
	}
	want := layout.Machine{Product: "DGXA100", NUMA: []layout.NUMANode{
		{ID: 0, CPUs: []int{0, 1, 4}, MemoryBytes: 2 << 20, Distances: map[int]int64{0: 10, 1: 21, 10: 80}},
		{ID: 1, CPUs: []int{2, 3}, MemoryBytes: 4 << 20, Distances: map[int]int64{0: 21, 1: 10, 10: 80}},
		{ID: 10, MemoryBytes: 16 << 10, Distances: map[int]int64{0: 80, 1: 80, 10: 10}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMachineThatSaysNothing(t *testing.T) {
	if got, err := Machine(t.TempDir()); err != nil || got.Product != "" || got.NUMA != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestMachineThatSaysNonsense(t *testing.T) {
	for name, content := range map[string]string{
		"0/cpulist": "zero", "0/meminfo": "Node 0 MemFree: 1 kB", "1/distance": "21 10", "1/cpulist": "1-x",
	} {
		files := twoSockets()
		files["devices/system/node/node"+name] = content
		if _, err := Machine(tree(t, files)); err == nil || !strings.Contains(err.Error(), name[:1]) {
			t.Errorf("%s=%q: %v", name, content, err)
		}
	}
}

func TestThisMachine(t *testing.T) {
	machine, err := Machine("/sys")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range machine.NUMA {
		if node.MemoryBytes <= 0 || len(node.Distances) != 0 && node.Distances[node.ID] == 0 {
			t.Errorf("NUMA node %+v", node)
		}
	}
}

func TestNUMANode(t *testing.T) {
	root := tree(t, twoSockets())
	for bus, want := range map[string]int{"0000:07:00.0": 1, "0000:08:00.0": layout.Unknown, "0000:09:00.0": layout.Unknown} {
		if got := NUMANode(root, bus); got != want {
			t.Errorf("%s: node %d, want %d", bus, got, want)
		}
	}
}
