package numa

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// maxStates bounds in how many ways the pods that remain may use the zones. Beyond it nothing counts as given back.
const maxStates = 256

// amounts are amounts of the resources of a plan of zones, in their order; space is what is free in each zone.
type (
	amounts []int64
	space   []amounts
)

// plan is the zones of one kind, seen in the resources that matter.
type plan struct {
	zones []Zone
	// names are the resources: first the asks that are asked for, GPUs before others, and then those that only pods on the node
	// have.
	names []string
	asks  int
	// total is what the zones have, used what is in use of it by the report.
	total, used space
}

func newPlan(zones []Zone, asked, others []string) plan {
	p := plan{zones: zones}
	p.names = inOrder(asked)
	p.asks = len(p.names)
	for _, name := range inOrder(others) {
		if !slices.Contains(p.names, name) {
			p.names = append(p.names, name)
		}
	}
	for _, z := range zones {
		total, used := make(amounts, len(p.names)), make(amounts, len(p.names))
		for r, name := range p.names {
			total[r] = max(resource.Difference(z.Allocatable[name], max(z.Broken[name], 0)), 0)
			used[r] = total[r] - min(max(z.Available[name], 0), total[r])
		}
		p.total, p.used = append(p.total, total), append(p.used, used)
	}
	return p
}

// inOrder sorts names, GPUs first, and leaves out those that are there twice.
func inOrder(names []string) []string {
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a, b)) })
	return slices.Compact(names)
}

func rank(name string) int {
	if resource.IsGPU(name) {
		return 0
	}
	return 1
}

// vector is a request in the plan's terms.
func (p plan) vector(request resource.Amounts) amounts {
	v := make(amounts, len(p.names))
	for r, name := range p.names {
		v[r] = max(request[name], 0)
	}
	return v
}

func (p plan) vectors(requests []resource.Amounts) []amounts {
	vectors := make([]amounts, len(requests))
	for i, request := range requests {
		vectors[i] = p.vector(request)
	}
	return vectors
}

// asked are what a running pod holds: what each container does, or all of them together.
func (p plan) asked(pod Pod, together bool) []amounts {
	var asked []amounts
	sum := make(amounts, len(p.names))
	for _, c := range pod.Containers {
		v := p.vector(c)
		asked = append(asked, v)
		sum.add(v)
	}
	if together {
		return []amounts{sum}
	}
	return asked
}

// possible lists what may be free in the zones, given the pods on the node, oldest first.
//
// Where they ask for more than the report counts as used, it does not know the newest: they are taken to be where a kubelet
// would put them. Where they ask for less, some have left, and nobody knows which zones have what they gave back: all ways
// are listed in which those that remain may have what the report counts as used.
func (p plan) possible(pods []Pod, together bool, take func(free space, request amounts)) []space {
	var requests []amounts
	for _, pod := range pods {
		requests = append(requests, p.asked(pod, together)...)
	}
	unknown := p.unknown(requests)
	left := false
	lack := p.lack(requests, unknown)
	for _, amount := range lack {
		left = left || amount < 0
	}
	states := []space{p.used}
	if left {
		states = p.remaining(requests, unknown)
	}
	free := make([]space, len(states))
	for i, used := range states {
		free[i] = p.less(used)
		for _, request := range unknown {
			if !request.empty() {
				take(free[i], request)
			}
		}
	}
	return free
}

// unknown is the part of each request that the report does not count as used: of the newest.
func (p plan) unknown(requests []amounts) []amounts {
	lack := p.lack(requests, nil)
	unknown := make([]amounts, len(requests))
	for i := len(requests) - 1; i >= 0; i-- {
		unknown[i] = make(amounts, len(p.names))
		for r := range p.names {
			unknown[i][r] = min(requests[i][r], max(lack[r], 0))
			lack[r] -= unknown[i][r]
		}
	}
	return unknown
}

// lack is what is requested beyond what the report counts as used and what is unknown; negative where others left.
func (p plan) lack(requests, unknown []amounts) amounts {
	lack := make(amounts, len(p.names))
	for _, request := range requests {
		lack.add(request)
	}
	for _, taken := range slices.Concat(p.used, unknown) {
		for r := range lack {
			lack[r] = resource.Difference(lack[r], taken[r])
		}
	}
	return lack
}

// remaining lists in which ways the known parts of requests may lie within what the report counts as used, each in one zone
// if it can.
func (p plan) remaining(requests, unknown []amounts) []space {
	states := []space{p.nothing()}
	for i, request := range requests {
		known := request.clone()
		for r := range known {
			known[r] -= unknown[i][r]
		}
		if known.empty() {
			continue
		}
		var next []space
		seen := map[string]bool{}
		for _, state := range states {
			for _, after := range p.ways(state, known) {
				if key := after.key(); !seen[key] {
					seen[key] = true
					next = append(next, after)
				}
			}
		}
		if states = next; len(states) > maxStates {
			return []space{p.used}
		}
	}
	return states
}

// ways lists how a request may lie within what is used beside what is known to be.
func (p plan) ways(known space, request amounts) []space {
	var ways []space
	for z := range p.zones {
		if known[z].plus(request).within(p.used[z]) {
			after := known.clone()
			after[z].add(request)
			ways = append(ways, after)
		}
	}
	if len(ways) == 0 {
		after, left := known.clone(), request.clone()
		for z := range p.zones {
			for r := range left {
				part := min(left[r], p.used[z][r]-after[z][r])
				after[z][r] += part
				left[r] -= part
			}
		}
		ways = append(ways, after)
	}
	return ways
}

// less is what is free where so much is used.
func (p plan) less(used space) space {
	free := p.total.clone()
	for z := range free {
		for r := range free[z] {
			free[z][r] -= used[z][r]
		}
	}
	return free
}

func (p plan) nothing() space {
	none := make(space, len(p.zones))
	for z := range none {
		none[z] = make(amounts, len(p.names))
	}
	return none
}

// bestFit is the zone with room for a request that has least left afterwards, of GPUs first; -1 where none has room.
func bestFit(free space, request amounts) int {
	best := -1
	for z := range free {
		if request.within(free[z]) && (best < 0 || slices.Compare(free[z], free[best]) < 0) {
			best = z
		}
	}
	return best
}

// takeNear takes a request out of the one zone that it fits best, else out of as few zones as it can: how a device plugin
// chooses that goes by locality.
func takeNear(free space, request amounts) {
	if z := bestFit(free, request); z >= 0 {
		free[z].subtract(request)
		return
	}
	for r, left := range request {
		byRoom := make([]int, len(free))
		for z := range byRoom {
			byRoom[z] = z
		}
		slices.SortStableFunc(byRoom, func(a, b int) int { return cmp.Compare(free[b][r], free[a][r]) })
		for _, z := range byRoom {
			part := min(left, free[z][r])
			free[z][r] -= part
			left -= part
		}
	}
}

func (a amounts) add(b amounts) {
	for r := range a {
		a[r] = resource.Sum(a[r], b[r])
	}
}

func (a amounts) subtract(b amounts) {
	for r := range a {
		a[r] -= b[r]
	}
}

func (a amounts) plus(b amounts) amounts {
	sum := a.clone()
	sum.add(b)
	return sum
}

func (a amounts) within(b amounts) bool {
	for r := range a {
		if a[r] > b[r] {
			return false
		}
	}
	return true
}

func (a amounts) empty() bool {
	return !slices.ContainsFunc(a, func(amount int64) bool { return amount != 0 })
}

func (a amounts) clone() amounts { return slices.Clone(a) }

func (s space) clone() space {
	copied := make(space, len(s))
	for z := range s {
		copied[z] = s[z].clone()
	}
	return copied
}

func (s space) key() string {
	var key []byte
	for _, zone := range s {
		for _, amount := range zone {
			key = binary.AppendVarint(key, amount)
		}
	}
	return string(key)
}
