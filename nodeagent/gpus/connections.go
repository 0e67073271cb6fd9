//go:build cgo

package gpus

import (
	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// links are the active NVLinks of one GPU.
type links struct {
	toGPU    map[string]int // by the PCI address at the other end
	toSwitch int
}

// connections returns how each pair of GPUs is connected. A GPU whose device is
// nil cannot be asked and is left out.
func (r *Reader) connections(devices []nvml.Device, gpus []layout.GPU) []layout.Connection {
	local := map[string]bool{}
	for _, gpu := range gpus {
		local[gpu.BusID] = true
	}
	of := make([]links, len(devices))
	for i, device := range devices {
		if device != nil {
			of[i] = r.links(device, local)
		}
	}
	var found []layout.Connection
	for a := range devices {
		for b := a + 1; b < len(devices); b++ {
			if devices[a] == nil || devices[b] == nil {
				continue
			}
			// Each end counts its own links; one end may be blind to them. Through
			// switches every GPU reaches every other with all its links.
			direct := max(of[a].toGPU[gpus[b].BusID], of[b].toGPU[gpus[a].BusID])
			found = append(found, layout.Connection{
				A: gpus[a].Index, B: gpus[b].Index,
				NVLinks:  direct + min(of[a].toSwitch, of[b].toSwitch),
				Ancestor: ancestor(devices[a], devices[b]),
			})
		}
	}
	return found
}

// links counts the active NVLinks of a GPU by what is at the other end.
func (r *Reader) links(device nvml.Device, local map[string]bool) links {
	found := links{toGPU: map[string]int{}}
	for i := range nvml.NVLINK_MAX_LINKS {
		state, ret := device.GetNvLinkState(i)
		if ret != nvml.SUCCESS || state != nvml.FEATURE_ENABLED {
			continue // no such link, or nothing at its other end
		}
		if r.has[remoteTypeSymbol] {
			if kind, ret := device.GetNvLinkRemoteDeviceType(i); ret == nvml.SUCCESS && kind == nvml.NVLINK_DEVICE_TYPE_SWITCH {
				found.toSwitch++
				continue
			}
		}
		if remote, ret := device.GetNvLinkRemotePciInfo(i); ret == nvml.SUCCESS && local[busID(remote)] {
			found.toGPU[busID(remote)]++
		}
	}
	return found
}

// ancestors translates NVML's levels.
var ancestors = map[nvml.GpuTopologyLevel]layout.Ancestor{
	nvml.TOPOLOGY_INTERNAL:   layout.SameBoard,
	nvml.TOPOLOGY_SINGLE:     layout.SingleSwitch,
	nvml.TOPOLOGY_MULTIPLE:   layout.MultipleSwitch,
	nvml.TOPOLOGY_HOSTBRIDGE: layout.HostBridge,
	nvml.TOPOLOGY_NODE:       layout.SameNUMA,
	nvml.TOPOLOGY_SYSTEM:     layout.System,
}

func ancestor(a, b nvml.Device) layout.Ancestor {
	level, ret := a.GetTopologyCommonAncestor(b)
	if ret != nvml.SUCCESS {
		return layout.AncestorUnknown
	}
	return ancestors[level] // AncestorUnknown for one that is yet to be invented
}
