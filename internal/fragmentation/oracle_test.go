package fragmentation

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// plain is a node as one would write it down: what each GPU of one kind has left.
type plain struct {
	cpu, memory int64
	gpus        []int64
}

func plainly(n *Node, kind string) plain {
	p := plain{cpu: max(n.CPU, 0), memory: max(n.Memory, 0)}
	for _, d := range n.GPUs {
		if d.Kind == kind {
			p.gpus = append(slices.Clone(d.Parts), slices.Repeat([]int64{1000}, int(d.Free))...)
		}
	}
	slices.Sort(p.gpus)
	return p
}

// put places a pod, a share on the fullest GPU that has it, and reports whether there is room.
func (p *plain) put(d Demand) bool {
	if p.cpu < d.CPU || p.memory < d.Memory {
		return false
	}
	var on []int // the GPUs that it takes from
	for i, left := range p.gpus {
		if d.Milli > 0 && left >= d.Milli && len(on) == 0 || left == 1000 && int64(len(on)) < d.GPUs {
			on = append(on, i)
		}
	}
	if d.Milli > 0 && len(on) == 0 || int64(len(on)) < d.GPUs {
		return false
	}
	for _, i := range on {
		p.gpus[i] -= min(1000, d.Milli+1000*d.GPUs)
	}
	p.cpu -= d.CPU
	p.memory -= d.Memory
	slices.Sort(p.gpus)
	return true
}

func (p plain) copy() plain {
	p.gpus = slices.Clone(p.gpus)
	return p
}

func (p plain) total() int64 {
	sum := int64(0)
	for _, left := range p.gpus {
		sum += left
	}
	return sum
}

// slowWaste is the definition of waste, in units of 1/unit thousandths, followed to the letter.
func (m *Mix) slowWaste(n *Node) int64 {
	sum := int64(0)
	for name, k := range m.kinds {
		empty := plainly(n, name)
		used := int64(0)
		for _, stream := range k.streams {
			node := empty.copy()
			for _, i := range stream {
				if d := k.shapes[i]; node.put(d) {
					used += 1000*d.GPUs + d.Milli
				}
			}
		}
		sum += unit*empty.total() - unit/streams*used
		for i, d := range k.large {
			node := empty.copy()
			alone := int64(0)
			for node.put(d) {
				alone += 1000 * d.GPUs
			}
			sum += k.care[i] * (empty.total() - alone)
		}
	}
	return sum
}

func drawDemand(t *rapid.T) Demand {
	d := Demand{CPU: rapid.Int64Range(1, 9).Draw(t, "cpu"), Memory: rapid.Int64Range(1, 9).Draw(t, "memory")}
	switch rapid.IntRange(0, 4).Draw(t, "gpus") {
	case 0: // none
	case 1, 2:
		d.Milli = rapid.SampledFrom([]int64{50, 190, 320, 470, 500, 650, 810}).Draw(t, "milli")
	default:
		d.GPUs = rapid.SampledFrom([]int64{1, 1, 2, 4}).Draw(t, "whole")
	}
	if d.wantsGPU() {
		d.Kind = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "kind")
	}
	return d
}

func drawMix(t *rapid.T) *Mix {
	w := NewWorkload(0)
	for range rapid.IntRange(0, 6).Draw(t, "shapes") {
		w.Observe(drawDemand(t), rapid.IntRange(1, 20).Draw(t, "pods"), epoch)
	}
	return w.Mix(epoch)
}

func drawNode(t *rapid.T) Node {
	n := Node{CPU: rapid.Int64Range(-1, 40).Draw(t, "free cpu"), Memory: rapid.Int64Range(0, 40).Draw(t, "free memory")}
	for _, kind := range []string{"a", "b", "c"}[:rapid.IntRange(0, 3).Draw(t, "kinds")] {
		n.GPUs = append(n.GPUs, Devices{
			Kind: kind, Free: rapid.Int64Range(0, 8).Draw(t, "free"),
			Parts: rapid.SliceOfN(rapid.Int64Range(1, 999), 0, 5).Draw(t, "parts"),
		})
	}
	return n
}

func TestWasteIsWhatItsDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, n := drawMix(t), drawNode(t)
		if got, want := m.Waste(&n), m.slowWaste(&n)/unit; got != want {
			t.Fatalf("waste %d, want %d", got, want)
		}
	})
}

// Costs are the growth of waste, for each of the pods that have room.
func TestCostsAreGrowthOfWaste(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, n, d := drawMix(t), drawNode(t), drawDemand(t)
		if d.Milli > 0 {
			d.Milli, d.GPUs = 0, 1
		}
		pods := rapid.IntRange(1, 5).Draw(t, "pods")
		next, placed := n, int64(0)
		for int(placed) < pods && give(&next, d) {
			placed++
		}
		want := int64(NoRoom)
		if placed > 0 {
			want = (m.slowWaste(&next) - m.slowWaste(&n)) / (placed * unit)
		}
		if got := m.Costs([]Node{n}, d, pods)[0]; got != want {
			t.Fatalf("cost %d for %d of %d pods, want %d", got, placed, pods, want)
		}
	})
}

// give places a pod without a share, if there is room.
func give(n *Node, d Demand) bool {
	if d.CPU > n.CPU || d.Memory > n.Memory {
		return false
	}
	next := *n
	next.GPUs = slices.Clone(n.GPUs)
	at := slices.IndexFunc(next.GPUs, func(devices Devices) bool { return devices.Kind == d.Kind })
	if d.GPUs > 0 {
		if at < 0 || next.GPUs[at].Free < d.GPUs {
			return false
		}
		next.GPUs[at].Free -= d.GPUs
	}
	next.CPU -= d.CPU
	next.Memory -= d.Memory
	*n = next
	return true
}

// A share goes where it costs least, and what it costs is the growth of waste there.
func TestSharesGoWhereTheyCostLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, n := drawMix(t), drawNode(t)
		d := Demand{CPU: 1, Memory: 1, Kind: "a", Milli: rapid.Int64Range(1, 999).Draw(t, "milli")}
		cost, left := m.Cost(&n, d)
		least, from := int64(math.MaxInt64), map[int64]int64{}
		if len(n.GPUs) > 0 && n.CPU >= 1 && n.Memory >= 1 {
			for _, at := range plainly(&n, "a").gpus {
				if at < d.Milli {
					continue
				}
				next := taken(n, at, d.Milli)
				from[at] = m.slowWaste(&next) - m.slowWaste(&n)
				least = min(least, from[at])
			}
		}
		if len(from) == 0 {
			if cost != NoRoom {
				t.Fatalf("cost %d without room", cost)
			}
			return
		}
		if growth, exists := from[left]; !exists || growth != least || cost != least/unit {
			t.Fatalf("cost %d on a GPU with %d left, the growth of waste by GPU is %v", cost, left, from)
		}
	})
}

// taken is a node with a share taken from a GPU of kind a that has so much left.
func taken(n Node, left, milli int64) Node {
	next := Node{CPU: n.CPU - 1, Memory: n.Memory - 1, GPUs: slices.Clone(n.GPUs)}
	a := &next.GPUs[0]
	a.Parts = slices.Clone(a.Parts)
	if left == 1000 {
		a.Free--
	} else {
		at := slices.Index(a.Parts, left)
		a.Parts = slices.Delete(a.Parts, at, at+1)
	}
	if left > milli {
		a.Parts = append(a.Parts, left-milli)
	}
	return next
}
