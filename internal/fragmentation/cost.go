package fragmentation

import "math"

// NoRoom is the cost of a pod that does not fit.
const NoRoom = math.MaxInt64

// Costs tells for each node what a pod of this demand costs there: how many thousandths of a GPU become useless for others, below
// zero where the pod makes use of what was useless. Where several pods are to be placed it is the mean over as many as fit
// on the node. NoRoom where none fits.
//
//	class.Cost = mix.Costs(nodes, demand, class.Count) // nodes in the order of class.Nodes
func (m *Mix) Costs(nodes []Node, d Demand, pods int) []int64 {
	d = d.clean()
	costs := make([]int64, len(nodes))
	var p place
	for i := range nodes {
		p.enter(m, &nodes[i], &d)
		before := p.waste(m)
		placed := int64(p.add(m, &d, pods))
		if placed == 0 {
			costs[i] = NoRoom
			continue
		}
		costs[i] = (p.waste(m) - before) / (placed * unit)
	}
	return costs
}

// Cost is what one pod costs on a node, NoRoom where it does not fit, and which GPU it should share: one that has this much left, a
// free one where that is 1000. It is 0 for a pod that wants no share.
func (m *Mix) Cost(n *Node, d Demand) (cost, left int64) {
	d = d.clean()
	var p place
	p.enter(m, n, &d)
	before := p.waste(m)
	if p.add(m, &d, 1) == 0 {
		return NoRoom, 0
	}
	return (p.waste(m) - before) / unit, p.left
}

// place is a node while pods of one demand are placed on it.
type place struct {
	states []state // one for each kind of GPU that the node has and anybody wants
	own    state   // of the demanded kind
	known  int     // index of own in states, -1 where nobody is known to want that kind
	spare  int64   // free GPUs of the demanded kind beyond those that are looked at
	left   int64   // what the GPU had left that a share was taken from last
}

func (p *place) enter(m *Mix, n *Node, d *Demand) {
	p.states, p.known, p.spare, p.left = p.states[:0], -1, 0, 0
	p.own = newState(n, &Devices{}, -1)
	for i := range n.GPUs {
		devices := &n.GPUs[i]
		index := int32(-1)
		if k := m.kinds[devices.Kind]; k != nil {
			index = k.index
		}
		s := newState(n, devices, index)
		if devices.Kind == d.Kind {
			p.own, p.spare = s, max(devices.Free-mostFree, 0)
			if index >= 0 {
				p.known = len(p.states)
			}
		}
		if index >= 0 {
			p.states = append(p.states, s)
		}
	}
}

// add places up to a number of pods, each share where it wastes least, and returns how many have room.
func (p *place) add(m *Mix, d *Demand, pods int) int {
	if d.Milli == 0 {
		return p.addWhole(d, pods)
	}
	placed := 0
	for placed < pods && p.own.fits(d) {
		p.take(d, p.best(m, d))
		placed++
	}
	return placed
}

func (p *place) addWhole(d *Demand, pods int) int {
	most := int64(pods)
	for _, r := range [...]struct{ free, ask int64 }{{p.own.cpu, d.CPU}, {p.own.memory, d.Memory}, {int64(p.own.free) + p.spare, d.GPUs}} {
		if r.ask > 0 {
			most = min(most, r.free/r.ask)
		}
	}
	most = max(most, 0)
	p.own.cpu -= most * d.CPU
	p.own.memory -= most * d.Memory
	left := int64(p.own.free) + p.spare - most*d.GPUs
	p.own.free, p.spare = int32(min(left, mostFree)), max(left-mostFree, 0)
	p.spread()
	return int(most)
}

// best is the index of the part that a share should be taken from, -1 for a free GPU. Of equally good ones it is the fullest.
func (p *place) best(m *Mix, d *Demand) int {
	best, least := -1, int64(math.MaxInt64)
	from := p.own.last(d.Milli)
	if p.known < 0 {
		return from
	}
	for at := from; at >= -1; at-- {
		if at >= 0 && at < from && p.own.parts[at] == p.own.parts[at+1] || at < 0 && p.own.free == 0 {
			continue
		}
		after := p.own
		after.share(at, d.Milli)
		after.cpu -= d.CPU
		after.memory -= d.Memory
		if waste := m.waste(&after); waste < least {
			best, least = at, waste
		}
	}
	return best
}

func (p *place) take(d *Demand, at int) {
	p.left = milliPerGPU
	if at >= 0 {
		p.left = int64(p.own.parts[at])
	}
	p.own.share(at, d.Milli)
	if p.spare > 0 && p.own.free < mostFree {
		p.own.free++
		p.spare--
	}
	p.own.cpu -= d.CPU
	p.own.memory -= d.Memory
	p.spread()
}

// spread tells the states of all kinds what CPU and memory is left.
func (p *place) spread() {
	for i := range p.states {
		p.states[i].cpu, p.states[i].memory = p.own.cpu, p.own.memory
	}
	if p.known >= 0 {
		p.states[p.known] = p.own
	}
}

func (p *place) waste(m *Mix) int64 {
	sum := int64(0)
	for i := range p.states {
		sum += m.waste(&p.states[i])
	}
	return sum
}

// Waste is how many thousandths of a GPU are useless on a node for pods as they come, on average: what their streams leave
// unused, and a part of what pods of several GPUs cannot use.
func (m *Mix) Waste(n *Node) int64 {
	var p place
	p.enter(m, n, &Demand{})
	return p.waste(m) / unit
}

// mostRemembered bounds the states whose waste a Mix remembers.
const mostRemembered = 1 << 16

// waste is in units of 1/unit thousandths of a GPU.
func (m *Mix) waste(s *state) int64 {
	if waste, ok := m.memo[*s]; ok {
		return waste
	}
	k := m.byIndex[s.kind]
	total := s.total()
	waste := total*unit - k.used(s)*(unit/streams)
	for i := range k.large {
		waste += k.care[i] * (total - s.room(&k.large[i]))
	}
	if len(m.memo) >= mostRemembered {
		clear(m.memo)
	}
	m.memo[*s] = waste
	return waste
}

// used is how many milli-GPUs the pods of all streams use together, if those of each stream are offered one after the other to
// the node as it is, and each that fits is placed.
func (k *kind) used(s *state) int64 {
	if !k.anyFits(s) {
		return 0
	}
	all := int64(0)
	for _, stream := range k.streams {
		now := *s
		for _, i := range stream {
			d := &k.shapes[i]
			if !now.fits(d) {
				continue
			}
			now.take(d)
			all += d.GPUs*milliPerGPU + d.Milli
			if !k.anyFits(&now) {
				break
			}
		}
	}
	return all
}

// anyFits is false where it is plain that no shape fits.
func (k *kind) anyFits(s *state) bool {
	return s.cpu >= k.least.CPU && s.memory >= k.least.Memory &&
		(int64(s.free) >= k.least.GPUs || s.free > 0 && k.least.Milli < milliPerGPU || int64(s.parts[0]) >= k.least.Milli)
}
