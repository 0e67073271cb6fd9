package main

import (
	"slices"
	"sort"
)

// pool is a cluster without nodes, CPU and memory: how many GPUs have so many thousandths left.
type pool struct {
	gpus [1001]int64
}

// put places a share, or a whole GPU, where least is left after it, and reports whether there is room.
func (p *pool) put(milli int64) bool {
	for left := milli; left <= 1000; left++ {
		if p.gpus[left] > 0 {
			p.gpus[left]--
			p.gpus[left-milli]++
			return true
		}
	}
	return false
}

// offline tells how full the GPUs could be if nothing but their number mattered and all arrivals were known beforehand. It
// packs as many of the first arrivals as fit, the largest first (best-fit decreasing), and then the others that still fit as they
// come. No bound in the strict sense, but what an online scheduler that refuses nobody can hardly pass.
func (t *openb) offline(seed uint64) packed {
	arrivals := t.arrivals(seed)
	first := sort.Search(len(arrivals), func(n int) bool {
		_, fits := t.decreasing(arrivals[:n+1])
		return !fits
	})
	p, _ := t.decreasing(arrivals[:first])
	var result packed
	var arrived, allocated int64
	for i, pod := range arrivals {
		arrived += pod.milli()
		if i < first || pod.GPUs <= 1 && pod.milli() > 0 && p.put(pod.milli()) {
			allocated += pod.milli()
		}
		result.at130 = 100 * float64(allocated) / float64(t.capacity)
		if result.at100 == 0 && arrived >= t.capacity {
			result.at100 = result.at130
		}
	}
	return result
}

// decreasing packs pods, the largest share first, and reports whether all fit.
func (t *openb) decreasing(pods []*tracePod) (*pool, bool) {
	p := &pool{}
	p.gpus[1000] = t.capacity / 1000
	var sizes []int64
	for _, pod := range pods {
		sizes = append(sizes, slices.Repeat([]int64{1000}, int(pod.GPUs))...)
		if pod.Milli > 0 {
			sizes = append(sizes, pod.Milli)
		}
	}
	slices.Sort(sizes)
	for _, milli := range slices.Backward(sizes) {
		if !p.put(milli) {
			return p, false
		}
	}
	return p, true
}
