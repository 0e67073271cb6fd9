package layout

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-scheduling/muster/nodeagent/health"
)

// GPUResource is the resource that NVIDIA's device plugin gives whole GPUs as.
const GPUResource = "nvidia.com/gpu"

// migResource is what the plugin calls MIG devices of one profile in its strategy "mixed".
func migResource(profile string) string {
	return "nvidia.com/mig-" + strings.ReplaceAll(profile, "+", ".")
}

// placement says where each GPU is, and what pods may get of it.
type placement struct {
	numa  []int  // of each GPU of the hardware; Unknown
	units []unit // sorted by GPU, resource and ID
}

// unit is one thing that a pod may hold: a GPU, a part of one, or a share.
type unit struct {
	part
	resource string
	id       string
	listed   bool
	held     bool
	broken   bool
}

// part names a GPU (instance -1) or a MIG device on it, by positions.
type part struct{ gpu, instance int }

// place matches the kubelet's devices with the hardware. The kubelet's word on
// NUMA nodes goes before the kernel's: it is what the topology manager acts on.
func place(in Input) placement {
	gpus := in.Hardware.GPUs
	p := placement{numa: make([]int, len(gpus))}
	for i, gpu := range gpus {
		p.numa[i] = gpu.NUMA
		if gpu.NUMA < 0 && len(in.Machine.NUMA) == 1 {
			p.numa[i] = in.Machine.NUMA[0].ID
		}
	}
	if in.Kubelet == nil {
		return p
	}
	parts := partsByID(gpus)
	type key struct{ resource, id string }
	held := map[key]bool{}
	for _, device := range in.Kubelet.Held.Devices {
		held[key{device.Resource, device.ID}] = true
	}
	names := map[part]string{} // resources of the parts that the kubelet knows
	for _, device := range in.Kubelet.Devices {
		at, known := find(parts, device)
		if !known {
			continue
		}
		names[at] = device.Resource
		if len(device.NUMA) == 1 {
			p.numa[at.gpu] = device.NUMA[0]
		}
		p.units = append(p.units, unit{
			part: at, resource: device.Resource, id: device.ID, listed: true,
			held: held[key{device.Resource, device.ID}], broken: isBroken(in, at),
		})
	}
	p.units = append(p.units, unlisted(gpus, names)...)
	slices.SortFunc(p.units, func(a, b unit) int {
		return cmp.Or(cmp.Compare(a.gpu, b.gpu), cmp.Compare(a.resource, b.resource), cmp.Compare(a.id, b.id))
	})
	return p
}

// partsByID indexes the hardware by the names that the device plugin may use:
// UUIDs, or indices such as 3 and 3:1.
func partsByID(gpus []GPU) map[string]part {
	parts := map[string]part{}
	add := func(id string, at part) {
		if id != "" {
			parts[id] = at
		}
	}
	for g, gpu := range gpus {
		index := strconv.Itoa(gpu.Index)
		if !gpu.MIGEnabled {
			add(gpu.UUID, part{g, -1})
			add(index, part{g, -1})
		}
		for i, instance := range gpu.Instances {
			add(instance.UUID, part{g, i})
			add(index+":"+strconv.Itoa(instance.Index), part{g, i})
		}
	}
	return parts
}

// find returns the part that the device is, or shares with other devices: the
// plugin numbers shares of one GPU as ID::NUMBER. Other plugins may use plain
// numbers for things of their own.
func find(parts map[string]part, device Device) (part, bool) {
	id, _, _ := strings.Cut(device.ID, "::")
	isUUID := strings.HasPrefix(id, "GPU-") || strings.HasPrefix(id, "MIG-")
	if !isUUID && !strings.HasPrefix(device.Resource, "nvidia.com/") {
		return part{}, false
	}
	at, ok := parts[id]
	return at, ok
}

// isBroken says whether pods must not get the part. A fault inside one GPU
// instance spares the others.
func isBroken(in Input, at part) bool {
	gpu := in.Hardware.GPUs[at.gpu]
	if gpu.Broken != "" {
		return true
	}
	return slices.ContainsFunc(in.Faults, func(f health.Fault) bool {
		return f.GPU == gpu.UUID &&
			(f.Instance == health.Whole || at.instance < 0 || f.Instance == gpu.Instances[at.instance].GPUInstance)
	})
}

// unlisted returns the parts that the kubelet does not offer: the device plugin
// does not run, or withholds what it believes to be broken. They count as
// capacity, under the name that the kubelet has for their like.
func unlisted(gpus []GPU, names map[part]string) []unit {
	whole, byProfile, anyInstance := GPUResource, map[string]string{}, ""
	for g, gpu := range gpus {
		if name := names[part{g, -1}]; name != "" {
			whole = name
		}
		for i, instance := range gpu.Instances {
			if name := names[part{g, i}]; name != "" {
				byProfile[instance.Profile] = name
				anyInstance = name
			}
		}
	}
	var units []unit
	for g, gpu := range gpus {
		if !gpu.MIGEnabled && names[part{g, -1}] == "" {
			units = append(units, unit{part: part{g, -1}, resource: whole, id: gpu.UUID})
		}
		for i, instance := range gpu.Instances {
			if names[part{g, i}] != "" {
				continue
			}
			name := byProfile[instance.Profile]
			if name == "" && anyInstance == GPUResource { // strategy "single": every part counts as a GPU
				name = GPUResource
			}
			units = append(units, unit{part: part{g, i}, resource: cmp.Or(name, migResource(instance.Profile)), id: instance.UUID})
		}
	}
	return units
}
