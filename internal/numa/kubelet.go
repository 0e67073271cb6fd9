package numa

import "slices"

// maxSteps bounds a search over zones, so that a report of thousands of them costs no more than being refused. Nodes have
// a few.
const maxSteps = 1 << 16

// aligner does what a kubelet's topology manager does with the policies restricted and single-numa-node, and with best-effort
// as long as pods can be aligned (Kubernetes 1.37, pkg/kubelet/cm/topologymanager and the device manager's topology hints).
type aligner struct {
	plan
	policy Policy
	steps  int
}

// admit reports whether the kubelet would take containers that come one after the other into what is free, and takes it for
// them. Init containers take nothing that outlasts them.
func (a *aligner) admit(free space, init, containers []amounts) bool {
	for _, request := range init {
		if !request.empty() && a.zonesFor(free, request) == nil {
			return false
		}
	}
	for _, request := range containers {
		if !a.take(free, request) {
			return false
		}
	}
	return true
}

// take takes a request out of the zones that the kubelet would choose, lower numbers first. It reports false, and takes
// nothing, where the kubelet would refuse.
func (a *aligner) take(free space, request amounts) bool {
	if request.empty() {
		return true
	}
	zones := a.zonesFor(free, request)
	for r, left := range request {
		for _, z := range zones {
			part := min(left, free[z][r])
			free[z][r] -= part
			left -= part
		}
	}
	return zones != nil
}

// zonesFor are the zones that the kubelet would align a request to; nil where it would refuse. Each resource has hints: the
// sets of zones with enough of it free; preferred are those of the least size that would do if nothing were in use. A pod
// is taken only to a set that is preferred for all of its resources, and single-numa-node knows only sets of one.
func (a *aligner) zonesFor(free space, request amounts) []int {
	size := 0
	for r, amount := range request {
		if amount == 0 {
			continue
		}
		least := a.leastZones(r, amount)
		if least == 0 || size != 0 && least != size {
			return nil
		}
		size = least
	}
	if a.policy == SingleNode && size != 1 {
		return nil
	}
	a.steps = 0
	return a.choose(free, request, len(free), size, make([]int, 0, size))
}

// leastZones is the smallest number of zones that together have so much of a resource; 0 where all have less.
func (a *aligner) leastZones(r int, amount int64) int {
	totals := make([]int64, 0, len(a.total))
	for _, total := range a.total {
		totals = append(totals, total[r])
	}
	slices.Sort(totals)
	for n, total := range slices.Backward(totals) {
		if amount -= total; amount <= 0 {
			return len(totals) - n
		}
	}
	return 0
}

// choose finds, among the first below zones, the set of so many with room for a request that is the least as a bit mask:
// that is how the kubelet breaks ties. chosen are what it has above.
func (a *aligner) choose(free space, request amounts, below, size int, chosen []int) []int {
	if a.steps++; a.steps > maxSteps {
		return nil
	}
	if size == 0 {
		sum := make(amounts, len(request))
		for _, z := range chosen {
			sum.add(free[z])
		}
		if request.within(sum) {
			return slices.Sorted(slices.Values(chosen))
		}
		return nil
	}
	for z := size - 1; z < below; z++ {
		if found := a.choose(free, request, z, size-1, append(chosen, z)); found != nil {
			return found
		}
	}
	return nil
}
