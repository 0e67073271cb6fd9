package gang

import (
	"cmp"
	"fmt"

	"github.com/muster-scheduling/muster/internal/resource"
)

// How a plan is found. Each step is tried only where the ones before left the question open:
//
//  1. Bounds (plan_bound.go): room counted per class, per role, for all members together and per resource. What they
//     exclude is impossible, whatever the order of placing, so an attempt that must fail mostly ends here.
//  2. Filling (plan_fill.go): one class after the other, the most constrained first, onto nodes in packing order (plan_pack.go).
//     For a single class without a Space this is exact; for most gangs it is enough.
//  3. Exact search. Without a Space the members only share resources, so all that matters of the nodes so far is how many
//     members of each class they can hold, and of that only the maxima (plan_front.go). With a Space nothing is known
//     about how members constrain each other, so placements are tried one by one and taken back, the likely ones first,
//     and none is tried twice (plan_tryout.go).
//
// Exact search stops after Problem.Budget steps. Steps are counted, never timed: the same problem has the same outcome
// on every machine.

// Problem is one gang to place against one snapshot of the cluster.
type Problem struct {
	// Nodes are all nodes of the snapshot. Everywhere else a node is its index in here, and of two nodes that are equally
	// good the one with the lower index is taken.
	Nodes []Node
	// Classes are the members that wait to be placed. All vectors of a problem are of one resource.Table.
	Classes []Class
	// Need is what has to be placed together for a plan to be valid. When nothing is needed every plan is valid, the
	// empty one too, and members are placed as far as they fit.
	Need Need
	// Budget is the number of steps after which exact search stops; 0 stands for DefaultBudget. One step compares two
	// combinations; a call of Space.Place counts for 64.
	Budget int
}

// Node is what the planner knows about a node.
type Node struct {
	// Free is what may still be requested. Negative where the node is overcommitted.
	Free resource.Vector
	// Idle nodes run nothing that matters for packing. They are used only when the others do not suffice.
	Idle bool
}

// Class is a number of members that are equal in everything that decides where they may go.
type Class struct {
	// Role is the role that all members of the class have. Several classes may have one role.
	Role string
	// Count is the number of members that wait to be placed.
	Count int
	// Request is what one member asks for, on any node.
	Request resource.Vector
	// Nodes are the nodes on which a member may be placed if there is room, ascending. With a Space this includes the
	// nodes that it may come to accept only after other members are placed.
	Nodes []int32
	// Score prefers nodes, higher first, before any packing. It has one entry per entry of Nodes, or none at all.
	Score []int64
	// Cost is what a member spoils on a node for others that are to come, lower first. It counts among equal scores and
	// before all rules of packing, which decide between nodes of equal cost. It has one entry per entry of Nodes, or none
	// at all; internal/fragmentation computes it.
	Cost []int64
	// Spread puts each member on a node of its own as far as there are any, the emptiest first, instead of packing them.
	// Score still goes first; Cost is not looked at.
	Spread bool
}

// Space tells what arithmetic cannot: whether a member can be placed next to those that are placed already, where
// members constrain each other by affinity, spreading, ports, volumes or claims. The planner assumes that the answer
// depends on which members are placed where, and not on the order in which that was done. It asks only for nodes in
// Class.Nodes that have room for the request.
type Space interface {
	// Place puts one more member of a class on a node and reports whether it can be there; if not, nothing has changed.
	// An error ends the planning.
	Place(class int, node int32) (bool, error)
	// Undo takes back the last placement that is still there. Plan takes back all of them before it returns, unless a call
	// has failed.
	Undo() error
}

// Result is what became of planning.
type Result int

const (
	// Placed: there is a plan.
	Placed Result = iota
	// Impossible: it is proved that there is no valid plan.
	Impossible
	// BudgetSpent: no valid plan was found within the budget; there might be one.
	BudgetSpent
)

func (r Result) String() string {
	switch r {
	case Placed:
		return "Placed"
	case Impossible:
		return "Impossible"
	case BudgetSpent:
		return "BudgetSpent"
	}
	return fmt.Sprintf("Result(%d)", int(r))
}

// Outcome is the answer to a Problem.
type Outcome struct {
	Result Result
	// Runs is the plan, in an order in which every member can be placed. Nil unless Placed.
	Runs []Run
	// Fit is the number of members of each class that the plan places. Without a plan it belongs to the best attempt
	// that was seen: how far the gang comes with the present room.
	Fit []int
	// Steps is what planning took of the budget: exact search, and all calls of Space.Place.
	Steps int
}

// Total is the number of members, over all classes, that the plan (or the best attempt) places.
func (o Outcome) Total() int { return total(o.Fit) }

// Run places Count members of a class on a node.
type Run struct {
	Class int
	Node  int32
	Count int
}

// DefaultBudget is some 10 to 60 ms without a Space, and 16,384 calls of Space.Place.
const DefaultBudget = 1 << 20

// tryoutSteps is the number of steps for which one call of Space.Place counts.
const tryoutSteps = 64

// Plan places all members of a gang if it can, else what the gang needs and as many more as fit, else none. It takes
// only what it is given into account, changes none of it, and gives equal answers to equal questions; Plan may be called
// concurrently for different Spaces. space is nil where the members share nothing but resources. The error is the
// Space's.
func Plan(p Problem, space Space) (Outcome, error) {
	s := newSearch(p, space, cmp.Or(p.Budget, DefaultBudget))
	err := s.run()
	if err != nil {
		return Outcome{}, fmt.Errorf("planning a gang of %d members on %d nodes: %w", s.pending, len(p.Nodes), err)
	}
	return s.outcome(), nil
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
