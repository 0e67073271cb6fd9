// Package layout turns what a node's GPUs, kernel and kubelet say into what the
// node agent publishes: the zones of a NodeResourceTopology, node labels, a
// condition and a taint. It is a function of plain values: who reads the
// hardware and who writes to the API server is in the packages beside it.
package layout

// Unknown stands for a NUMA node that nobody could name.
const Unknown = -1

// Hardware is all that the driver says of the GPUs of one node at one moment.
// The zero value is a node without GPUs.
type Hardware struct {
	Driver      string // version of the driver, such as 550.54.15
	CUDA        int    // highest CUDA version that the driver supports: 1000*major + 10*minor
	GPUs        []GPU
	Connections []Connection // one for each pair of GPUs that can be read
}

// GPU is one physical GPU.
type GPU struct {
	Index        int    // NVML's number of the GPU, unique on the node
	UUID         string // GPU-…; empty for a GPU that was lost before it was ever read
	BusID        string // PCI address in the form of sysfs, such as 0000:07:00.0
	Product      string // NVML's name, such as NVIDIA A100-SXM4-40GB
	MemoryMiB    uint64
	ComputeMajor int
	ComputeMinor int
	NUMA         int // NUMA node that it is attached to, or Unknown
	MIGCapable   bool
	MIGEnabled   bool // divided into Instances, and then not usable as a whole
	Instances    []Instance
	Fabric       string // NVLink domain that may span nodes: CLUSTER-UUID.CLIQUE; empty if there is none
	Broken       string // why the driver's own state says that it cannot be used; empty if it can
}

// Instance is one MIG device: a part of a GPU that pods use like a whole one.
type Instance struct {
	Index       int    // NVML's number of the MIG device on its GPU
	UUID        string // MIG-…
	GPUInstance int    // the GPU instance that it is part of, as Xid events name it
	Profile     string // such as 1g.5gb
	MemoryMiB   uint64
}

// Connection says how two GPUs reach each other.
type Connection struct {
	A, B     int // GPU.Index of both, A < B
	NVLinks  int // active NVLinks between the two, through NVSwitches too
	Ancestor Ancestor
}

// Ancestor is the nearest thing that two GPUs share on the way over PCIe.
type Ancestor int

// The ancestors from near to far, in the words of `nvidia-smi topo --matrix`.
const (
	AncestorUnknown Ancestor = iota
	SameBoard                // two GPUs on one board (PIX, too)
	SingleSwitch             // PIX: at most one PCIe bridge
	MultipleSwitch           // PXB: several PCIe bridges, no host bridge
	HostBridge               // PHB: one PCIe host bridge
	SameNUMA                 // NODE: host bridges of one NUMA node
	System                   // SYS: the connection between NUMA nodes
)

var ancestorNames = map[Ancestor]string{
	AncestorUnknown: "?", SameBoard: "PIX", SingleSwitch: "PIX", MultipleSwitch: "PXB",
	HostBridge: "PHB", SameNUMA: "NODE", System: "SYS",
}

// String returns nvidia-smi's abbreviation, "?" if it is unknown.
func (a Ancestor) String() string { return ancestorNames[a] }

// Machine is what the kernel says of the node.
type Machine struct {
	Product string     // the maker's name of the machine; empty if unknown
	NUMA    []NUMANode // sorted by ID; empty if unknown
}

// NUMANode is one NUMA node of the machine.
type NUMANode struct {
	ID          int
	CPUs        []int // logical CPUs; none on a node that is only memory
	MemoryBytes int64
	Distances   map[int]int64 // to every node by its ID; 10 is the distance to itself
}

// Kubelet is what the kubelet's pod-resources API says of the node.
type Kubelet struct {
	Devices []Device // that the kubelet may give to pods, in use or not
	CPUs    []int    // that the kubelet may give exclusively; none unless its CPU manager is static
	Memory  []Memory // that the kubelet may give; none unless its memory manager is static
	Held    Held
}

// Held is what pods on the node hold.
type Held struct {
	Devices []Device // without the NUMA nodes
	CPUs    []int    // exclusively
	Memory  []Memory
}

// Device is one device of a device plugin.
type Device struct {
	Resource string // such as nvidia.com/gpu
	ID       string // the plugin's name of the device
	NUMA     []int  // the NUMA nodes that the plugin names
}

// Memory is a block of memory or of huge pages.
type Memory struct {
	Type  string // memory, or hugepages-…: the name of the resource
	Bytes int64
	NUMA  []int // the NUMA nodes that it is taken from, in this order
}
