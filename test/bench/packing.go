package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/muster-scheduling/muster/internal/fragmentation"
)

// The packing experiment of Weng et al., "Beware of Fragmentation", USENIX ATC 2023: pods drawn from a trace are placed one after
// the other, and never end, until the requests that have arrived are 1.3 times what the cluster has. What counts is the share of
// all GPUs, in thousandths, that is allocated then, and when they have just reached what it has. docs/packing.md says more.

// tracePod is what a pod of the trace asks for; shape is its index among the different demands.
type tracePod struct {
	fragmentation.Demand
	shape int
}

// milli is what a pod asks for in thousandths of a GPU.
func (p *tracePod) milli() int64 { return 1000*p.GPUs + p.Milli }

// packNode is a node of the trace and what it has free.
type packNode struct {
	fragmentation.Node
	cpu, gpus int64 // what it has when it is empty
}

// devices are the GPUs of the node: those that are free, and what the shared ones have left, least first.
func (n *packNode) devices() *fragmentation.Devices { return &n.GPUs[0] }

// idle is true as long as nothing is on the node.
func (n *packNode) idle() bool { return n.CPU == n.cpu && n.devices().Free == n.gpus }

// milli is what is free, in thousandths of a GPU.
func (n *packNode) milli() int64 {
	sum := 1000 * n.devices().Free
	for _, part := range n.devices().Parts {
		sum += part
	}
	return sum
}

// fits reports whether the node has room for a pod: CPU, memory, and whole GPUs or one with its share left.
func (n *packNode) fits(p *tracePod) bool {
	d := n.devices()
	if n.CPU < p.CPU || n.Memory < p.Memory || d.Free < p.GPUs {
		return false
	}
	return p.Milli == 0 || d.Free > 0 || len(d.Parts) > 0 && d.Parts[len(d.Parts)-1] >= p.Milli
}

// after is the node with a pod on it that fits. A share is taken from a GPU that has so much left.
func (n *packNode) after(p *tracePod, left int64) packNode {
	d := *n.devices()
	d.Free -= p.GPUs
	if p.Milli > 0 {
		d.Parts = slices.Clone(d.Parts)
		if left == 1000 {
			d.Free--
		} else {
			at := slices.Index(d.Parts, left)
			d.Parts = slices.Delete(d.Parts, at, at+1)
		}
		if rest := left - p.Milli; rest > 0 {
			at, _ := slices.BinarySearch(d.Parts, rest)
			d.Parts = slices.Insert(d.Parts, at, rest)
		}
	}
	next := *n
	next.CPU -= p.CPU
	next.Memory -= p.Memory
	next.GPUs = []fragmentation.Devices{d}
	return next
}

// lefts are what the GPUs have left that have room for a share, without repetition: shared ones from the fullest on, then a free one.
func (n *packNode) lefts(p *tracePod) []int64 {
	d := n.devices()
	var all []int64
	for _, part := range d.Parts {
		if part >= p.Milli && !slices.Contains(all, part) {
			all = append(all, part)
		}
	}
	if d.Free > 0 {
		all = append(all, 1000)
	}
	return all
}

// arrivals are the pods of the trace and others drawn from it until they ask for 1.3 times what the cluster has, in random order.
func (t *openb) arrivals(seed uint64) []*tracePod {
	random := rand.New(rand.NewPCG(seed, 0))
	var all []*tracePod
	sum := int64(0)
	add := func(p *tracePod) {
		all = append(all, p)
		sum += p.milli()
	}
	for i := range t.pods {
		add(&t.pods[i])
	}
	for 10*sum < 13*t.capacity {
		add(&t.pods[random.IntN(len(t.pods))])
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// packed is how one play ended.
type packed struct {
	// at100 and at130 are the shares of all GPUs that are allocated, in percent.
	at100, at130 float64
	// refused is the part of the pods of several GPUs that found no room, in percent, while less than 95 % of the capacity had arrived.
	refused float64
}

// packer chooses a node for a pod, -1 if it fits nowhere, and which GPU to share: one that has so much left. The nodes are those of
// the call before, but for the one that it chose then.
type packer interface {
	choose(nodes []packNode, p *tracePod) (node int, left int64)
}

// play places the arrivals of one seed.
func (t *openb) play(ctx context.Context, seed uint64, by packer) (packed, error) {
	nodes := slices.Clone(t.nodes)
	var result packed
	var arrived, allocated, large, refused int64
	for _, p := range t.arrivals(seed) {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		arrived += p.milli()
		early := 100*arrived < 95*t.capacity && p.GPUs > 1
		at, left := by.choose(nodes, p)
		if early {
			large++
		}
		if at >= 0 {
			if !nodes[at].fits(p) {
				return result, fmt.Errorf("pod %+v was put on node %d, which has no room: %+v", p, at, nodes[at])
			}
			nodes[at] = nodes[at].after(p, left)
			allocated += p.milli()
		} else if early {
			refused++
		}
		result.at130 = 100 * float64(allocated) / float64(t.capacity)
		if result.at100 == 0 && arrived >= t.capacity {
			result.at100 = result.at130
		}
	}
	result.refused = 100 * float64(refused) / float64(max(large, 1))
	return result, nil
}

// packers are the systems that are compared, by the names in the metrics.
var packers = map[string]func(t *openb, seed uint64) packer{
	"random": newRandom, "bestfit": newBestFit, "fgd": newFGD, "muster": newOurs,
}

// firstSeed is the first of the ten that the published figures are the mean of. Each further round goes on where the one before
// ended.
const firstSeed = 42

// pack plays all packers with as many seeds as the workload says, and returns the means.
func pack(ctx context.Context, w workload, seed uint64) (map[string]float64, error) {
	t, err := readTrace()
	if err != nil {
		return nil, err
	}
	c := packing{results: map[string][]packed{}, running: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for i := range w.size {
		seed := firstSeed + (seed-2)*uint64(w.size) + uint64(i) // the first round's seed is 2
		for name, make := range packers {
			c.start(name, i, w.size, func() (packed, error) { return t.play(ctx, seed, make(t, seed)) })
		}
		c.start("offline", i, w.size, func() (packed, error) { return t.offline(seed), nil })
	}
	c.all.Wait()
	return c.means(), c.failed
}

// packing collects what was played, as many plays at a time as there are cores.
type packing struct {
	all     sync.WaitGroup
	running chan struct{}

	results map[string][]packed // by system and play

	mu     sync.Mutex
	failed error
}

// start plays one system in one of several plays.
func (c *packing) start(system string, index, plays int, play func() (packed, error)) {
	if c.results[system] == nil {
		c.results[system] = make([]packed, plays)
	}
	results := c.results[system]
	c.all.Go(func() {
		c.running <- struct{}{}
		defer func() { <-c.running }()
		var err error
		if results[index], err = play(); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = fmt.Errorf("packing by %s, play %d: %w", system, index, err)
		}
	})
}

// means are the figures of all plays, by the names of the metrics.
func (c *packing) means() map[string]float64 {
	values := map[string]float64{}
	for system, results := range c.results {
		for _, r := range results {
			values["pack_"+system+"_100"] += r.at100 / float64(len(results))
			values["pack_"+system+"_130"] += r.at130 / float64(len(results))
			if system != "offline" {
				values["pack_"+system+"_refused"] += r.refused / float64(len(results))
			}
		}
	}
	return values
}

// timesFGD compares what ours and FGD allocate, in the round in which ours does worst.
func timesFGD(at string) func([]result) (float64, bool) {
	return func(results []result) (float64, bool) {
		ours, theirs := numbers(results, "PACK", "muster", "pack_muster_"+at), numbers(results, "PACK", "muster", "pack_fgd_"+at)
		for i := range ours {
			ours[i] /= theirs[i]
		}
		s, ok := spreadOf(ours)
		return s.low, ok
	}
}
