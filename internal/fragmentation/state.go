package fragmentation

import (
	"cmp"
	"slices"
)

// mostParts is how many shared GPUs of a kind are looked at on a node: those with most left.
const mostParts = 16

// state is what a node has free for one kind of GPU: what waste depends on, no more.
type state struct {
	kind, free  int32
	cpu, memory int64
	parts       [mostParts]uint16 // of shared GPUs, the largest first, then zeros
}

func newState(n *Node, d *Devices, kind int32) state {
	s := state{kind: kind, free: int32(min(max(d.Free, 0), mostFree)), cpu: max(n.CPU, 0), memory: max(n.Memory, 0)}
	parts := d.Parts
	if !slices.IsSortedFunc(parts, descending) {
		parts = slices.SortedFunc(slices.Values(parts), descending)
	}
	for i, part := range parts[:min(len(parts), mostParts)] {
		s.parts[i] = uint16(min(max(part, 0), milliPerGPU-1))
	}
	return s
}

func descending(a, b int64) int { return cmp.Compare(b, a) }

// total is what is free, in thousandths of a GPU.
func (s *state) total() int64 {
	sum := int64(s.free) * milliPerGPU
	for _, part := range s.parts {
		if part == 0 {
			break
		}
		sum += int64(part)
	}
	return sum
}

// last is the index of the smallest part that has room for a share, or -1.
func (s *state) last(milli int64) int {
	at := -1
	for at+1 < mostParts && s.parts[at+1] != 0 && int64(s.parts[at+1]) >= milli {
		at++
	}
	return at
}

// fits reports whether there is room for one pod.
func (s *state) fits(d *Demand) bool {
	return s.cpu >= d.CPU && s.memory >= d.Memory && int64(s.free) >= d.GPUs && (d.Milli == 0 || s.free > 0 || int64(s.parts[0]) >= d.Milli)
}

// take places a pod that fits. A share goes to the smallest part that has room for it, else to a free GPU.
func (s *state) take(d *Demand) {
	s.cpu -= d.CPU
	s.memory -= d.Memory
	s.free -= int32(d.GPUs)
	if d.Milli > 0 {
		s.share(s.last(d.Milli), d.Milli)
	}
}

// share takes a share from the part with an index, or from a free GPU where that is -1, and keeps the parts in order. Where
// there are too many the smallest is dropped.
func (s *state) share(at int, milli int64) {
	if at >= 0 {
		rest := s.parts[at] - uint16(milli)
		for ; at+1 < mostParts && s.parts[at+1] > rest; at++ {
			s.parts[at] = s.parts[at+1]
		}
		s.parts[at] = rest
		return
	}
	s.free--
	rest := uint16(milliPerGPU - milli)
	at = mostParts
	for ; at > 0 && s.parts[at-1] < rest; at-- {
		if at < mostParts {
			s.parts[at] = s.parts[at-1]
		}
	}
	if at < mostParts {
		s.parts[at] = rest
	}
}

// room is how many milli-GPUs pods of one shape can use if they have the node to themselves.
func (s *state) room(d *Demand) int64 {
	pods := int64(0)
	if d.GPUs > 0 {
		pods = int64(s.free) / d.GPUs
	} else {
		pods = int64(s.free) * (milliPerGPU / d.Milli)
		for _, part := range s.parts {
			pods += int64(part) / d.Milli
		}
	}
	if d.CPU > 0 {
		pods = min(pods, s.cpu/d.CPU)
	}
	if d.Memory > 0 {
		pods = min(pods, s.memory/d.Memory)
	}
	return pods * d.size()
}
