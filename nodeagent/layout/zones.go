package layout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Types of zones. A GPU lies in at most one zone of each type.
const (
	NUMAZone   = "Node"   // a NUMA node, named node-ID as everywhere in the ecosystem
	NVLinkZone = "NVLink" // GPUs of one node that NVLinks connect, named nvlink-NUMBER
)

// insideNVLink is the cost between two GPUs of one island. The costs of NUMA
// zones are the kernel's distances, of which 10 is that of a node to itself;
// the bandwidth of NVLink is about ten times that of PCIe.
const insideNVLink = 1

func numaName(id int) string { return "node-" + strconv.Itoa(id) }

// zones returns the NUMA zones by ID, then the NVLink zones by first GPU.
func zones(in Input, p placement) nrt.ZoneList {
	nodes := numaNodes(in.Machine, p)
	groups := islands(in.Hardware.GPUs, in.Hardware.Connections)
	memory := splitMemory(in.Kubelet)
	var list nrt.ZoneList
	for _, node := range nodes {
		var inside []int
		for gpu, id := range p.numa {
			if id == node.ID {
				inside = append(inside, gpu)
			}
		}
		zone := nrt.Zone{Name: numaName(node.ID), Type: NUMAZone, Attributes: zoneAttributes(in, p.units, inside)}
		zone.Resources = append(cpu(in.Kubelet, node), memory.of(node)...)
		zone.Resources = append(zone.Resources, gpuResources(p.units, inside)...)
		slices.SortFunc(zone.Resources, func(a, b nrt.ResourceInfo) int { return strings.Compare(a.Name, b.Name) })
		zone.Costs = costs(nodes, []int{node.ID}, groups, p.numa, -1)
		list = append(list, zone)
	}
	for i, group := range groups {
		around := numaAround(p.numa, group)
		zone := nrt.Zone{
			Name: "nvlink-" + strconv.Itoa(i), Type: NVLinkZone, Attributes: zoneAttributes(in, p.units, group),
			Resources: gpuResources(p.units, group), Costs: costs(nodes, around, groups, p.numa, i),
		}
		if len(around) == 1 {
			zone.Parent = numaName(around[0])
		}
		list = append(list, zone)
	}
	return list
}

// numaNodes returns the NUMA nodes that have CPUs or GPUs, sorted by ID. Those
// that the kernel does not name are known from a GPU that lies there.
func numaNodes(machine Machine, p placement) []NUMANode {
	var nodes []NUMANode
	for _, node := range machine.NUMA {
		if len(node.CPUs) > 0 || slices.Contains(p.numa, node.ID) {
			nodes = append(nodes, node)
		}
	}
	for _, id := range p.numa {
		if id >= 0 && !slices.ContainsFunc(nodes, func(n NUMANode) bool { return n.ID == id }) {
			nodes = append(nodes, NUMANode{ID: id})
		}
	}
	slices.SortFunc(nodes, func(a, b NUMANode) int { return a.ID - b.ID })
	return nodes
}

// numaAround returns the NUMA nodes that the GPUs are attached to, sorted.
func numaAround(numa, gpus []int) []int {
	var ids []int
	for _, gpu := range gpus {
		if numa[gpu] >= 0 {
			ids = append(ids, numa[gpu])
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// costs returns the costs from a zone around some NUMA nodes to every zone; own
// is the number of its island, -1 if it is a NUMA zone. Where a zone spans
// several NUMA nodes, the farthest counts; what nobody knows is left out.
func costs(nodes []NUMANode, around []int, groups [][]int, numa []int, own int) nrt.CostList {
	var list nrt.CostList
	add := func(name string, to []int) {
		if value, known := farthest(nodes, around, to); known {
			list = append(list, nrt.CostInfo{Name: name, Value: value})
		}
	}
	for _, node := range nodes {
		add(numaName(node.ID), []int{node.ID})
	}
	for i, group := range groups {
		name := "nvlink-" + strconv.Itoa(i)
		if i == own {
			list = append(list, nrt.CostInfo{Name: name, Value: insideNVLink})
			continue
		}
		add(name, numaAround(numa, group))
	}
	return list
}

// farthest returns the largest of the distances between the NUMA nodes.
func farthest(nodes []NUMANode, from, to []int) (distance int64, known bool) {
	for _, node := range nodes {
		if !slices.Contains(from, node.ID) {
			continue
		}
		for _, id := range to {
			d, ok := node.Distances[id]
			if !ok {
				return 0, false
			}
			distance, known = max(distance, d), true
		}
	}
	return distance, known
}

// zoneAttributes name the GPUs of a zone, and say how much of it is neither
// available nor in use: who takes one for the other would wait for pods to end.
func zoneAttributes(in Input, units []unit, gpus []int) nrt.AttributeList {
	if len(gpus) == 0 {
		return nil
	}
	indices := make([]string, 0, len(gpus))
	for _, gpu := range gpus {
		indices = append(indices, strconv.Itoa(in.Hardware.GPUs[gpu].Index))
	}
	list := nrt.AttributeList{{Name: GPUsAttribute, Value: strings.Join(indices, ",")}}
	unfit := map[string]int{}
	for _, u := range units {
		if slices.Contains(gpus, u.gpu) && u.listed && u.broken && !u.held {
			unfit[u.resource]++
		}
	}
	var words []string
	for _, name := range slices.Sorted(maps.Keys(unfit)) {
		words = append(words, fmt.Sprintf("%s=%d", name, unfit[name]))
	}
	if len(words) > 0 {
		list = append(list, nrt.AttributeInfo{Name: UnfitAttribute, Value: strings.Join(words, " ")})
	}
	return list
}

// gpuResources counts what the GPUs offer: capacity is all there is,
// allocatable what the kubelet may give, available what it could give now to a
// pod that expects it to work.
func gpuResources(units []unit, gpus []int) nrt.ResourceInfoList {
	type count struct{ capacity, allocatable, available int64 }
	counts := map[string]*count{}
	for _, u := range units {
		if !slices.Contains(gpus, u.gpu) {
			continue
		}
		c := counts[u.resource]
		if c == nil {
			c = &count{}
			counts[u.resource] = c
		}
		c.capacity++
		if u.listed {
			c.allocatable++
		}
		if u.listed && !u.held && !u.broken {
			c.available++
		}
	}
	var list nrt.ResourceInfoList
	for name, c := range counts {
		list = append(list, info(name, c.capacity, c.allocatable, c.available, resource.DecimalSI))
	}
	return list
}

func info(name string, capacity, allocatable, available int64, format resource.Format) nrt.ResourceInfo {
	return nrt.ResourceInfo{
		Name:        name,
		Capacity:    *resource.NewQuantity(capacity, format),
		Allocatable: *resource.NewQuantity(allocatable, format),
		Available:   *resource.NewQuantity(available, format),
	}
}

// cpu counts CPUs where the kubelet gives them out one by one. Elsewhere a pod's
// CPUs belong to no NUMA node.
func cpu(kubelet *Kubelet, node NUMANode) nrt.ResourceInfoList {
	var allocatable, available int64
	for _, id := range node.CPUs {
		if slices.Contains(kubelet.CPUs, id) {
			allocatable++
			if !slices.Contains(kubelet.Held.CPUs, id) {
				available++
			}
		}
	}
	if len(kubelet.CPUs) == 0 || len(node.CPUs) == 0 {
		return nil
	}
	return nrt.ResourceInfoList{info("cpu", int64(len(node.CPUs)), allocatable, available, resource.DecimalSI)}
}

// memoryByNode has bytes by type of memory and NUMA node.
type memoryByNode struct{ allocatable, available map[string]map[int]int64 }

// splitMemory counts memory where the kubelet gives it out by NUMA node. A block
// over several nodes is taken from the first until that is full, as the
// kubelet's memory manager does.
func splitMemory(kubelet *Kubelet) memoryByNode {
	m := memoryByNode{allocatable: map[string]map[int]int64{}, available: map[string]map[int]int64{}}
	for _, block := range kubelet.Memory {
		if len(block.NUMA) != 1 {
			continue // the kubelet lists what it may give node by node
		}
		if m.allocatable[block.Type] == nil {
			m.allocatable[block.Type], m.available[block.Type] = map[int]int64{}, map[int]int64{}
		}
		m.allocatable[block.Type][block.NUMA[0]] += block.Bytes
		m.available[block.Type][block.NUMA[0]] += block.Bytes
	}
	for _, block := range kubelet.Held.Memory {
		free, left := m.available[block.Type], block.Bytes
		for _, node := range block.NUMA {
			if taken := min(left, free[node]); taken > 0 {
				free[node] -= taken
				left -= taken
			}
		}
	}
	return m
}

func (m memoryByNode) of(node NUMANode) nrt.ResourceInfoList {
	var list nrt.ResourceInfoList
	for kind, nodes := range m.allocatable {
		allocatable, ok := nodes[node.ID]
		if !ok {
			continue
		}
		capacity := allocatable
		if kind == "memory" {
			capacity = max(allocatable, node.MemoryBytes)
		}
		list = append(list, info(kind, capacity, allocatable, m.available[kind][node.ID], resource.BinarySI))
	}
	return list
}

// String is for messages and tests: one line for each zone.
func (t Topology) String() string {
	var lines []string
	for _, zone := range t.Zones {
		words := []string{zone.Type, zone.Name}
		for _, r := range zone.Resources {
			words = append(words, fmt.Sprintf("%s=%s/%s/%s", r.Name, &r.Available, &r.Allocatable, &r.Capacity))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}
