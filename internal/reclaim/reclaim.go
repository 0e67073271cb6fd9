package reclaim

import (
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// Problem is one gang that waits, the claimant, and everything that runs and might be evicted for it.
type Problem struct {
	// Gang is what has to be placed. Free of its nodes is what is free now, with the room of pods that are leaving anyway;
	// Nodes of its classes are where members may go once units are gone. Only its Need has to fit.
	Gang gang.Problem
	// Topology is what the claimant asks of where its members are, among the nodes of Gang; nil: nothing. Victims are sought in
	// the domains that it can have.
	Topology *topology.Request
	// Queue is the claimant's queue, Asked what its minimum asks of it, and Firm whether only a guarantee may cover that.
	// Asked is not charged in Ledger.
	Queue string
	Asked resource.Amounts
	Firm  bool
	// Units are what may be evicted as far as its own rules go: no firm gangs, none younger than the minRuntime of its
	// queue, none that is being bound. Whether the queues and the PodDisruptionBudgets allow it is decided here.
	Units []Unit
	// Disruptions is how many pods each PodDisruptionBudget still allows to evict.
	Disruptions []int
	// Ledger has the queues and their usage, with that of Units. Decide works on a copy.
	Ledger *ledger.Ledger
	// MaxRatio bounds how much may be evicted of the resource that Asked is dominated by, as a multiple of what is asked of
	// it: GPUs if any are asked, else the resource of which Asked is the largest share of Capacity. 0 is no bound.
	MaxRatio float64
	// Capacity is what the cluster has, to tell the dominant resource. Without it that is CPU, if no GPUs are asked.
	Capacity resource.Amounts
	// Budget is the number of steps after which searching ends; 0 stands for DefaultBudget. A step looks at one node or one
	// unit; one call of Verify counts for VerifySteps.
	Budget int
	// Verify asks whether the complete gang can be placed when exactly these units are gone, where arithmetic cannot tell.
	// It is assumed that with more units gone the answer never turns from yes to no. Nil where members share nothing but
	// resources. An error ends the decision.
	Verify func(gone []int) (bool, error)
}

// Unit is a set of pods that may be evicted together without leaving a gang half alive.
type Unit struct {
	// Gang is the identity of the gang that the pods belong to.
	Gang string
	// Rest marks the minimum of a gang: when it goes, all other units of the gang have to go. Every other unit is a member
	// beyond the minimum. A gang has at most one Rest.
	Rest bool
	// Queue is the gang's queue.
	Queue    string
	Priority int32
	// Preempt says that the gang is in the claimant's own queue and has a lower priority, so that no guarantee is asked.
	Preempt bool
	Pods    []Pod
	// Budgets has for each pod that a PodDisruptionBudget protects the index of that in Problem.Disruptions, so an index as
	// often as there are such pods.
	Budgets []int
	// Usage is what the queue gets back.
	Usage resource.Amounts
	// Lost is the work that an eviction would destroy, in GPU-seconds.
	Lost int64
	// Started is when the youngest of the pods started.
	Started time.Time
}

// Pod is one pod of a unit.
type Pod struct {
	// Node is the index of its node in Problem.Gang.Nodes, or -1 for a node that is not among them.
	Node int32
	// Amount is what the node gets back, of the table of the problem's vectors.
	Amount resource.Vector
}

// Decision is the answer to a Problem.
type Decision struct {
	// Result is Placed when evicting Victims makes the claimant's minimum fit its nodes and its quota, Impossible when it is
	// proved that no victims would, and BudgetSpent when neither is known.
	Result gang.Result
	// Victims are indices of Problem.Units, in an order in which each may be taken. None of them can be spared. Empty
	// unless Placed, and when the gang fits as it is.
	Victims []int
	// Runs is the plan of topology.Plan for exactly the room that the victims leave. Nil unless Placed.
	Runs []gang.Run
	// Evicted is what the victims use, and Ratio how many times what is asked that is, of the dominant resource.
	Evicted resource.Amounts
	Ratio   float64
	// Why is the decision in words and numbers.
	Why string
}

const (
	// DefaultBudget is some 100 to 500 ms without Verify, and 128 calls of Verify.
	DefaultBudget = 1 << 20
	// VerifySteps is the number of steps for which one call of Verify counts.
	VerifySteps = 1 << 13
)

// Decide says which units have to be evicted so that the claimant fits, or that there are none. It depends on nothing
// but p, of which it changes nothing, and gives equal answers to equal questions. The error is the one of Verify.
func Decide(p Problem) (Decision, error) {
	d := newDecider(p)
	decision, err := d.decide()
	if err != nil {
		return decision, err
	}
	return d.nearer(decision)
}
