package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// planAttempts is how often each plan is made; the slowest counts.
const planAttempts = 10

// floor is a cluster in the middle of which a gang has to be planned: nodes without names, and their labels.
type floor struct {
	nodes  []gang.Node
	labels []map[string]string
	// levels are the widest and the narrowest that the gang asks about, and those between.
	levels []topology.Level
}

// onePod is what each member of the gang asks for: CPU, GPUs, memory and room for a pod.
var onePod = resource.Vector{8_000, 1, 64 << 30, 1}

// emptyFloor has the nodes of a workload with nothing on them.
func emptyFloor(w workload) *floor {
	f := &floor{}
	for _, l := range w.levels {
		f.levels = append(f.levels, topology.Level{Name: l.name, Label: l.label})
	}
	for _, group := range w.nodeGroups() {
		for range group.Count {
			f.nodes = append(f.nodes, gang.Node{Free: resource.Vector{96_000, int64(w.gpusPerNode), 1024 << 30, 110}, Idle: true})
			f.labels = append(f.labels, group.Labels)
		}
	}
	return f
}

// take gives GPUs of a node to others, and CPU and memory with them.
func (f *floor) take(node int, gpus int64) {
	f.nodes[node].Free.Sub(resource.Vector{gpus * 10_000, gpus, gpus * 100 << 30, gpus})
	f.nodes[node].Idle = f.nodes[node].Idle && gpus == 0
}

// fragment takes between none and all of the GPUs of each node.
func (f *floor) fragment(seed uint64) *floor {
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range f.nodes {
		f.take(i, random.Int64N(f.nodes[i].Free[1]+1))
	}
	return f
}

// narrow leaves each block but one with room for one pod less than the gang has.
func (f *floor) narrow(size int, open string) *floor {
	free := map[string]int64{}
	for i, n := range f.nodes {
		name := f.labels[i][f.levels[0].Label]
		if name == open {
			continue
		}
		rest := int64(size-1) - free[name]
		f.take(i, max(0, n.Free[1]-rest))
		free[name] += f.nodes[i].Free[1]
	}
	return f
}

// planGang measures how long it takes to plan one gang that needs one block and would like few racks, from the nodes' labels
// to the answer, on one core: on an idle cluster, on a fragmented one, on one where a single block has room, and on one where none
// has. It fails if an answer is wrong.
func planGang(ctx context.Context, w workload, seed uint64) (map[string]float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	values := map[string]float64{}
	open := fmt.Sprintf("%s-%d", w.levels[0].name, w.levels[0].domains*3/4)
	for _, c := range []struct {
		name  string
		floor *floor
		fits  bool
	}{
		{"idle", emptyFloor(w), true},
		{"fragmented", emptyFloor(w).fragment(seed), true},
		{"narrow", emptyFloor(w).fragment(seed).narrow(w.size, open), true},
		{"refused", emptyFloor(w).fragment(seed).narrow(w.size, ""), false},
	} {
		var slowest, slowestTree time.Duration
		var answer topology.Answer
		for range planAttempts {
			if ctx.Err() != nil {
				return values, ctx.Err()
			}
			var tree, all time.Duration
			var err error
			if answer, tree, all, err = c.floor.plan(w); err != nil {
				return values, fmt.Errorf("planning on the %s cluster: %w", c.name, err)
			}
			slowest, slowestTree = max(slowest, all), max(slowestTree, tree)
		}
		racks, err := c.floor.check(w, answer, c.fits)
		if err != nil {
			return values, fmt.Errorf("the plan on the %s cluster: %w", c.name, err)
		}
		values["plan_"+c.name+"_ms"] = slowest.Seconds() * 1000
		values["plan_slowest_ms"] = max(values["plan_slowest_ms"], values["plan_"+c.name+"_ms"])
		values["plan_tree_ms"] = max(values["plan_tree_ms"], slowestTree.Seconds()*1000)
		if c.fits {
			values["plan_"+c.name+"_racks"] = float64(racks)
		}
	}
	return values, nil
}

// plan makes one plan, and returns how long it took, and how much of that was for the tree of domains.
func (f *floor) plan(w workload) (answer topology.Answer, tree, all time.Duration, err error) {
	class := gang.Class{Count: w.size, Request: onePod}
	for i := range f.nodes {
		class.Nodes = append(class.Nodes, int32(i))
	}
	p := gang.Problem{Nodes: f.nodes, Classes: []gang.Class{class}, Need: gang.Need{Total: w.size}}
	r := &topology.Request{Gang: topology.Want{Required: w.required, Preferred: w.preferred}, Needed: w.size}
	for range w.size {
		r.Members = append(r.Members, topology.Member{Class: 0, Unit: -1})
	}
	began := time.Now()
	r.Trees = []*topology.Tree{topology.New("bench", f.levels, f.labels)}
	tree = time.Since(began)
	answer, err = topology.Plan(p, r, nil)
	return answer, tree, time.Since(began), err
}

// check fails unless an answer is right: it places all members within the room that there is, in one block, in no more racks
// than that block needs, and with neighbours side by side; or none if there is no room. It returns the number of racks.
func (f *floor) check(w workload, a topology.Answer, fits bool) (racks int, err error) {
	if !fits {
		if a.Result != gang.Impossible {
			return 0, fmt.Errorf("%v, though there is no room", a.Result)
		}
		return 0, nil
	}
	if a.Result != gang.Placed || len(a.At) != w.size {
		return 0, fmt.Errorf("%v with %d of %d members, though there is room", a.Result, len(a.At), w.size)
	}
	wide, narrow := f.levels[0].Label, f.levels[len(f.levels)-1].Label
	blocks, inRack, onNode := map[string]bool{}, map[string]int{}, map[int32]int64{}
	breaks := 0
	for i, node := range a.At {
		if node < 0 {
			return 0, fmt.Errorf("member %d has no node", i)
		}
		onNode[node]++
		blocks[f.labels[node][wide]] = true
		inRack[f.labels[node][narrow]]++
		if i > 0 && f.labels[node][narrow] != f.labels[a.At[i-1]][narrow] {
			breaks++
		}
	}
	for node, members := range onNode {
		if members > f.nodes[node].Free[1] {
			return 0, fmt.Errorf("%d members on a node with %d free GPUs", members, f.nodes[node].Free[1])
		}
	}
	if len(blocks) != 1 {
		return 0, fmt.Errorf("it is in %d blocks", len(blocks))
	}
	if fewest := f.fewestRacks(w, slices.Collect(maps.Keys(blocks))[0]); len(inRack) > fewest {
		return 0, fmt.Errorf("it is in %d racks, though %d suffice", len(inRack), fewest)
	}
	if breaks != len(inRack)-1 {
		return 0, fmt.Errorf("neighbours are in different racks %d times, in %d racks", breaks, len(inRack))
	}
	return len(inRack), nil
}

// fewestRacks is how many racks of a block the gang needs at least.
func (f *floor) fewestRacks(w workload, block string) int {
	free := map[string]int64{}
	for i, n := range f.nodes {
		if f.labels[i][f.levels[0].Label] == block {
			free[f.labels[i][f.levels[len(f.levels)-1].Label]] += n.Free[1]
		}
	}
	sizes := slices.Sorted(maps.Values(free))
	racks := 0
	for rest := int64(w.size); rest > 0 && racks < len(sizes); racks++ {
		rest -= sizes[len(sizes)-1-racks]
	}
	return racks
}
