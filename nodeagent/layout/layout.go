package layout

import (
	"fmt"
	"slices"
	"strings"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"

	"github.com/muster-scheduling/muster/nodeagent/health"
)

// Input is all that decides what is published.
type Input struct {
	Hardware Hardware
	Machine  Machine
	Kubelet  *Kubelet       // nil: unknown, and then no topology is published
	Faults   []health.Fault // that still count
	Policy   string         // the kubelet's topology manager policy; empty: unknown
	Scope    string         // the kubelet's topology manager scope; empty: unknown
}

// Output is what is published about the node. Equal inputs give equal outputs,
// in whatever order they list GPUs, connections and devices.
type Output struct {
	Labels    map[string]string
	Topology  *Topology   // nil: nothing can be said, or there is no GPU
	Unhealthy []Unhealthy // sorted by GPU
	GPUs      int         // all of them, healthy or not
}

// Topology is the content of a NodeResourceTopology.
type Topology struct {
	Zones      nrt.ZoneList
	Attributes nrt.AttributeList
}

// Unhealthy is a GPU that no pod should get, in whole or in part.
type Unhealthy struct {
	Index int
	UUID  string
	BusID string
	Why   string // such as "Xid 79: the GPU has fallen off the bus"
}

// String names the GPU and says what is wrong with it.
func (u Unhealthy) String() string {
	name := fmt.Sprintf("GPU %d", u.Index)
	if u.UUID != "" {
		name += fmt.Sprintf(" (%s at %s)", u.UUID, u.BusID)
	}
	return name + ": " + u.Why
}

// Describe returns what to publish. Of a node without GPUs that is nothing.
func Describe(in Input) Output {
	in.Hardware.GPUs = slices.SortedFunc(slices.Values(in.Hardware.GPUs), func(a, b GPU) int { return a.Index - b.Index })
	if len(in.Hardware.GPUs) == 0 {
		return Output{}
	}
	out := Output{GPUs: len(in.Hardware.GPUs), Unhealthy: unhealthy(in)}
	placed := place(in)
	out.Labels = labels(in, placed)
	if in.Kubelet == nil {
		return out
	}
	out.Topology = &Topology{
		Zones:      zones(in, placed),
		Attributes: attributes(in, out.Unhealthy),
	}
	return out
}

// unhealthy lists the GPUs with a fault, those of their parts included.
func unhealthy(in Input) []Unhealthy {
	var found []Unhealthy
	for _, gpu := range in.Hardware.GPUs {
		var why []string
		if gpu.Broken != "" {
			why = append(why, gpu.Broken)
		}
		for _, fault := range in.Faults {
			if gpu.UUID != "" && fault.GPU == gpu.UUID {
				why = append(why, fault.String())
			}
		}
		if len(why) == 0 {
			continue
		}
		slices.Sort(why)
		found = append(found, Unhealthy{
			Index: gpu.Index, UUID: gpu.UUID, BusID: gpu.BusID,
			Why: strings.Join(slices.Compact(why), "; "),
		})
	}
	return found
}

// Names of attributes that a scheduler reads. Those of the topology manager are
// the ecosystem's.
const (
	PolicyAttribute      = "topologyManagerPolicy"
	ScopeAttribute       = "topologyManagerScope"
	ConnectionsAttribute = "gpuConnections" // of the object: "0-1=NV12 0-2=PIX …", by GPU index
	UnhealthyAttribute   = "gpuUnhealthy"   // of the object: one line for each GPU that no pod should get
	GPUsAttribute        = "gpus"           // of a zone: the indices of its GPUs, "0,1,2,3"
	UnfitAttribute       = "unhealthy"      // of a zone: "nvidia.com/gpu=1 …", allocatable, held by no pod and not available
)

func attributes(in Input, unhealthy []Unhealthy) nrt.AttributeList {
	var list nrt.AttributeList
	add := func(name, value string) {
		if value != "" {
			list = append(list, nrt.AttributeInfo{Name: name, Value: value})
		}
	}
	add(PolicyAttribute, in.Policy)
	add(ScopeAttribute, in.Scope)
	add(ConnectionsAttribute, connections(in.Hardware.Connections))
	lines := make([]string, 0, len(unhealthy))
	for _, gpu := range unhealthy {
		lines = append(lines, gpu.String())
	}
	add(UnhealthyAttribute, strings.Join(lines, "\n"))
	return list
}

func connections(all []Connection) string {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b Connection) int {
		if a.A != b.A {
			return a.A - b.A
		}
		return a.B - b.B
	})
	words := make([]string, 0, len(sorted))
	for _, c := range sorted {
		kind := c.Ancestor.String()
		if c.NVLinks > 0 {
			kind = fmt.Sprintf("NV%d", c.NVLinks)
		}
		words = append(words, fmt.Sprintf("%d-%d=%s", c.A, c.B, kind))
	}
	return strings.Join(words, " ")
}
