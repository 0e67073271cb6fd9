package layout

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// prefix of the labels that gpu-feature-discovery writes.
const prefix = "nvidia.com/"

// labels describes the GPUs with the names and values that
// gpu-feature-discovery uses (its README lists them), so that selectors which
// were written for it work without it.
func labels(in Input, p placement) map[string]string {
	set := map[string]string{}
	add := func(name, value string) {
		if value = labelValue(value); value != "" {
			set[prefix+name] = value
		}
	}
	versions(in.Hardware, add)
	gpu := typical(in.Hardware.GPUs)
	add("gpu.machine", in.Machine.Product)
	add("gpu.product", gpu.Product)
	add("gpu.count", strconv.Itoa(len(in.Hardware.GPUs)))
	if gpu.MemoryMiB > 0 {
		add("gpu.memory", strconv.FormatUint(gpu.MemoryMiB, 10))
	}
	if gpu.ComputeMajor > 0 {
		add("gpu.family", family(gpu.ComputeMajor, gpu.ComputeMinor))
		add("gpu.compute.major", strconv.Itoa(gpu.ComputeMajor))
		add("gpu.compute.minor", strconv.Itoa(gpu.ComputeMinor))
	}
	add("gpu.clique", gpu.Fabric)
	capable := slices.ContainsFunc(in.Hardware.GPUs, func(g GPU) bool { return g.MIGCapable })
	add("mig.capable", strconv.FormatBool(capable))
	instances(in.Hardware.GPUs, gpu, p, add)
	return set
}

// versions names the driver and the CUDA version that it supports, by the older
// and by the newer names.
func versions(hardware Hardware, add func(name, value string)) {
	if parts := strings.SplitN(hardware.Driver, ".", 3); hardware.Driver != "" {
		add("cuda.driver-version.full", hardware.Driver)
		for i, value := range parts {
			add([]string{"cuda.driver.major", "cuda.driver.minor", "cuda.driver.rev"}[i], value)
			add([]string{"cuda.driver-version.major", "cuda.driver-version.minor", "cuda.driver-version.revision"}[i], value)
		}
	}
	if hardware.CUDA > 0 {
		major, minor := strconv.Itoa(hardware.CUDA/1000), strconv.Itoa(hardware.CUDA%1000/10)
		add("cuda.runtime-version.full", major+"."+minor)
		for _, name := range []string{"cuda.runtime", "cuda.runtime-version"} {
			add(name+".major", major)
			add(name+".minor", minor)
		}
	}
}

// typical returns a GPU of the product that most of the GPUs are, the one with
// the lowest index; of two equally frequent products the one that comes first.
func typical(gpus []GPU) GPU {
	count := map[string]int{}
	for _, gpu := range gpus {
		if gpu.Product != "" { // empty for a GPU that was never read
			count[gpu.Product]++
		}
	}
	return slices.MaxFunc(gpus, func(a, b GPU) int { // the first of several largest
		return cmp.Compare(count[a.Product], count[b.Product])
	})
}

// family names the architecture by compute capability
// (https://developer.nvidia.com/cuda-gpus).
func family(major, minor int) string {
	switch {
	case major == 7 && minor < 5:
		return "volta"
	case major == 8 && minor == 9:
		return "ada-lovelace"
	}
	names := map[int]string{
		2: "fermi", 3: "kepler", 5: "maxwell", 6: "pascal", 7: "turing", 8: "ampere", 9: "hopper", 10: "blackwell", 12: "blackwell",
	}
	return names[major]
}

// instances describes MIG devices in the way of the strategy by which the device
// plugin offers them: "single" counts them as GPUs of a product of their own,
// "mixed" has resources for each profile. With the strategy "none", or as long
// as the kubelet does not know them, there is nothing to say.
func instances(gpus []GPU, typical GPU, p placement, add func(name, value string)) {
	count, sample := map[string]int{}, map[string]Instance{}
	for _, gpu := range gpus {
		for _, instance := range gpu.Instances {
			count[instance.Profile]++
			sample[instance.Profile] = instance
		}
	}
	listed, single := false, false
	for _, u := range p.units {
		if u.listed && u.instance >= 0 {
			listed, single = true, single || u.resource == GPUResource
		}
	}
	switch {
	case listed && single && len(count) == 1:
		add("mig.strategy", "single")
		for profile, n := range count {
			add("gpu.product", typical.Product+"-MIG-"+profile)
			add("gpu.count", strconv.Itoa(n))
			add("gpu.memory", strconv.FormatUint(sample[profile].MemoryMiB, 10))
		}
	case listed && !single:
		add("mig.strategy", "mixed")
		for profile, n := range count {
			name := strings.TrimPrefix(migResource(profile), prefix)
			add(name+".product", typical.Product+"-MIG-"+profile)
			add(name+".count", strconv.Itoa(n))
			add(name+".memory", strconv.FormatUint(sample[profile].MemoryMiB, 10))
		}
	}
}

// labelValue makes the text fit the rules for label values: what is not allowed
// becomes a dash.
func labelValue(text string) string {
	value := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, text)
	if len(value) > 63 {
		value = value[:63]
	}
	return strings.Trim(value, "-_.")
}
