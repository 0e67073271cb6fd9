// Package simulate lets a cluster and its workload run in virtual time, with the packages that the live scheduler decides
// with: whose turn it is (dispatch, ledger), where a gang goes (gang), who has to leave (reclaim) and who may go ahead
// (reservation). Equal inputs give equal results, on every machine.
//
// What a real cluster adds is left out: nodes differ only in what they offer, how it is laid out and where they are (no taints), the members
// of a gang are equal, binding takes no time, and nothing fails unless a step says so.
package simulate

import (
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// GPU is the resource by which work is measured: lost GPU-seconds, classes of gang sizes.
const GPU = "nvidia.com/gpu"

// Pods is the resource of which every pod asks for one.
const Pods = "pods"

// Hostname is the label that every node has.
const Hostname = "kubernetes.io/hostname"

// Node is what one node offers.
type Node struct {
	Name        string
	Allocatable resource.Amounts
	// Labels say in which domains of Topologies the node is. Hostname is its name if absent.
	Labels map[string]string
	// Layout says which of its GPUs are near each other; nil: it does not tell.
	Layout *Layout
}

// Layout divides the GPUs of a node. Nothing else is aligned: pods ask for no CPUs of their own.
type Layout struct {
	// Policy is the topology manager policy of the kubelet, empty for none. Pods have one container, so its scope is of no account.
	Policy numa.Policy
	// NUMA are the GPUs of each NUMA node, NVLink those of each NVLink island: two ways to divide the same GPUs.
	NUMA, NVLink []int64
}

// Topology says how nodes are laid out.
type Topology struct {
	Name string
	// NodeSelector are the labels of the nodes that it describes; empty: all nodes.
	NodeSelector map[string]string
	// Levels are the widest first.
	Levels []topology.Level
}

// Gang is one job of the workload.
type Gang struct {
	// Name is unique among the gangs of a simulation.
	Name  string
	Queue string
	// Priority counts inside the queue, the higher first.
	Priority int32
	Arrival  time.Time
	// Pods is the number of members, at least 1; Min of them start together, at least 1 and at most Pods. The others come
	// and go one by one.
	Pods, Min int
	// Request is what one member asks for, one of Pods included.
	Request resource.Amounts
	// Duration is how long the gang runs, from the moment when its minimum is bound; 0 is for ever. After an eviction, or
	// when it loses a member of its minimum, it runs for the whole time again.
	Duration time.Duration
	// Expected is what the scheduler is told of the duration; 0 is nothing.
	Expected time.Duration
	// Firm gangs are never a victim and use only what is guaranteed to their queue (preemptible: "false").
	Firm bool
	// Topology is what is asked of where the members are.
	Topology Wants
	// Near is how near the GPUs of each member have to be.
	Near numa.Locality
	// Bound are the nodes of members that run when the simulation begins, one entry for each; at least Min of them, or
	// none. Started is since when. Such a gang is there from the beginning; Arrival is only its age.
	Bound   []string
	Started time.Time
}

// Wants is what a gang asks of where its members are, by levels of Topologies.
type Wants struct {
	// Gang is asked of all members together.
	Gang topology.Want
	// Segment divides the members into parts of so many consecutive ones; 0 leaves them one part.
	Segment int
	// Part is asked of each part.
	Part topology.Want
}

// Options is the policy that is tried out, and the limits of the simulation itself.
type Options struct {
	// Dispatch is how many gangs hold a reservation at a time, and what else the dispatcher lets one choose.
	Dispatch dispatch.Options
	// MaxRatio bounds what is evicted for a gang to so many times what it asks for, as reclaim.Problem says; 0 is no bound.
	MaxRatio float64
	// HalfLife of past usage in the order of queues; 0 is none.
	HalfLife time.Duration
	// Grace is how long an evicted pod takes to leave its node.
	Grace time.Duration
	// Audit checks after every moment what must always hold, and lets the simulation fail where it does not. It takes long.
	Audit bool
}

// Workload is all that a simulation starts from.
type Workload struct {
	// Start is when the simulation begins; zero is the first arrival.
	Start  time.Time
	Nodes  []Node
	Queues []ledger.Queue
	// Topologies do not change.
	Topologies []Topology
	// Gangs arrive by their Arrival, those of one moment in the order of this slice.
	Gangs []Gang
	// Steps are what else happens, in the order of time.
	Steps []Step
}

// Step is a change from outside. What it names is done in the order of the fields.
type Step struct {
	At           time.Time
	SetQueues    []ledger.Queue // new ones, and old ones with all their fields
	DeleteQueues []string
	AddNodes     []Node
	LoseNodes    []string // with all pods on them
	Withdraw     []string // gangs that their users delete
}
