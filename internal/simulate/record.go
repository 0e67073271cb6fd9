package simulate

import (
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// record is what a simulation will tell.
type record struct {
	queues      []string
	queue       []int32 // of each job
	changes     []Change
	entitlement []Shares
	evictions   []Eviction
}

func (r *record) begin(s *Simulation) {
	for _, j := range s.jobs {
		r.queues = append(r.queues, j.Queue)
	}
	slices.Sort(r.queues)
	r.queues = slices.Compact(r.queues)
	for _, j := range s.jobs {
		at, _ := slices.BinarySearch(r.queues, j.Queue)
		r.queue = append(r.queue, int32(at))
	}
	r.shares(s)
}

// shares notes what queues are entitled to from now on.
func (r *record) shares(s *Simulation) {
	shares := Shares{At: s.now, Capacity: s.capacity()}
	for _, queue := range r.queues {
		shares.Fair = append(shares.Fair, s.dispatcher.Ledger.FairShare(queue))
	}
	r.entitlement = append(r.entitlement, shares)
}

// change is the step of a queue at this moment; steps of one moment are one.
func (r *record) change(s *Simulation, j *job) *Change {
	queue := r.queue[j.index]
	for i := len(r.changes) - 1; i >= 0 && r.changes[i].At.Equal(s.now); i-- {
		if r.changes[i].Queue == queue {
			return &r.changes[i]
		}
	}
	r.changes = append(r.changes, Change{At: s.now, Queue: queue})
	return &r.changes[len(r.changes)-1]
}

// used notes that members of a job came or, where count is negative, went.
func (r *record) used(s *Simulation, j *job, count int64) {
	c := r.change(s, j)
	if c.Used == nil {
		c.Used = make(resource.Vector, s.table.Len())
	}
	for d, amount := range j.request {
		c.Used[d] = resource.Sum(c.Used[d], resource.Product(amount, count))
	}
}

func (r *record) waiting(s *Simulation, j *job, count int) { r.change(s, j).Waiting += count }

// served notes that a claim is bound for which others had to leave, or that it is gone: its own gang had to leave as well.
func (r *record) served(claim string, now time.Time) {
	for i := len(r.evictions) - 1; i >= 0; i-- {
		if e := &r.evictions[i]; e.claim == claim && e.Served.IsZero() {
			e.Served = now
		}
	}
}

// Result is what has become of the workload so far. The simulation may go on after it.
func (s *Simulation) Result() Result {
	r := Result{
		Start: s.start, End: s.now, Table: s.table,
		Queues: s.record.queues, Changes: s.record.changes, Shares: s.record.entitlement, Evictions: s.record.evictions,
	}
	for _, j := range s.jobs {
		o := j.outcome
		o.Bound = j.running()
		if !j.done && j.arrived {
			o.Verdict = s.verdict(j)
			if !j.waitingSince.IsZero() {
				o.Waited += s.now.Sub(j.waitingSince)
			}
		}
		r.Gangs = append(r.Gangs, o)
	}
	return r
}
