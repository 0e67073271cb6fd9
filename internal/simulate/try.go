package simulate

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reclaim"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// decision is what can be done about a gang as things are. Making one changes nothing.
type decision struct {
	// runs place the gang: now, or once the victims have left.
	runs    []gang.Run
	victims []offer
	// verdict is why it can not start at once.
	verdict gang.Verdict
}

// try does what can be done about the gang whose turn it is.
func (s *Simulation) try(turn dispatch.Turn) error {
	// The gang is charged already, unless a limit is in its way.
	d, err := s.decide(turn.Gang, turn.Over, turn.Over == nil)
	switch {
	case err != nil:
		return fmt.Errorf("deciding about gang %q: %w", turn.ID, err)
	case d.runs == nil:
		return s.block(turn, d)
	case len(d.victims) > 0:
		s.makeRoom(turn, d)
	default:
		s.place(turn, d.runs)
	}
	return nil
}

// decide finds a place for a gang, or victims whose room it can have. over is what forbids it to start without victims, and
// charged says that the ledger counts the gang already. Nothing changes by it.
func (s *Simulation) decide(g dispatch.Gang, over *ledger.Refusal, charged bool) (decision, error) {
	var until time.Time
	if g.Runtime > 0 {
		until = s.now.Add(g.Runtime)
	}
	room, held := s.roomFor(g.ID, until)
	p := s.problem(g, room)
	var d decision
	if over == nil {
		out, err := gang.Plan(p, nil)
		if err != nil || out.Result == gang.Placed {
			return decision{runs: out.Runs}, err
		}
		d.verdict, err = s.noRoom(g, p, out, len(held) > 0)
		if err != nil {
			return d, err
		}
	} else {
		d.verdict = gang.Verdict{Reason: gang.QuotaExceeded, Message: over.String()}
	}
	if g.Elastic {
		return d, nil
	}
	if charged {
		s.dispatcher.Ledger.Release(g.Queue, g.Amount, g.Firm)
		defer s.dispatcher.Ledger.Charge(g.Queue, g.Amount, g.Firm)
	}
	offers := s.offers(g, held)
	if len(offers) == 0 {
		return d, nil
	}
	units := make([]reclaim.Unit, len(offers))
	for i := range offers {
		units[i] = offers[i].unit
	}
	answer, err := reclaim.Decide(reclaim.Problem{
		Gang: p, Queue: g.Queue, Asked: g.Amount, Firm: g.Firm, Units: units, Ledger: s.dispatcher.Ledger, Capacity: s.capacity(), MaxRatio: s.options.MaxRatio,
	})
	if err != nil || answer.Result != gang.Placed {
		return d, err
	}
	d.runs = answer.Runs
	for _, victim := range answer.Victims {
		d.victims = append(d.victims, offers[victim])
	}
	d.verdict = gang.Verdict{Reason: gang.MakingRoom, Message: answer.Why}
	return d, nil
}

// problem asks for a place of all members of a claim. Members of one gang are equal here.
func (s *Simulation) problem(g dispatch.Gang, room []gang.Node) gang.Problem {
	p := gang.Problem{Nodes: room}
	for _, members := range g.Members {
		request := make(resource.Vector, s.table.Len())
		for d := range request {
			request[d] = members.Amount[s.table.Name(d)]
		}
		p.Classes = append(p.Classes, gang.Class{Count: members.Count, Request: request, Nodes: s.cluster.alive})
		p.Need.Total += members.Count
	}
	return p
}

// noRoom says why a gang that its queue would let start has no place.
func (s *Simulation) noRoom(g dispatch.Gang, p gang.Problem, out gang.Outcome, held bool) (gang.Verdict, error) {
	if !s.cluster.holds(p) {
		return gang.Verdict{Reason: gang.ExceedsCluster, Message: fmt.Sprintf("%d members of this size do not fit the cluster even if nothing else runs", p.Need.Total)}, nil
	}
	verdict := gang.Verdict{Reason: gang.Unschedulable, Message: fmt.Sprintf("%d of %d members fit", out.Total(), p.Need.Total)}
	if !held {
		return verdict, nil
	}
	p.Nodes = s.cluster.free
	all, err := gang.Plan(p, nil)
	if err == nil && all.Result == gang.Placed {
		verdict = gang.Verdict{Reason: gang.Reserved, Message: "there is room, but it is kept for " + s.holders(g.ID)}
	}
	return verdict, err
}

// holders names the others for whom room is kept.
func (s *Simulation) holders(id string) string {
	holds := s.dispatcher.HoldsAgainst(id)
	words := fmt.Sprintf("gang %s", holds[0].Gang)
	if more := len(holds) - 1; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// place binds what a plan places.
func (s *Simulation) place(turn dispatch.Turn, runs []gang.Run) {
	c := s.claims[turn.ID]
	delete(s.claims, turn.ID)
	s.record.served(turn.ID, s.now)
	// Who was admitted before a limit was lowered starts when its victims have left.
	if s.options.Audit && !(turn.FreedFor && s.disturbed) {
		defer func() { s.broken = errors.Join(s.broken, s.auditLimits(c.job)) }()
	}
	s.dispatcher.Placed(turn.ID)
	j := c.job
	if c.member >= 0 {
		s.bind(j, c.member, runs[0].Node)
		return
	}
	j.claimed = false
	next := int32(0)
	for _, run := range runs {
		for range run.Count {
			for j.members[next].node >= 0 {
				next++
			}
			s.bind(j, next, run.Node)
		}
	}
	s.complete(j, s.now)
}

// block puts a gang back into its line, and keeps room for it if it is among the first.
func (s *Simulation) block(turn dispatch.Turn, d decision) error {
	var again time.Time
	before := s.dispatcher.HoldsAgainst("")
	if reason := d.verdict.Reason; !turn.Elastic && (reason == gang.Unschedulable || reason == gang.Reserved) && s.dispatcher.MayReserve(turn.ID) {
		var err error
		if again, err = s.reserve(turn.Gang); err != nil {
			return fmt.Errorf("keeping room for gang %q: %w", turn.ID, err)
		}
	}
	s.dispatcher.Block(turn.ID, dispatch.Blocked{Verdict: d.verdict, Wake: dispatch.WhenItFits, Again: again}, s.now)
	s.soughtAt = s.now
	s.moved = s.moved || !reflect.DeepEqual(before, s.dispatcher.HoldsAgainst(""))
	return nil
}

// reserve keeps room for a gang from the time on at which it can start, and returns when to look at it again.
func (s *Simulation) reserve(g dispatch.Gang) (again time.Time, err error) {
	p := s.ahead(g)
	ahead, own, behind := s.dispatcher.Holds(g.ID)
	p.Holds = ahead
	hold, start, err := reservation.Renew(p, own, behind)
	if err != nil || start.Result != gang.Placed {
		return time.Time{}, err
	}
	again = s.dispatcher.Reserve(g.ID, hold, start, s.now)
	if again.After(s.now) {
		s.at(again, event{kind: looks})
	}
	return again, nil
}

// ahead asks when a gang can start.
func (s *Simulation) ahead(g dispatch.Gang) reservation.Problem {
	names := make([]string, len(s.cluster.nodes))
	for at := range names {
		names[at] = s.cluster.nodes[at].name
	}
	return reservation.Problem{
		Table: s.table, Gang: s.problem(g, nil), Nodes: s.dispatcher.Ahead(s.table, names, s.now),
		Holds: s.dispatcher.HoldsAgainst(g.ID), Now: s.now, Runtime: g.Runtime,
	}
}
