package reclaim

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// scene is the cluster and the books with some units gone. It starts with none.
type scene struct {
	p      *Problem
	ledger *ledger.Ledger
	gone   []bool
	taken  []int // units that are gone, in the order in which they went

	chain  []string // of the claimant's queue
	level  []int    // of each unit, see levelOf
	parts  [][]Pod  // of each unit: what it takes on each of its nodes
	gangs  map[string]*members
	levels map[int]int // how many of the units that are gone stand at a level; those that need no entitlement are not counted
	queue  map[int]string

	disrupted []int // pods that are gone, by PodDisruptionBudget

	free    []resource.Vector // by node
	allowed [][]bool          // by class and node
	slots   [][]int           // by class and node: how many members fit on the node, if the class has it to itself
	total   []int             // by class, over all nodes
}

// members are the units of one gang.
type members struct {
	surplus []int
	rest    int // -1: the gang's minimum is no unit
}

func newScene(p *Problem) *scene {
	s := &scene{
		p: p, ledger: p.Ledger.Clone(), gone: make([]bool, len(p.Units)), chain: p.Ledger.Chain(p.Queue),
		gangs: map[string]*members{}, levels: map[int]int{}, queue: map[int]string{}, disrupted: make([]int, len(p.Disruptions)),
	}
	levels := map[string]int{}
	for u := range p.Units {
		unit := &p.Units[u]
		level, known := levels[unit.Queue]
		if !known {
			level = levelOf(s.chain, p.Ledger.Chain(unit.Queue))
			levels[unit.Queue] = level
			s.queue[level] = unit.Queue
		}
		s.level = append(s.level, level)
		s.parts = append(s.parts, byNode(unit.Pods))
		m := s.gangs[unit.Gang]
		if m == nil {
			m = &members{rest: -1}
			s.gangs[unit.Gang] = m
		}
		if unit.Rest {
			m.rest = u
		} else {
			m.surplus = append(m.surplus, u)
		}
	}
	s.allow()
	s.sweep()
	return s
}

// allow notes which nodes each class may go to.
func (s *scene) allow() {
	for _, class := range s.p.Gang.Classes {
		allowed := make([]bool, len(s.p.Gang.Nodes))
		for _, node := range class.Nodes {
			allowed[node] = true
		}
		s.allowed = append(s.allowed, allowed)
	}
}

// byNode adds up pods of one node, in the order of the nodes, and drops those of none.
func byNode(pods []Pod) []Pod {
	var parts []Pod
	at := make(map[int32]int, len(pods))
	for _, pod := range pods {
		if pod.Node < 0 {
			continue
		}
		i, known := at[pod.Node]
		if !known {
			at[pod.Node] = len(parts)
			parts = append(parts, Pod{Node: pod.Node, Amount: slices.Clone(pod.Amount)})
			continue
		}
		parts[i].Amount.Add(pod.Amount)
	}
	slices.SortFunc(parts, func(a, b Pod) int { return cmp.Compare(a.Node, b.Node) })
	return parts
}

// sweep counts the room anew, with what is gone and no member placed.
func (s *scene) sweep() {
	nodes := s.p.Gang.Nodes
	s.free = make([]resource.Vector, len(nodes))
	dims := 0
	if len(nodes) > 0 {
		dims = len(nodes[0].Free)
	}
	all := make(resource.Vector, dims*len(nodes))
	for i, node := range nodes {
		s.free[i] = all[i*dims : (i+1)*dims]
		copy(s.free[i], node.Free)
	}
	for u, gone := range s.gone {
		if gone {
			for _, part := range s.parts[u] {
				s.free[part.Node].Add(part.Amount)
			}
		}
	}
	s.slots, s.total = make([][]int, len(s.allowed)), make([]int, len(s.allowed))
	for c := range s.allowed {
		s.slots[c] = make([]int, len(nodes))
	}
	for node := range nodes {
		s.recount(int32(node))
	}
}

// recount brings slots up to date after the room of a node has changed.
func (s *scene) recount(node int32) {
	for c, allowed := range s.allowed {
		if !allowed[node] {
			continue
		}
		class := &s.p.Gang.Classes[c]
		n := int(min(class.Request.Times(s.free[node]), int64(class.Count)))
		s.total[c] += n - s.slots[c][node]
		s.slots[c][node] = n
	}
}

// take evicts a unit.
func (s *scene) take(u int) {
	s.taken = append(s.taken, u)
	s.remove(u)
}

// putBack takes back the eviction of a unit, which need not be the last one.
func (s *scene) putBack(u int) {
	for i, v := range slices.Backward(s.taken) {
		if v == u {
			s.taken = slices.Delete(s.taken, i, i+1)
			break
		}
	}
	s.restore(u)
}

// remove and restore are take and putBack without the order in taken.
func (s *scene) remove(u int) {
	unit := &s.p.Units[u]
	s.gone[u] = true
	s.ledger.Release(unit.Queue, unit.Usage, false)
	if !unit.Preempt {
		s.levels[s.level[u]]++
	}
	for _, budget := range unit.Budgets {
		s.disrupted[budget]++
	}
	for _, part := range s.parts[u] {
		s.free[part.Node].Add(part.Amount)
		s.recount(part.Node)
	}
}

func (s *scene) restore(u int) {
	unit := &s.p.Units[u]
	s.gone[u] = false
	s.ledger.Charge(unit.Queue, unit.Usage, false)
	if !unit.Preempt {
		s.levels[s.level[u]]--
	}
	for _, budget := range unit.Budgets {
		s.disrupted[budget]--
	}
	for _, part := range s.parts[u] {
		s.free[part.Node].Sub(part.Amount)
		s.recount(part.Node)
	}
}

// undo puts back the units that were taken last, until only so many are gone.
func (s *scene) undo(mark int) {
	for len(s.taken) > mark {
		s.putBack(s.taken[len(s.taken)-1])
	}
}

// room is the claimant's problem with what is gone and no member placed, computed from nothing but that.
func (s *scene) room() gang.Problem {
	s.sweep()
	problem := s.p.Gang
	problem.Nodes = slices.Clone(problem.Nodes)
	for i := range problem.Nodes {
		problem.Nodes[i].Free = slices.Clone(s.free[i])
	}
	return problem
}

// sum adds up what is free, over all nodes.
func (s *scene) sum() resource.Vector {
	var sum resource.Vector
	for i, free := range s.free {
		if i == 0 {
			sum = make(resource.Vector, len(free))
		}
		for d, amount := range free {
			sum[d] = resource.Sum(sum[d], max(amount, 0))
		}
	}
	return sum
}
