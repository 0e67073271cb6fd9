package layout

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"

	"github.com/muster-scheduling/muster/nodeagent/health"
)

// dgx is a DGX A100: eight GPUs behind NVSwitches, four on each of two sockets.
func dgx() Input {
	in := Input{
		Hardware: Hardware{Driver: "550.54.15", CUDA: 12040},
		Machine:  Machine{Product: "DGXA100 920-23687-2530-000", NUMA: sockets(2, 4)},
		Kubelet:  &Kubelet{},
		Policy:   "single-numa-node", Scope: "pod",
	}
	for i := range 8 {
		in.Hardware.GPUs = append(in.Hardware.GPUs, GPU{
			Index: i, UUID: uuid(i), BusID: fmt.Sprintf("0000:%02x:00.0", i), Product: "NVIDIA A100-SXM4-40GB", MemoryMiB: 40960,
			ComputeMajor: 8, NUMA: i / 4, MIGCapable: true,
		})
		for j := range i {
			in.Hardware.Connections = append(in.Hardware.Connections, Connection{A: j, B: i, NVLinks: 12, Ancestor: System})
		}
		in.Kubelet.Devices = append(in.Kubelet.Devices, Device{Resource: GPUResource, ID: uuid(i), NUMA: []int{i / 4}})
	}
	return in
}

func uuid(i int) string { return fmt.Sprintf("GPU-%d", i) }

func sockets(n, cpus int) []NUMANode {
	var nodes []NUMANode
	for id := range n {
		node := NUMANode{ID: id, MemoryBytes: 64 << 30, Distances: map[int]int64{}}
		for cpu := range cpus {
			node.CPUs = append(node.CPUs, id*cpus+cpu)
		}
		for other := range n {
			node.Distances[other] = 21
		}
		node.Distances[id] = 10
		nodes = append(nodes, node)
	}
	return nodes
}

// divide gives a GPU two MIG devices and offers them under the name.
func divide(in *Input, gpu int, resource string) {
	g := &in.Hardware.GPUs[gpu]
	g.MIGEnabled = true
	for i, profile := range []string{"3g.20gb", "3g.20gb"} {
		id := fmt.Sprintf("MIG-%d-%d", gpu, i)
		g.Instances = append(g.Instances, Instance{Index: i, UUID: id, GPUInstance: i + 1, Profile: profile, MemoryMiB: 19968})
		in.Kubelet.Devices = append(in.Kubelet.Devices, Device{Resource: resource, ID: id, NUMA: []int{gpu / 4}})
	}
	kept := in.Kubelet.Devices[:0]
	for _, d := range in.Kubelet.Devices {
		if d.ID != g.UUID {
			kept = append(kept, d)
		}
	}
	in.Kubelet.Devices = kept
}

func TestZones(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Input)
		want   string // of each zone: resource=available/allocatable/capacity
	}{
		{"all free", func(*Input) {},
			"Node node-0 nvidia.com/gpu=4/4/4\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"a pod holds two", func(in *Input) {
			in.Kubelet.Held.Devices = []Device{{Resource: GPUResource, ID: "GPU-1"}, {Resource: GPUResource, ID: "GPU-6"}}
		}, "Node node-0 nvidia.com/gpu=3/4/4\nNode node-1 nvidia.com/gpu=3/4/4\nNVLink nvlink-0 nvidia.com/gpu=6/8/8"},
		{"no NVLink", func(in *Input) { in.Hardware.Connections = nil },
			"Node node-0 nvidia.com/gpu=4/4/4\nNode node-1 nvidia.com/gpu=4/4/4"},
		{"two islands and two GPUs beside", func(in *Input) {
			in.Hardware.Connections = []Connection{{A: 0, B: 1, NVLinks: 4}, {A: 1, B: 2, NVLinks: 4}, {A: 2, B: 3, Ancestor: SingleSwitch}, {A: 4, B: 7, NVLinks: 1}}
		}, "Node node-0 nvidia.com/gpu=4/4/4\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=3/3/3\nNVLink nvlink-1 nvidia.com/gpu=2/2/2"},
		{"a failed GPU, and a failed one that a pod holds", func(in *Input) {
			in.Hardware.GPUs[0].Broken = "lost"
			in.Faults = []health.Fault{{GPU: "GPU-7", Instance: health.Whole, Xid: 79}}
			in.Kubelet.Held.Devices = []Device{{Resource: GPUResource, ID: "GPU-7"}}
		}, "Node node-0 nvidia.com/gpu=3/4/4\nNode node-1 nvidia.com/gpu=3/4/4\nNVLink nvlink-0 nvidia.com/gpu=6/8/8"},
		{"the plugin withholds one", func(in *Input) { in.Kubelet.Devices = in.Kubelet.Devices[1:] },
			"Node node-0 nvidia.com/gpu=3/3/4\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=7/7/8"},
		{"no plugin runs", func(in *Input) { in.Kubelet.Devices = nil },
			"Node node-0 nvidia.com/gpu=0/0/4\nNode node-1 nvidia.com/gpu=0/0/4\nNVLink nvlink-0 nvidia.com/gpu=0/0/8"},
		{"the plugin numbers its devices", func(in *Input) {
			for i := range in.Kubelet.Devices {
				in.Kubelet.Devices[i].ID = fmt.Sprint(i)
			}
			in.Kubelet.Devices = append(in.Kubelet.Devices, Device{Resource: "example.com/nic", ID: "0"})
		}, "Node node-0 nvidia.com/gpu=4/4/4\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"shares of one GPU under a name of their own", func(in *Input) {
			in.Kubelet.Devices = []Device{{Resource: "nvidia.com/gpu.shared", ID: "GPU-0::0"}, {Resource: "nvidia.com/gpu.shared", ID: "GPU-0::1"}}
			in.Kubelet.Held.Devices = []Device{{Resource: "nvidia.com/gpu.shared", ID: "GPU-0::1"}}
			in.Hardware.GPUs = in.Hardware.GPUs[:1]
		}, "Node node-0 nvidia.com/gpu.shared=1/2/2\nNode node-1"},
		{"MIG, strategy mixed", func(in *Input) { divide(in, 0, "nvidia.com/mig-3g.20gb") },
			"Node node-0 nvidia.com/gpu=3/3/3 nvidia.com/mig-3g.20gb=2/2/2\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=7/7/7"},
		{"MIG, strategy single", func(in *Input) { divide(in, 0, GPUResource) },
			"Node node-0 nvidia.com/gpu=5/5/5\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=7/7/7"},
		{"MIG, one part of a GPU failed", func(in *Input) {
			divide(in, 0, "nvidia.com/mig-3g.20gb")
			in.Faults = []health.Fault{{GPU: "GPU-0", Instance: 2, Xid: 95}}
		}, "Node node-0 nvidia.com/gpu=3/3/3 nvidia.com/mig-3g.20gb=1/2/2\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=7/7/7"},
		{"MIG that the kubelet does not know yet", func(in *Input) {
			divide(in, 0, "nvidia.com/mig-3g.20gb")
			in.Hardware.GPUs[0].Instances[0].Profile = "1g.5gb+me"
			in.Kubelet.Devices = nil
		}, "Node node-0 nvidia.com/gpu=0/0/3 nvidia.com/mig-1g.5gb.me=0/0/1 nvidia.com/mig-3g.20gb=0/0/1\nNode node-1 nvidia.com/gpu=0/0/4\nNVLink nvlink-0 nvidia.com/gpu=0/0/7"},
		{"the kubelet knows better where a GPU is", func(in *Input) { in.Kubelet.Devices[0].NUMA = []int{1} },
			"Node node-0 nvidia.com/gpu=3/3/3\nNode node-1 nvidia.com/gpu=5/5/5\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"nobody knows where the GPUs are", func(in *Input) {
			for i := range in.Hardware.GPUs {
				in.Hardware.GPUs[i].NUMA = Unknown
				in.Kubelet.Devices[i].NUMA = nil
			}
		}, "Node node-0\nNode node-1\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"one NUMA node, which the GPUs do not name", func(in *Input) {
			for i := range in.Hardware.GPUs {
				in.Hardware.GPUs[i].NUMA = Unknown
				in.Kubelet.Devices[i].NUMA = nil
			}
			in.Machine.NUMA = sockets(1, 8)
		}, "Node node-0 nvidia.com/gpu=8/8/8\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"a kernel that tells nothing", func(in *Input) { in.Machine = Machine{} },
			"Node node-0 nvidia.com/gpu=4/4/4\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"a NUMA node of memory only", func(in *Input) { in.Machine.NUMA = append(in.Machine.NUMA, NUMANode{ID: 2, MemoryBytes: 1}) },
			"Node node-0 nvidia.com/gpu=4/4/4\nNode node-1 nvidia.com/gpu=4/4/4\nNVLink nvlink-0 nvidia.com/gpu=8/8/8"},
		{"exclusive CPUs and memory", func(in *Input) {
			in.Hardware.GPUs, in.Hardware.Connections = in.Hardware.GPUs[:1], nil
			in.Kubelet = &Kubelet{
				CPUs:   []int{1, 2, 3, 4, 5, 6, 7},
				Memory: []Memory{{"memory", 8 << 30, []int{0}}, {"memory", 8 << 30, []int{1}}, {"hugepages-1Gi", 4 << 30, []int{1}}},
				Held: Held{CPUs: []int{2, 6, 7}, Memory: []Memory{
					{"memory", 10 << 30, []int{0, 1}}, {"hugepages-1Gi", 1 << 30, []int{1}}, {"hugepages-2Mi", 1 << 30, []int{1}},
				}},
			}
		}, "Node node-0 cpu=2/3/4 memory=0/8Gi/64Gi nvidia.com/gpu=0/0/1\nNode node-1 cpu=2/4/4 hugepages-1Gi=3Gi/4Gi/4Gi memory=6Gi/8Gi/64Gi"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := dgx()
			test.change(&in)
			if got := Describe(in).Topology.String(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestCostsParentsAndAttributes(t *testing.T) {
	in := dgx()
	in.Hardware.Connections = []Connection{{A: 4, B: 5, NVLinks: 4}, {A: 0, B: 6, NVLinks: 12}, {A: 1, B: 2, Ancestor: MultipleSwitch}}
	in.Hardware.GPUs[3].Broken = "lost"
	in.Hardware.GPUs[5].Broken = "lost"
	in.Kubelet.Held.Devices = []Device{{Resource: GPUResource, ID: "GPU-5"}}
	topology := Describe(in).Topology
	var got []string
	for _, zone := range topology.Zones {
		words := []string{zone.Name + " in " + zone.Parent + ":"}
		for _, cost := range zone.Costs {
			words = append(words, fmt.Sprintf("%s=%d", cost.Name, cost.Value))
		}
		got = append(got, strings.Join(append(words, "gpus", attribute(zone.Attributes, GPUsAttribute), attribute(zone.Attributes, UnfitAttribute)), " "))
	}
	want := `node-0 in : node-0=10 node-1=21 nvlink-0=21 nvlink-1=21 gpus 0,1,2,3 nvidia.com/gpu=1
node-1 in : node-0=21 node-1=10 nvlink-0=21 nvlink-1=10 gpus 4,5,6,7 
nvlink-0 in : node-0=21 node-1=21 nvlink-0=1 nvlink-1=21 gpus 0,6 
nvlink-1 in node-1: node-0=21 node-1=10 nvlink-0=21 nvlink-1=1 gpus 4,5 `
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	for name, want := range map[string]string{
		PolicyAttribute:      "single-numa-node",
		ScopeAttribute:       "pod",
		ConnectionsAttribute: "0-6=NV12 1-2=PXB 4-5=NV4",
		UnhealthyAttribute:   "GPU 3 (GPU-3 at 0000:03:00.0): lost\nGPU 5 (GPU-5 at 0000:05:00.0): lost",
	} {
		if got := attribute(topology.Attributes, name); got != want {
			t.Errorf("attribute %s: %q, want %q", name, got, want)
		}
	}
}

func attribute(list nrt.AttributeList, name string) string {
	for _, a := range list {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

func TestLabels(t *testing.T) {
	all := map[string]string{
		"cuda.driver-version.full": "550.54.15", "cuda.driver-version.major": "550", "cuda.driver-version.minor": "54", "cuda.driver-version.revision": "15",
		"cuda.driver.major": "550", "cuda.driver.minor": "54", "cuda.driver.rev": "15",
		"cuda.runtime-version.full": "12.4", "cuda.runtime-version.major": "12", "cuda.runtime-version.minor": "4", "cuda.runtime.major": "12", "cuda.runtime.minor": "4",
		"gpu.machine": "DGXA100-920-23687-2530-000", "gpu.product": "NVIDIA-A100-SXM4-40GB", "gpu.count": "8", "gpu.memory": "40960",
		"gpu.family": "ampere", "gpu.compute.major": "8", "gpu.compute.minor": "0", "mig.capable": "true",
	}
	tests := []struct {
		name   string
		change func(*Input)
		want   map[string]string // beside or instead of all; "": absent
	}{
		{"all the same", func(*Input) {}, nil},
		{"the kubelet is not there yet", func(in *Input) { in.Kubelet = nil }, nil},
		{"one was never read", func(in *Input) { in.Hardware.GPUs[0] = GPU{Index: 0, NUMA: Unknown, Broken: "lost"} }, nil},
		{"mixed products", func(in *Input) { in.Hardware.GPUs[0].Product = "NVIDIA T4" }, nil},
		{"a kernel and a driver that say little", func(in *Input) {
			in.Machine, in.Hardware.Driver, in.Hardware.CUDA = Machine{}, "550", 0
			in.Hardware.GPUs[0].Fabric = "6f0b62a4-6d6e-4d2c-8d0f-2e3c5d1a9b77.3"
		}, map[string]string{
			"gpu.machine": "", "cuda.driver-version.full": "550", "cuda.driver-version.minor": "", "cuda.driver-version.revision": "", "cuda.driver.minor": "", "cuda.driver.rev": "",
			"cuda.runtime-version.full": "", "cuda.runtime-version.major": "", "cuda.runtime-version.minor": "", "cuda.runtime.major": "", "cuda.runtime.minor": "",
			"gpu.clique": "6f0b62a4-6d6e-4d2c-8d0f-2e3c5d1a9b77.3",
		}},
		{"MIG, strategy mixed", func(in *Input) { divide(in, 2, "nvidia.com/mig-3g.20gb") }, map[string]string{
			"mig.strategy": "mixed", "mig-3g.20gb.count": "2", "mig-3g.20gb.memory": "19968", "mig-3g.20gb.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
		}},
		{"MIG, strategy single", func(in *Input) {
			in.Hardware.GPUs = in.Hardware.GPUs[:2]
			divide(in, 0, GPUResource)
			divide(in, 1, GPUResource)
		}, map[string]string{
			"mig.strategy": "single", "gpu.count": "4", "gpu.memory": "19968", "gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := dgx()
			test.change(&in)
			want := map[string]string{}
			for _, set := range []map[string]string{all, test.want} {
				for name, value := range set {
					want["nvidia.com/"+name] = value
				}
			}
			maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
			if got := Describe(in).Labels; !maps.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestNothingToSay(t *testing.T) {
	in := dgx()
	in.Hardware = Hardware{}
	if out := Describe(in); out.GPUs != 0 || out.Labels != nil || out.Topology != nil || out.Unhealthy != nil {
		t.Errorf("a node without GPUs: %+v", out)
	}
	in = dgx()
	in.Kubelet = nil
	if out := Describe(in); out.Topology != nil || out.GPUs != 8 {
		t.Errorf("while the kubelet says nothing: %+v", out)
	}
}

func TestUnhealthy(t *testing.T) {
	in := dgx()
	in.Hardware.GPUs = append(in.Hardware.GPUs, GPU{Index: 8, Broken: "lost"})
	in.Hardware.GPUs[2].Broken = "the driver asks for a reset of the GPU"
	in.Faults = []health.Fault{
		{GPU: "GPU-2", Instance: health.Whole, Xid: 79}, {GPU: "GPU-5", Instance: 1, Xid: 95}, {GPU: "GPU-9", Xid: 79},
	}
	var got []string
	for _, gpu := range Describe(in).Unhealthy {
		got = append(got, gpu.String())
	}
	want := []string{
		"GPU 2 (GPU-2 at 0000:02:00.0): Xid 79: the GPU has fallen off the bus; the driver asks for a reset of the GPU",
		"GPU 5 (GPU-5 at 0000:05:00.0): Xid 95 in GPU instance 1: uncontained ECC error",
		"GPU 8: lost",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFamilies(t *testing.T) {
	for capability, want := range map[[2]int]string{
		{3, 5}: "kepler", {6, 0}: "pascal", {7, 0}: "volta", {7, 5}: "turing", {8, 0}: "ampere", {8, 6}: "ampere", {8, 9}: "ada-lovelace",
		{9, 0}: "hopper", {10, 0}: "blackwell", {12, 0}: "blackwell", {99, 0}: "",
	} {
		if got := family(capability[0], capability[1]); got != want {
			t.Errorf("compute capability %v: %q, want %q", capability, got, want)
		}
	}
}
