package resource

import "strings"

// IsGPU reports whether a resource is GPUs or parts of GPUs, by its name: nvidia.com/gpu, amd.com/gpu, gpu.intel.com/i915,
// nvidia.com/gpu.shared, nvidia.com/mig-1g.5gb.
func IsGPU(name string) bool {
	domain, kind, _ := strings.Cut(name, "/")
	return kind == "gpu" || strings.HasPrefix(kind, "gpu.") || strings.HasPrefix(domain, "gpu.") || strings.HasPrefix(kind, "mig-")
}
