//go:build cgo

package gpus

import (
	"fmt"
	"math"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// readMIG reads how the GPU is divided.
func readMIG(device nvml.Device, gpu *layout.GPU) error {
	mode, _, ret := device.GetMigMode()
	if ret == nvml.ERROR_NOT_SUPPORTED {
		return nil
	}
	if ret != nvml.SUCCESS {
		return fmt.Errorf("MIG mode: %w", ret)
	}
	gpu.MIGCapable = true
	gpu.MIGEnabled = mode == nvml.DEVICE_MIG_ENABLE
	if !gpu.MIGEnabled {
		return nil
	}
	most, ret := device.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return fmt.Errorf("number of MIG devices: %w", ret)
	}
	for i := range most {
		part, ret := device.GetMigDeviceHandleByIndex(i)
		if ret == nvml.ERROR_NOT_FOUND || ret == nvml.ERROR_INVALID_ARGUMENT {
			continue // the indices have gaps
		}
		if ret != nvml.SUCCESS {
			return fmt.Errorf("MIG device %d: %w", i, ret)
		}
		instance, err := readInstance(part, gpu.MemoryMiB)
		if err != nil {
			return fmt.Errorf("MIG device %d: %w", i, err)
		}
		instance.Index = i
		gpu.Instances = append(gpu.Instances, instance)
	}
	return nil
}

func readInstance(part nvml.Device, gpuMiB uint64) (layout.Instance, error) {
	var instance layout.Instance
	var ret nvml.Return
	if instance.UUID, ret = part.GetUUID(); ret != nvml.SUCCESS {
		return instance, fmt.Errorf("UUID: %w", ret)
	}
	if instance.GPUInstance, ret = part.GetGpuInstanceId(); ret != nvml.SUCCESS {
		return instance, fmt.Errorf("GPU instance: %w", ret)
	}
	attributes, ret := part.GetAttributes()
	if ret != nvml.SUCCESS {
		return instance, fmt.Errorf("attributes: %w", ret)
	}
	instance.MemoryMiB = attributes.MemorySizeMB
	name, ret := part.GetName()
	if ret != nvml.SUCCESS {
		name = ""
	}
	instance.Profile = profile(name, attributes, gpuMiB)
	return instance, nil
}

// profile names the shape of a MIG device, such as 1g.5gb. The driver's name of
// the device ends with it; where it does not, it follows from the slices and
// from the memory, which NVIDIA counts in eighths of the GPU's, in full GB
// (MIG user guide, https://docs.nvidia.com/datacenter/tesla/mig-user-guide/).
func profile(name string, attributes nvml.DeviceAttributes, gpuMiB uint64) string {
	if _, after, found := strings.Cut(name, " MIG "); found && after != "" {
		return after
	}
	eighths, gb := 0.0, math.Ceil(float64(gpuMiB)/1024)
	if gpuMiB > 0 {
		eighths = math.Ceil(8 * float64(attributes.MemorySizeMB) / float64(gpuMiB))
	}
	shape := fmt.Sprintf("%dg.%.0fgb", attributes.GpuInstanceSliceCount, math.Round(gb*eighths/8))
	if attributes.ComputeInstanceSliceCount < attributes.GpuInstanceSliceCount {
		shape = fmt.Sprintf("%dc.%s", attributes.ComputeInstanceSliceCount, shape)
	}
	return shape
}
