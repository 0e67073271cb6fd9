package simulate

import (
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Result is what became of a workload.
type Result struct {
	// Start is the first arrival, End when the last thing happened.
	Start, End time.Time
	// Gangs has one entry for each gang of the workload, in its order.
	Gangs []Outcome
	// Queues names the queues that gangs ask for, sorted. Change.Queue is an index in here.
	Queues []string
	// Table has the resources of Change.Used.
	Table *resource.Table
	// Changes is how use and demand went up and down, in the order of time.
	Changes []Change
	// Shares is what the queues were entitled to, from the first entry's time on until the next one's.
	Shares []Shares
	// Evictions is who had to leave for whom, in the order of time.
	Evictions []Eviction
}

// Outcome is what became of one gang.
type Outcome struct {
	Gang Gang
	// FirstStart is when its minimum was bound for the first time, Start for the last time; zero for never, and Start is zero
	// while the gang waits again.
	FirstStart, Start time.Time
	// End is when it was done; zero where it was not.
	End time.Time
	// Waited is all the time in which it had arrived, was not done and did not run with its minimum.
	Waited time.Duration
	// Bound is how many members are bound at the end, and EvictedPods how many evictions they have seen.
	Bound, EvictedPods int
	// Verdict is why its minimum, or another member, still waits at the end.
	Verdict gang.Verdict
}

// Change is a step in what a queue uses and how many of its gangs wait.
type Change struct {
	At    time.Time
	Queue int32
	// Used is what came (or, negative, went); nil for nothing.
	Used resource.Vector
	// Waiting is how many gangs more (or, negative, fewer) wait for their minimum.
	Waiting int
}

// Shares is what the cluster has and what it entitles queues to.
type Shares struct {
	At       time.Time
	Capacity resource.Amounts
	// Fair has one entry for each of Result.Queues: its guarantee and its weighted share of the rest, as of ledger.FairShare.
	Fair []resource.Amounts
}

// Eviction is the pods of one gang that had to leave, at one time and for one other.
type Eviction struct {
	At time.Time
	// Gang is who left, For for whom, as indices of Result.Gangs; For is -1 where the gang's queue is drained.
	Gang, For int
	// Decision numbers the decisions to evict: all that leave by one and the same have one number.
	Decision int
	// Pods is how many, Whole that the gang fell below its minimum by it.
	Pods  int
	Whole bool
	// Used is what they held, Asked what the other's minimum asks for.
	Used, Asked resource.Amounts
	// Served is when the other was bound, or gave up; zero before.
	Served time.Time
	// LostGPUSeconds is how many GPUs they held, times how long they had.
	LostGPUSeconds int64

	claim string
}
