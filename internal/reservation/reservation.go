// Package reservation looks ahead in time: when a gang that does not fit now will fit (Earliest), what of a node others may
// take until then (Spare), and how a reservation lives on when estimates turn out wrong (Renew). docs/backfill.md says
// how the parts work together.
//
// Room on a node at time t is what is allocatable, less the uses that have not ended at t, less the holds in force at t.
// All intervals contain their first instant and not their last. Everything here is a function of plain values and may be
// called concurrently; nothing that is passed in is changed. Amounts saturate, and room is negative where a node is
// overcommitted.
package reservation

import (
	"math"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// overdueGrace is how much longer a pod is taken to run, at least, that should have ended already.
const overdueGrace = time.Minute

// Node is one node with all that runs on it.
type Node struct {
	Name string
	// Allocatable and the amounts of Uses are of one resource.Table.
	Allocatable resource.Vector
	// Uses are the pods that are on the node now, or have their room there reserved: each of them counts now.
	Uses []Use
}

// Use is the room that a pod takes on its node from now on.
type Use struct {
	Amount resource.Vector
	// Since is when the pod started. It only matters for pods without Until; zero counts as just now.
	Since time.Time
	// Until is when the pod is expected to end, as told by ExpectedEnd; zero stands for never. A time that is not in
	// the future counts as a minute from now, since the pod is still there.
	Until time.Time
}

// Hold is room on named nodes kept for one gang from a time on. Others may take of it only what they give back before.
type Hold struct {
	// Gang is whose hold it is. The functions of this package do not look at it: a gang that asks leaves out its own.
	Gang string
	// Made is when the gang first got a hold, for Renew.
	Made time.Time
	// Start is when the gang is to start. A Start that has passed means that the gang is to start now and has not yet: the
	// hold is in force from now on, for its whole length. Zero: nobody knows when, the hold is in force from now on, for ever.
	Start time.Time
	// End is Start plus the gang's expected run time. Zero, or not after Start: the gang runs for ever.
	End time.Time
	// Amount is what is kept on each node, by the node's name. Nodes that are gone are ignored, and so are resources
	// that are not in the table of who asks, as it does not ask for them.
	Amount map[string]resource.Amounts
}

// ExpectedEnd is when a pod that has run since start is expected to end, given the run time that its user expects; zero,
// for never, where that is not positive. The result is always in the future: a pod that is overdue is taken to need as
// long again as it is overdue, and a minute at least, so that forecasts that hang on it move away ever faster and are
// off by at most a factor. A start in the future, as after a clock was set back, counts as now; so does a zero start.
func ExpectedEnd(start time.Time, runtime time.Duration, now time.Time) time.Time {
	if runtime <= 0 {
		return time.Time{}
	}
	if start.IsZero() || start.After(now) {
		start = now
	}
	end := start.Add(runtime)
	if end.After(now) {
		return end
	}
	return now.Add(max(overdueGrace, now.Sub(end)))
}

// Inside the package times are nanoseconds from now.
const forever = math.MaxInt64

func offset(now, t time.Time) int64 {
	if t.IsZero() {
		return forever
	}
	return int64(t.Sub(now)) // saturates
}

// end is when the use ends; always above 0.
func (u Use) end(now time.Time) int64 {
	if end := offset(now, u.Until); end > 0 {
		return end
	}
	return int64(overdueGrace)
}

// interval is when the hold is in force. from is never below 0.
func (h Hold) interval(now time.Time) (from, to int64) {
	if h.Start.IsZero() {
		return 0, forever
	}
	from = max(0, offset(now, h.Start))
	if h.End.IsZero() || !h.End.After(h.Start) {
		return from, forever
	}
	return from, resource.Sum(from, int64(h.End.Sub(h.Start)))
}

// Problem asks when a gang can start.
type Problem struct {
	// Table names the dimensions of all vectors in here. It has every resource that the gang asks for.
	Table *resource.Table
	// Gang is what to place. Its Classes and their Nodes speak of Nodes below; its own Nodes are not looked at. Where
	// members are more than needed, only what is needed counts. Constraints between members are not known here: such a gang
	// may still be refused at the time that is the answer, and is then no case for a hold, which would help nobody.
	Gang gang.Problem
	// Topology is what the gang asks of where its members are, among Nodes below; nil: nothing.
	Topology *topology.Request
	// Nodes are the nodes of the cluster with what runs there.
	Nodes []Node
	// Holds are those of other gangs.
	Holds []Hold
	Now   time.Time
	// Runtime is how long the gang is expected to run. Not positive: unknown, it needs its room for ever.
	Runtime time.Duration
}

func (p Problem) runtime() int64 {
	if p.Runtime <= 0 {
		return forever
	}
	return int64(p.Runtime)
}
