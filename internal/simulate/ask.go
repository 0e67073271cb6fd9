package simulate

import (
	"fmt"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
)

// Prospect is what would become of a gang.
type Prospect string

// From best to worst.
const (
	StartsNow      Prospect = "startsNow"
	AfterEvictions Prospect = "afterEvictions"
	Later          Prospect = "later"
	Never          Prospect = "never"
)

// Answer is what would become of a gang that arrived now.
type Answer struct {
	Prospect Prospect
	// Victims is how many pods of each gang would have to leave.
	Victims map[string]int
	// Verdict is why it does not start at once.
	Verdict gang.Verdict
	// At is when it would start if all expected run times held and nobody went ahead; zero for unknown.
	At time.Time
}

// Ask says what would become of a gang if it arrived now and it were its turn. Nothing changes by it.
func (s *Simulation) Ask(g Gang) (Answer, error) {
	request, err := s.table.Vector(g.Request)
	if err != nil {
		return Answer{}, fmt.Errorf("asking about gang %q: %w", g.Name, err)
	}
	asked := claim{job: newJob(g, request), member: -1}
	claim := s.minimum(asked.job, g.Min)
	if gated := s.dispatcher.Gated(g.Queue); gated.Reason != gang.None {
		return Answer{Prospect: Never, Verdict: gated}, nil
	}
	over := s.dispatcher.Ledger.Check(g.Queue, claim.Amount, g.Firm)
	if over != nil && over.Never() {
		return Answer{Prospect: Never, Verdict: gang.Verdict{Reason: gang.ExceedsLimit, Message: over.String()}}, nil
	}
	d, err := s.decide(claim, asked, over, false)
	if err != nil {
		return Answer{}, fmt.Errorf("asking about gang %q: %w", g.Name, err)
	}
	answer := Answer{Prospect: Later, Verdict: d.verdict}
	switch {
	case len(d.victims) > 0:
		answer.Prospect, answer.Victims = AfterEvictions, map[string]int{}
		for _, o := range d.victims {
			answer.Victims[o.job.Name] += len(o.members)
		}
	case d.runs != nil:
		answer.Prospect = StartsNow
		answer.At = s.now
	case d.verdict.Reason == gang.ExceedsCluster || d.verdict.Reason == gang.TopologyNotFound:
		answer.Prospect = Never
	case d.verdict.Reason != gang.QuotaExceeded:
		start, err := reservation.Earliest(s.ahead(claim, asked))
		if err != nil {
			return Answer{}, fmt.Errorf("asking when gang %q starts: %w", g.Name, err)
		}
		if d.near == nil || start.At.After(s.now) {
			answer.At = start.At
		}
	}
	return answer, nil
}

// minimum is the claim of so many members of a job.
func (s *Simulation) minimum(j *job, count int) dispatch.Gang {
	return dispatch.Gang{
		ID: j.Name, Queue: j.Queue, Priority: j.Priority, Born: j.Arrival, Shape: s.shape(j, count),
		Amount:  j.Request.Times(int64(count)),
		Members: []dispatch.Members{{Count: count, Amount: j.Request}},
		Runtime: j.Expected, Firm: j.Firm,
	}
}

// shape is equal for claims that no placement can tell apart: where some members run already, domains tell them apart.
func (s *Simulation) shape(j *job, count int) string {
	shape := fmt.Sprint(count, j.request, j.Near)
	if j.Topology == (Wants{}) {
		return shape
	}
	shape += fmt.Sprint(j.Pods, j.Topology)
	if j.running() > 0 {
		shape += j.Name
	}
	return shape
}
