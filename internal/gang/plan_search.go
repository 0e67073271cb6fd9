package gang

import (
	"maps"
	"slices"
)

// search is the state of planning one gang: what is placed at present, and the best that was seen.
type search struct {
	Problem
	space   Space
	pending int
	roles   []roleNeed
	room    *room

	runs   []Run // placed at present, in order
	placed []int // by class

	best      []Run
	bestFit   []int
	bestValid bool

	refused       []int32 // the nodes with room on which the Space left no class go on, at the end of an attempt
	budget, steps int
	spent         bool // the exact search stopped early
}

// roleNeed is a role that needs members, and the classes that have it.
type roleNeed struct {
	need    int
	classes []int
}

func newSearch(p Problem, space Space, budget int) *search {
	s := &search{Problem: p, space: space, budget: budget, room: newRoom(p.Nodes, p.Classes)}
	s.placed = make([]int, len(p.Classes))
	s.bestFit = make([]int, len(p.Classes))
	for _, class := range p.Classes {
		s.pending += class.Count
	}
	for _, role := range slices.Sorted(maps.Keys(p.Need.Role)) {
		r := roleNeed{need: p.Need.Role[role]}
		for c, class := range p.Classes {
			if class.Role == role {
				r.classes = append(r.classes, c)
			}
		}
		s.roles = append(s.roles, r)
	}
	return s
}

// run goes through the steps that the comment at the top of plan.go explains.
func (s *search) run() error {
	b := newBounds(s)
	if !b.allow(s.Need.Total) {
		s.space = nil // it only takes away; how far the gang comes is told well enough without it
		return s.fillInTurns(b)
	}
	s.bestValid = s.valid(s.bestFit)
	if err := s.fillInTurns(b); err != nil {
		return err
	}
	if s.complete() || !b.allow(s.goal()) {
		return nil
	}
	if s.space != nil {
		return newTryout(s, b).run()
	}
	plan, exhaustive := newFront(s, b).run()
	s.spent = !exhaustive
	return s.follow(plan, s.allClasses())
}

// follow places what a plan says as far as the Space agrees, and fills up what that leaves.
func (s *search) follow(plan []Run, order []int) error {
	for _, run := range plan {
		if _, err := s.place(run.Class, run.Node, run.Count); err != nil {
			return err
		}
	}
	return s.attempt(order)
}

func (s *search) outcome() Outcome {
	o := Outcome{Fit: s.bestFit, Steps: s.steps}
	switch {
	case s.bestValid:
		o.Runs = s.best
	case s.spent:
		o.Result = BudgetSpent
	default:
		o.Result = Impossible
	}
	return o
}

// valid reports whether placing counts of each class covers the need.
func (s *search) valid(counts []int) bool {
	for _, role := range s.roles {
		n := 0
		for _, c := range role.classes {
			n += counts[c]
		}
		if n < role.need {
			return false
		}
	}
	return total(counts) >= s.Need.Total
}

// goal is the number of members that would be better than the best plan so far.
func (s *search) goal() int {
	if !s.bestValid {
		return s.Need.Total
	}
	return max(s.Need.Total, total(s.bestFit)+1)
}

// complete reports whether the best plan so far has all members.
func (s *search) complete() bool { return s.bestValid && total(s.bestFit) == s.pending }

// consider keeps what is placed at present if it is the best so far.
func (s *search) consider() {
	valid := s.valid(s.placed)
	if valid == s.bestValid && total(s.placed) <= total(s.bestFit) || s.bestValid && !valid {
		return
	}
	s.bestValid = valid
	s.bestFit = slices.Clone(s.placed)
	s.best = slices.Clone(s.runs)
}

// place puts up to n members of a class on a node, which has room for them, and reports how many the Space took.
func (s *search) place(class int, node int32, n int) (int, error) {
	taken := n
	if s.space != nil {
		taken = 0
		for range n {
			s.steps += tryoutSteps
			if ok, err := s.space.Place(class, node); err != nil {
				return 0, err
			} else if !ok {
				break
			}
			taken++
		}
	}
	if taken == 0 {
		return 0, nil
	}
	s.room.take(class, node, taken)
	s.placed[class] += taken
	if last := len(s.runs) - 1; last >= 0 && s.runs[last].Class == class && s.runs[last].Node == node {
		s.runs[last].Count += taken
	} else {
		s.runs = append(s.runs, Run{Class: class, Node: node, Count: taken})
	}
	return taken, nil
}

// undo takes back the member that was placed last.
func (s *search) undo() error {
	last := &s.runs[len(s.runs)-1]
	s.room.give(last.Class, last.Node, 1)
	s.placed[last.Class]--
	if last.Count--; last.Count == 0 {
		s.runs = s.runs[:len(s.runs)-1]
	}
	if s.space != nil {
		return s.space.Undo()
	}
	return nil
}

func (s *search) allClasses() []int {
	all := make([]int, len(s.Classes))
	for c := range all {
		all[c] = c
	}
	return all
}

// clear takes back everything.
func (s *search) clear() error {
	for len(s.runs) > 0 {
		if err := s.undo(); err != nil {
			return err
		}
	}
	return nil
}
