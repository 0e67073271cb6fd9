// Package fragmentation tells what placing a pod on a node costs those that are to come: how much of the node's GPUs
// becomes useless for the shapes of pods that were seen lately or wait. Free GPUs are useless where no shape asks for so
// few of them, or for so small a rest of one, and where no CPU or memory is left beside them.
//
// The idea, to place where the expected fragmentation grows least, is fragmentation gradient descent (Q. Weng et al.,
// "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC 2023). Its
// measure asks of each shape by itself whether one more such pod fits. Waste, here, asks how much a stream of pods of all
// shapes would leave unused on the node. docs/packing.md has the formulas and compares both.
//
// A Workload learns the shapes; a Mix is what it knows at one time, and prices placements. There is no clock in here and no
// randomness: equal calls in equal order have equal answers.
package fragmentation

// Demand is what one pod asks of one node.
type Demand struct {
	// CPU is in thousandths, Memory in bytes.
	CPU, Memory int64
	// Kind is the resource's name under which the GPUs are asked for. GPUs of different kinds do not stand in for each other.
	Kind string
	// GPUs is the number of whole GPUs.
	GPUs int64
	// Milli is the share of one GPU, in thousandths from 1 to 999, that a pod asks for that wants none whole.
	Milli int64
}

// Node is what a node has free.
type Node struct {
	// CPU is in thousandths, Memory in bytes. Less than nothing counts as nothing.
	CPU, Memory int64
	// GPUs has one entry for each kind of GPU that the node has free. A node without GPUs costs nothing, whatever is placed.
	GPUs []Devices
}

// Devices are the GPUs of one kind on a node.
type Devices struct {
	Kind string
	// Free is how many are entirely free.
	Free int64
	// Parts is what those that pods share have left, each in thousandths from 1 to 999, in any order.
	Parts []int64
}

// milliPerGPU is the number of parts of a GPU that are told apart.
const milliPerGPU = 1000

// clean makes a demand of whatever numbers were given: nothing less than nothing, and either whole GPUs or a share.
func (d Demand) clean() Demand {
	d.CPU, d.Memory, d.GPUs, d.Milli = max(d.CPU, 0), max(d.Memory, 0), max(d.GPUs, 0), max(d.Milli, 0)
	if d.Milli >= milliPerGPU {
		d.GPUs = max(d.GPUs, 1)
	}
	if d.GPUs > 0 {
		d.Milli = 0
	}
	if !d.wantsGPU() {
		d.Kind = ""
	}
	return d
}

func (d Demand) wantsGPU() bool { return d.GPUs > 0 || d.Milli > 0 }

// size is what a pod asks for in thousandths of a GPU.
func (d Demand) size() int64 { return min(d.GPUs, mostFree+1)*milliPerGPU + d.Milli }
