//go:build cgo

package gpus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/google/uuid"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// Read returns the GPUs as they are now. A GPU that cannot be read is in it as
// Broken, with what was known of it before; only when NVML itself is lost does
// Read fail, and then the Reader is to be closed.
func (r *Reader) Read() (layout.Hardware, error) {
	var hardware layout.Hardware
	count, ret := r.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return hardware, fmt.Errorf("counting GPUs: %w", ret)
	}
	hardware.Driver, ret = r.lib.SystemGetDriverVersion()
	if ret != nvml.SUCCESS {
		return hardware, fmt.Errorf("reading the driver's version: %w", ret)
	}
	if hardware.CUDA, ret = r.lib.SystemGetCudaDriverVersion(); ret != nvml.SUCCESS {
		return hardware, fmt.Errorf("reading the CUDA version: %w", ret)
	}
	devices := make([]nvml.Device, count)
	for i := range count {
		var gpu layout.GPU
		var err error
		if devices[i], gpu, err = r.readGPU(i); isGone(err) {
			return layout.Hardware{}, fmt.Errorf("reading GPU %d: %w", i, err)
		} else if err != nil {
			gpu = r.remembered(i)
			gpu.Broken = "NVML cannot read it: " + err.Error()
			devices[i] = nil
		}
		hardware.GPUs = append(hardware.GPUs, gpu)
	}
	hardware.Connections = r.connections(devices, hardware.GPUs)
	return hardware, nil
}

// isGone says whether the error means that nothing can be read any more, rather
// than that one GPU is lost.
func isGone(err error) bool {
	return errors.Is(err, nvml.ERROR_UNINITIALIZED) || errors.Is(err, nvml.ERROR_DRIVER_NOT_LOADED)
}

func (r *Reader) remembered(index int) layout.GPU {
	if gpu, ok := r.known[index]; ok {
		return gpu
	}
	return layout.GPU{Index: index, NUMA: layout.Unknown}
}

// readGPU reads all about one GPU, but for its connections.
func (r *Reader) readGPU(index int) (nvml.Device, layout.GPU, error) {
	gpu := layout.GPU{Index: index, NUMA: layout.Unknown}
	device, ret := r.lib.DeviceGetHandleByIndex(index)
	if ret != nvml.SUCCESS {
		return nil, gpu, ret
	}
	if err := identify(device, &gpu); err != nil {
		return nil, gpu, err
	}
	if r.has[migSymbol] {
		if err := readMIG(device, &gpu); err != nil {
			return nil, gpu, err
		}
	}
	gpu.NUMA = r.memoryNode(device)
	gpu.Fabric = r.fabric(device)
	r.known[index] = gpu
	gpu.Broken = r.ailment(device)
	return device, gpu, nil
}

// identify reads what every GPU can tell.
func identify(device nvml.Device, gpu *layout.GPU) error {
	var ret nvml.Return
	if gpu.UUID, ret = device.GetUUID(); ret != nvml.SUCCESS {
		return fmt.Errorf("UUID: %w", ret)
	}
	if gpu.Product, ret = device.GetName(); ret != nvml.SUCCESS {
		return fmt.Errorf("name: %w", ret)
	}
	pci, ret := device.GetPciInfo()
	if ret != nvml.SUCCESS {
		return fmt.Errorf("PCI address: %w", ret)
	}
	gpu.BusID = busID(pci)
	gpu.ComputeMajor, gpu.ComputeMinor, ret = device.GetCudaComputeCapability()
	if ret != nvml.SUCCESS {
		return fmt.Errorf("compute capability: %w", ret)
	}
	// A GPU that shares its memory with the CPU has no size of its own.
	memory, ret := device.GetMemoryInfo()
	if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
		return fmt.Errorf("memory: %w", ret)
	}
	gpu.MemoryMiB = memory.Total >> 20
	return nil
}

// busID returns the PCI address in the form of /sys/bus/pci/devices.
func busID(pci nvml.PciInfo) string {
	return fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device)
}

// ailment returns what the GPU's own state says against its use.
func (r *Reader) ailment(device nvml.Device) string {
	if r.has[remappedRowsSymbol] {
		if _, _, _, failed, ret := device.GetRemappedRows(); ret == nvml.SUCCESS && failed {
			return "defective memory could not be replaced by spare rows"
		}
	}
	field := []nvml.FieldValue{{FieldId: nvml.FI_DEV_GET_GPU_RECOVERY_ACTION}}
	if ret := device.GetFieldValues(field); ret != nvml.SUCCESS || nvml.Return(field[0].NvmlReturn) != nvml.SUCCESS {
		return "" // drivers before 2025 do not know the field
	}
	switch nvml.DeviceGpuRecoveryAction(binary.NativeEndian.Uint32(field[0].Value[:4])) {
	case nvml.GPU_RECOVERY_ACTION_NONE:
		return ""
	case nvml.GPU_RECOVERY_ACTION_NODE_REBOOT:
		return "the driver asks for a reboot of the node"
	case nvml.GPU_RECOVERY_ACTION_DRAIN_P2P:
		return "the driver asks to end all transfers between GPUs"
	default:
		return "the driver asks for a reset of the GPU"
	}
}

// memoryNode returns the NUMA node whose memory is nearest to the GPU.
func (r *Reader) memoryNode(device nvml.Device) int {
	const mostNodes = 1024 // what Linux is built for at most
	if !r.has[memoryAffinitySymbol] {
		return layout.Unknown
	}
	set, ret := device.GetMemoryAffinity(mostNodes, nvml.AFFINITY_SCOPE_NODE)
	if ret != nvml.SUCCESS {
		return layout.Unknown
	}
	node := layout.Unknown
	for i, word := range set {
		switch bits.OnesCount(word) {
		case 0:
			continue
		case 1:
			if node == layout.Unknown {
				node = i*bits.UintSize + bits.TrailingZeros(word)
				continue
			}
		}
		return layout.Unknown // near to several nodes
	}
	return node
}

// fabric names the NVLink domain that the GPU has joined: cluster and clique.
func (r *Reader) fabric(device nvml.Device) string {
	if !r.has[fabricSymbol] {
		return ""
	}
	info, ret := device.GetGpuFabricInfo()
	if ret != nvml.SUCCESS || info.State != nvml.GPU_FABRIC_STATE_COMPLETED ||
		nvml.Return(info.Status) != nvml.SUCCESS || info.ClusterUuid == [16]uint8{} {
		return ""
	}
	return fmt.Sprintf("%s.%d", uuid.UUID(info.ClusterUuid), info.CliqueId)
}
