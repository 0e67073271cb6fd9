package reclaim

import (
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

const gpu = "nvidia.com/gpu"

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is a cluster of nodes that have nothing but GPUs, to be filled by hand. Vectors are {gpu}.
type world struct {
	nodes []int64 // free GPUs
	books *ledger.Ledger
	units []Unit
	// disruptions that are allowed; there is one PodDisruptionBudget, or none.
	disruptions []int
}

// cluster makes n nodes of so many GPUs.
func cluster(n int, gpus int64) *world {
	w := &world{nodes: slices.Repeat([]int64{gpus}, n), books: ledger.New()}
	w.books.SetCapacity(resource.Amounts{gpu: int64(n) * gpus})
	return w
}

// queue adds a queue that lets go of what it uses above its guarantee.
func (w *world) queue(name, parent string, guarantee int64) *world {
	q := ledger.Queue{Name: name, Parent: parent, Weight: 1, Reclaimable: true}
	if guarantee > 0 {
		q.Guarantee = resource.Amounts{gpu: guarantee}
	}
	w.books.SetQueue(q)
	return w
}

// job is a gang that runs: one pod on each of the given nodes.
type job struct {
	name, queue string
	priority    int32
	minimum     int
	gpus        int64
	at          []int32
	lost        int64
	fixed       bool // no victim: firm, protected, or too young
}

func (w *world) run(j job) *world {
	amount := resource.Amounts{gpu: j.gpus}
	for _, node := range j.at {
		w.nodes[node] -= j.gpus
		w.books.Charge(j.queue, amount, false)
	}
	if j.fixed {
		return w
	}
	unit := Unit{Gang: j.name, Queue: j.queue, Priority: j.priority, Lost: j.lost, Started: epoch.Add(-time.Duration(j.lost) * time.Second)}
	pod := func(node int32) Pod { return Pod{Node: node, Amount: resource.Vector{j.gpus}} }
	for _, node := range j.at[j.minimum:] {
		surplus := unit
		surplus.Pods, surplus.Usage = []Pod{pod(node)}, amount
		w.units = append(w.units, surplus)
	}
	unit.Rest, unit.Usage = true, amount.Times(int64(j.minimum))
	for _, node := range j.at[:j.minimum] {
		unit.Pods = append(unit.Pods, pod(node))
	}
	w.units = append(w.units, unit)
	return w
}

// protect runs a gang whose pods one PodDisruptionBudget protects, of which it allows to evict so many.
func (w *world) protect(allowed int, j job) *world {
	before := len(w.units)
	w.run(j)
	w.disruptions = []int{allowed}
	for u := before; u < len(w.units); u++ {
		w.units[u].Budgets = make([]int, len(w.units[u].Pods))
	}
	return w
}

// asks is the problem of a gang of equal members, all of which it needs.
func (w *world) asks(queue string, priority int32, members int, gpus int64) Problem {
	p := Problem{Queue: queue, Asked: resource.Amounts{gpu: gpus}.Times(int64(members)), Units: slices.Clone(w.units), Ledger: w.books, Disruptions: w.disruptions}
	for u := range p.Units {
		p.Units[u].Preempt = p.Units[u].Queue == queue && p.Units[u].Priority < priority
	}
	class := gang.Class{Role: "worker", Count: members, Request: resource.Vector{gpus}}
	for i, free := range w.nodes {
		p.Gang.Nodes = append(p.Gang.Nodes, gang.Node{Free: resource.Vector{free}})
		class.Nodes = append(class.Nodes, int32(i))
	}
	p.Gang.Classes = []gang.Class{class}
	p.Gang.Need = gang.Need{Total: members}
	return p
}

// victims names the gangs of the victims, sorted, with "+" for members beyond a minimum.
func victims(p Problem, d Decision) []string {
	var names []string
	for _, v := range d.Victims {
		name := p.Units[v].Gang
		if !p.Units[v].Rest {
			name += "+"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func departments() *world {
	return cluster(2, 3).queue("d1", "", 3).queue("q0", "d1", 3).queue("d2", "", 3).queue("q1", "d2", 2).queue("q2", "d2", 1).queue("d2-other", "d2", 0)
}

func eachNode(w *world, fill func(w *world, node int32)) *world {
	for node := range w.nodes {
		fill(w, int32(node))
	}
	return w
}

// limit and keep change a queue.
func (w *world) limit(name string, limit int64) *world {
	return w.change(name, func(q *ledger.Queue) { q.Limit = resource.Amounts{gpu: limit} })
}

func (w *world) keep(name string) *world {
	return w.change(name, func(q *ledger.Queue) { q.Reclaimable = false })
}

func (w *world) change(name string, change func(q *ledger.Queue)) *world {
	q, _ := w.books.Queue(name)
	change(&q)
	w.books.SetQueue(q)
	return w
}
