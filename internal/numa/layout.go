// Package numa tells whether a node can give a pod GPUs, CPUs and memory that are near each other, from what the node
// reports of its layout. A report counts what is in use in each zone, and lags behind the pods; so the package also judges
// which zones the pods use that the report does not know yet.
//
// It is pure: a function of the report and of the pods on the node. The kubelet chooses the devices; nothing here does.
package numa

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Locality is how near the GPUs of one container have to be.
type Locality string

const (
	// Anywhere on the node will do.
	Anywhere Locality = ""
	// NUMA is one NUMA node.
	NUMA Locality = "numa"
	// NVLink is one NVLink island: GPUs that NVLink connects, all with each other.
	NVLink Locality = "nvlink"
)

// ParseLocality reads what a pod asks for. It fails for all but the names of the two localities and the empty string.
func ParseLocality(text string) (Locality, error) {
	switch l := Locality(text); l {
	case Anywhere, NUMA, NVLink:
		return l, nil
	}
	return Anywhere, fmt.Errorf("it is %q and must be %s or %s", text, NVLink, NUMA)
}

// Policy is the topology manager policy of a node's kubelet.
type Policy string

// The policies, as the kubelet's configuration names them.
const (
	None       Policy = "none"
	BestEffort Policy = "best-effort"
	Restricted Policy = "restricted"
	SingleNode Policy = "single-numa-node"
)

// Strict reports whether the kubelet refuses pods (TopologyAffinityError) which it cannot align.
func (p Policy) Strict() bool { return p == Restricted || p == SingleNode }

// aligns reports whether the kubelet aligns pods as far as it can.
func (p Policy) aligns() bool { return p.Strict() || p == BestEffort }

// Zone is a part of a node.
type Zone struct {
	Name string
	// Allocatable is what the zone has for pods, Available what is free of it: thousandths of a CPU, bytes and numbers.
	Allocatable, Available resource.Amounts
	// Broken is what is neither available nor in use: GPUs that nobody holds and that fail.
	Broken resource.Amounts
}

// Layout is what a node reports of itself. It may be read concurrently.
type Layout struct {
	Policy Policy
	// PodScope is set where the kubelet aligns all containers of a pod together, and not each by itself.
	PodScope bool
	// Nodes are the NUMA nodes by their number, Islands the NVLink islands. They are two ways to divide the same GPUs.
	Nodes, Islands []Zone
	// Faults say for resources what is wrong with the report.
	Faults map[string]string
}

// Pod is what a pod asks for of all that may have to be near each other: devices, and of a Guaranteed pod the whole CPUs
// and the memory.
type Pod struct {
	// Init are what init containers ask for, one after the other; what Containers ask for, they hold at the same time.
	Init, Containers []resource.Amounts
	// Required and Preferred say how near the GPUs of each container have to be, and should be.
	Required, Preferred Locality
}

// Concerns reports whether the layout plays a part in whether the node may take a pod.
func (l *Layout) Concerns(pod Pod) bool {
	if pod.NeedsNearGPUs() {
		return true
	}
	return l.Policy.Strict() && slices.ContainsFunc(pod.all(), func(c resource.Amounts) bool { return len(l.listed(c)) > 0 })
}

// NeedsNearGPUs reports whether a pod asks for several GPUs in a container that have to be near each other. One GPU is near
// itself.
func (p Pod) NeedsNearGPUs() bool {
	return p.Required != Anywhere && slices.ContainsFunc(p.all(), several)
}

// PrefersNearGPUs reports whether a pod asks for several GPUs in a container that should be near each other.
func (p Pod) PrefersNearGPUs() bool {
	return p.Preferred != Anywhere && slices.ContainsFunc(p.all(), several)
}

// Divides reports whether a node with enough of everything may yet be unable to align the pod: it asks for more than a
// single unit of one resource.
func (p Pod) Divides() bool {
	for _, c := range p.all() {
		kinds, most := 0, int64(0)
		for _, amount := range c {
			if amount > 0 {
				kinds, most = kinds+1, max(most, amount)
			}
		}
		if kinds > 1 || most > 1 {
			return true
		}
	}
	return len(p.Containers) > 1 && slices.ContainsFunc(p.Containers, func(c resource.Amounts) bool { return len(c) > 0 })
}

func several(c resource.Amounts) bool {
	var gpus int64
	for name, amount := range c {
		if resource.IsGPU(name) {
			gpus = max(gpus, amount)
		}
	}
	return gpus > 1
}

func (p Pod) all() []resource.Amounts { return slices.Concat(p.Init, p.Containers) }

// listed are the resources of a request that the NUMA nodes list. The kubelet aligns no others.
func (l *Layout) listed(c resource.Amounts) []string {
	var names []string
	for name, amount := range c {
		lists := func(z Zone) bool { _, has := z.Allocatable[name]; return has }
		if amount > 0 && slices.ContainsFunc(l.Nodes, lists) {
			names = append(names, name)
		}
	}
	return names
}

// Contradiction says how the layout contradicts what the node itself says to have of a resource; empty where it does not.
// zones is the locality that is asked for.
func (l *Layout) Contradiction(name string, allocatable int64, zones Locality) string {
	if fault := l.Faults[name]; fault != "" {
		return fault
	}
	if zones == NVLink {
		// GPUs without NVLink are in no island.
		if sum := sumOf(l.Islands, name); sum > allocatable {
			return fmt.Sprintf("it lists %s %s in NVLink islands, the node has %s", show(name, sum), name, show(name, allocatable))
		}
		return ""
	}
	if sum := sumOf(l.Nodes, name); sum > allocatable+slack(name) || sum < allocatable-slack(name) {
		return fmt.Sprintf("it lists %s %s in NUMA nodes, the node has %s", show(name, sum), name, show(name, allocatable))
	}
	return ""
}

// slack is how much the sum of the zones may differ from what the node says: what the kubelet reserves for the system it
// takes off the node exactly, but off the zones in whole CPUs and in blocks of memory.
func slack(name string) int64 {
	switch {
	case name == "cpu":
		return 999
	case isBytes(name):
		return 1 << 30
	}
	return 0
}

func isBytes(name string) bool { return name == "memory" || strings.HasPrefix(name, "hugepages-") }

func sumOf(zones []Zone, name string) (sum int64) {
	for _, z := range zones {
		sum = resource.Sum(sum, max(z.Allocatable[name], 0))
	}
	return sum
}

// show writes an amount as people read it.
func show(name string, amount int64) string {
	switch {
	case name == "cpu":
		return fmt.Sprintf("%g", float64(amount)/1000)
	case isBytes(name) && amount >= 1<<20:
		return fmt.Sprintf("%dMi", amount>>20)
	}
	return fmt.Sprint(amount)
}
