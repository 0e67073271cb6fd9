package topology

import (
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// search is the state of planning one gang.
type search struct {
	p       gang.Problem
	r       *Request
	members []Member
	space   gang.Space
	nodes   []gang.Node // as they are with what is placed at present
	// slots is how many members of a class fit on a node now if they have it to themselves: entry node*classes+class.
	slots   []int32
	classes int
	// index is the place of each node in Class.Nodes, for classes whose nodes have scores or costs.
	index [][]int32
	local []int32 // scratch: the index of a node in a smaller problem
	trail []change
	maps  []*parcels // to be kept up to date

	attempt       []int // members by class of the best attempt so far
	budget, steps int
	spent         bool // an answer is missing because the budget was
}

// manySlots bounds how many members that ask for hardly anything a node is said to have room for, so that sums over all
// nodes stay in range.
const manySlots = 1 << 20

func newSearch(p gang.Problem, r *Request, members []Member, space gang.Space) *search {
	s := &search{p: p, r: r, members: members, space: space, nodes: p.Nodes, classes: len(p.Classes), budget: p.Budget}
	if s.budget == 0 {
		s.budget = gang.DefaultBudget
	}
	s.slots = make([]int32, len(p.Nodes)*s.classes)
	s.index = make([][]int32, s.classes)
	s.local = make([]int32, len(p.Nodes))
	for node := range s.local {
		s.local[node] = -1
	}
	for c, class := range p.Classes {
		if len(class.Score) > 0 || len(class.Cost) > 0 {
			s.index[c] = make([]int32, len(p.Nodes))
		}
		for i, node := range class.Nodes {
			s.slots[int(node)*s.classes+c] = int32(min(class.Request.Times(p.Nodes[node].Free), manySlots))
			if s.index[c] != nil {
				s.index[c][node] = int32(i)
			}
		}
	}
	return s
}

// left is what is left of the budget, at least 1: without a Space and for one class the planner needs none.
func (s *search) left() int { return max(1, s.budget-s.steps) }

// part is a number of members of one class that may go to some nodes, in ascending order.
type part struct {
	class, count int
	nodes        []int32
}

// everywhere are parts of all classes that may go to the same nodes.
func (s *search) everywhere(counts []int, nodes []int32) []part {
	parts := make([]part, len(counts))
	for c, n := range counts {
		parts[c] = part{class: c, count: n, nodes: nodes}
	}
	return parts
}

// plan places parts on the nodes that they have, with at most a number of steps. Of the outcome, Run.Class is the index of
// a part. The planner sees only nodes with room: a domain costs what it is large, not what the cluster is.
func (s *search) plan(parts []part, need gang.Need, steps int) (gang.Outcome, error) {
	w := &window{space: s.space}
	for _, part := range parts {
		for _, node := range part.nodes {
			if s.slots[int(node)*s.classes+part.class] > 0 && s.local[node] < 0 {
				s.local[node] = 0
				w.nodes = append(w.nodes, node)
			}
		}
	}
	slices.Sort(w.nodes)
	sub := gang.Problem{Nodes: make([]gang.Node, len(w.nodes)), Classes: make([]gang.Class, len(parts)), Need: need, Budget: max(1, steps)}
	for i, node := range w.nodes {
		s.local[node] = int32(i)
		sub.Nodes[i] = s.nodes[node]
	}
	for i, part := range parts {
		sub.Classes[i] = s.class(part)
		w.classes = append(w.classes, part.class)
	}
	for _, node := range w.nodes {
		s.local[node] = -1
	}
	var space gang.Space
	if s.space != nil {
		space = w
	}
	o, err := gang.Plan(sub, space)
	for i := range o.Runs {
		o.Runs[i].Node = w.nodes[o.Runs[i].Node]
	}
	s.steps += o.Steps
	return o, err
}

// class is a part in the terms of the smaller problem.
func (s *search) class(p part) gang.Class {
	class := s.p.Classes[p.class]
	scores, costs := class.Score, class.Cost
	class.Count, class.Nodes, class.Score, class.Cost = p.count, make([]int32, 0, len(p.nodes)), nil, nil
	for _, node := range p.nodes {
		if s.slots[int(node)*s.classes+p.class] == 0 {
			continue
		}
		class.Nodes = append(class.Nodes, s.local[node])
		if len(scores) > 0 {
			class.Score = append(class.Score, scores[s.index[p.class][node]])
		}
		if len(costs) > 0 {
			class.Cost = append(class.Cost, costs[s.index[p.class][node]])
		}
	}
	return class
}

// window shows the planner of a smaller problem the Space of the whole one.
type window struct {
	space   gang.Space
	classes []int
	nodes   []int32
}

func (w *window) Place(class int, node int32) (bool, error) {
	return w.space.Place(w.classes[class], w.nodes[node])
}

func (w *window) Undo() error { return w.space.Undo() }

func (s *search) counts() []int {
	counts := make([]int, s.classes)
	for c, class := range s.p.Classes {
		counts[c] = class.Count
	}
	return counts
}

// note keeps how far an attempt came.
func (s *search) note(fit []int) {
	if s.attempt == nil || sum(fit) > sum(s.attempt) {
		s.attempt = slices.Clone(fit)
	}
}

func sum(counts []int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}
