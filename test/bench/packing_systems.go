package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/fragmentation"
)

// randomly takes any node that has room, and any GPU on it that has.
type randomly struct{ random *rand.Rand }

func newRandom(_ *openb, seed uint64) packer { return randomly{rand.New(rand.NewPCG(seed, 1))} }

func (r randomly) choose(nodes []packNode, p *tracePod) (int, int64) {
	at, seen := -1, 0
	for i := range nodes {
		if nodes[i].fits(p) {
			if seen++; r.random.IntN(seen) == 0 {
				at = i
			}
		}
	}
	if at < 0 || p.Milli == 0 {
		return at, 0
	}
	d := nodes[at].devices()
	gpus := slices.DeleteFunc(slices.Clone(d.Parts), func(part int64) bool { return part < p.Milli })
	for range d.Free {
		gpus = append(gpus, 1000)
	}
	return at, gpus[r.random.IntN(len(gpus))]
}

// bestFit takes the node that has least left, CPU and GPUs in shares of the largest node, and of its GPUs the fullest with room.
type bestFit struct{ cpu, gpu float64 }

func newBestFit(t *openb, _ uint64) packer {
	var b bestFit
	for _, n := range t.nodes {
		b.cpu, b.gpu = max(b.cpu, float64(n.cpu)), max(b.gpu, float64(n.milli()))
	}
	return b
}

func (b bestFit) choose(nodes []packNode, p *tracePod) (int, int64) {
	at, least := -1, math.Inf(1)
	for i := range nodes {
		n := &nodes[i]
		if left := float64(n.CPU)/b.cpu + float64(n.milli())/b.gpu; left < least && n.fits(p) {
			at, least = i, left
		}
	}
	if at < 0 || p.Milli == 0 {
		return at, 0
	}
	return at, nodes[at].lefts(p)[0]
}

// remembering keeps for each node what each shape would cost there until something is placed on it. Nodes are compared by cost,
// then by what compare says.
type remembering struct {
	offers [][]offer // by node and shape
	judge  func(n *packNode, p *tracePod) offer
	// last says that of equal nodes the last one is taken, not the first.
	last bool
}

// offer is what a node can do for a shape.
type offer struct {
	known, fits bool
	cost        [4]int64 // compared entry by entry, the least wins
	left        int64
}

func (r *remembering) choose(nodes []packNode, p *tracePod) (int, int64) {
	best := -1
	for i := range nodes {
		o := &r.offers[i][p.shape]
		if !o.known {
			*o = offer{}
			if nodes[i].fits(p) {
				*o = r.judge(&nodes[i], p)
				o.fits = true
			}
			o.known = true
		}
		if !o.fits {
			continue
		}
		if best >= 0 {
			if c := slices.Compare(o.cost[:], r.offers[best][p.shape].cost[:]); c > 0 || c == 0 && !r.last {
				continue
			}
		}
		best = i
	}
	if best < 0 {
		return -1, 0
	}
	left := r.offers[best][p.shape].left
	clear(r.offers[best])
	return best, left
}

func newRemembering(t *openb, judge func(n *packNode, p *tracePod) offer) *remembering {
	r := &remembering{judge: judge, offers: make([][]offer, len(t.nodes))}
	r.forget(t)
	return r
}

func (r *remembering) forget(t *openb) {
	for i := range r.offers {
		r.offers[i] = make([]offer, len(t.shapes))
	}
}

// fgd is fragmentation gradient descent as its paper and its published simulator describe it: the target workload is known
// beforehand and does not change; memory is not looked at; and what a placement adds to the fragmentation is made a score from 0 to
// 100 by a sigmoid, so that differences of less than some 40 thousandths of a GPU do not count. Of equal nodes the last is taken, of
// equal GPUs the fullest.
type fgd struct {
	shapes []fragmentation.Demand
	share  []float64 // of all pods
}

func newFGD(t *openb, _ uint64) packer {
	f := &fgd{shapes: t.shapes, share: make([]float64, len(t.shapes))}
	for _, p := range t.pods {
		f.share[p.shape] += 1 / float64(len(t.pods))
	}
	r := newRemembering(t, f.judge)
	r.last = true
	return r
}

func (f *fgd) judge(n *packNode, p *tracePod) offer {
	before := f.fragmentation(n)
	score := func(left int64) int64 {
		after := n.after(p, left)
		return int64(100 / (1 + math.Exp((f.fragmentation(&after)-before)/1000)))
	}
	if p.Milli == 0 {
		return offer{cost: [4]int64{-score(0)}}
	}
	best := offer{cost: [4]int64{math.MaxInt64}}
	for _, left := range n.lefts(p) {
		if cost := -score(left); cost < best.cost[0] {
			best = offer{cost: [4]int64{cost}, left: left}
		}
	}
	return best
}

// fragmentation is the paper's F: for each shape what it cannot use of the node's free GPUs, weighted by its share. A shape that
// does not fit, or wants no GPU, can use nothing; one that fits can use those GPUs that have as much left as it wants of each.
func (f *fgd) fragmentation(n *packNode) float64 {
	d, all, sum := n.devices(), n.milli(), 0.0
	for i := range f.shapes {
		shape := tracePod{Demand: f.shapes[i]}
		shape.Memory = 0
		useless := all
		if shape.Kind != "" && n.fits(&shape) {
			useless = 0
			for _, part := range d.Parts {
				if shape.GPUs > 0 || part < shape.Milli {
					useless += part
				}
			}
		}
		sum += f.share[i] * float64(useless)
	}
	return sum
}

// halfLife is how long ours remembers, in pods: a second passes with each.
const halfLife = 2000 * time.Second

// ours is internal/fragmentation, which has learned what came so far and knows nothing of what is to come. Nodes that cost the same are
// taken in the planner's order (internal/gang): in use before idle, fewest resources that the pod has no use for, tightest.
type ours struct {
	*remembering
	trace    *openb
	workload *fragmentation.Workload
	mix      *fragmentation.Mix
	now      time.Time
}

func newOurs(t *openb, _ uint64) packer {
	o := &ours{trace: t, workload: fragmentation.NewWorkload(halfLife), now: time.Unix(0, 0)}
	o.remembering = newRemembering(t, o.judge)
	return o
}

func (o *ours) choose(nodes []packNode, p *tracePod) (int, int64) {
	o.now = o.now.Add(time.Second)
	o.workload.Observe(p.Demand, 1, o.now)
	if mix := o.workload.Mix(o.now); mix != o.mix {
		o.mix = mix
		o.forget(o.trace)
	}
	return o.remembering.choose(nodes, p)
}

func (o *ours) judge(n *packNode, p *tracePod) offer {
	cost, left := o.mix.Cost(&n.Node, p.Demand)
	idle, unwanted := int64(0), int64(0)
	if n.idle() {
		idle = 1
	}
	if p.Kind == "" && n.devices().Free > 0 {
		unwanted = 1
	}
	slots := n.CPU / max(p.CPU, 1)
	if p.Memory > 0 {
		slots = min(slots, n.Memory/p.Memory)
	}
	if p.GPUs > 0 {
		slots = min(slots, n.devices().Free/p.GPUs)
	}
	if idle > 0 {
		slots = -slots
	}
	return offer{cost: [4]int64{cost, idle, unwanted, slots}, left: left}
}
