package simulate

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reclaim"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// decision is what can be done about a gang as things are. Making one changes nothing.
type decision struct {
	// runs place the gang: now, or once the victims have left. at has the node of each pending member if that is now, and nil
	// where they are all the same.
	runs    []gang.Run
	at      []int32
	victims []offer
	// verdict is why it can not start at once.
	verdict gang.Verdict
	// near is what matters of the layouts of nodes; nil for nothing.
	near *near
}

// try does what can be done about the gang whose turn it is.
func (s *Simulation) try(turn dispatch.Turn) error {
	// The gang is charged already, unless a limit is in its way.
	c := s.claims[turn.ID]
	d, err := s.decide(turn.Gang, c, turn.Over, turn.Over == nil)
	switch {
	case err != nil:
		return fmt.Errorf("deciding about gang %q: %w", turn.ID, err)
	case d.runs == nil:
		return s.block(turn, d)
	case len(d.victims) > 0:
		s.makeRoom(turn, d)
	default:
		s.place(turn, d)
	}
	return nil
}

// decide finds a place for a gang, or victims whose room it can have. over is what forbids it to start without victims, and
// charged says that the ledger counts the gang already. Nothing changes by it.
func (s *Simulation) decide(g dispatch.Gang, c claim, over *ledger.Refusal, charged bool) (decision, error) {
	var until time.Time
	if g.Runtime > 0 {
		until = s.now.Add(g.Runtime)
	}
	room, held := s.roomFor(g.ID, until)
	p, request := s.problem(g, room), s.request(c)
	d := decision{near: s.near(g.ID, c.job)}
	if over == nil {
		answer, err := topology.Plan(p, request, d.near.space())
		if err != nil || answer.Result == gang.Placed {
			return decision{runs: answer.Runs, at: answer.At}, err
		}
		d.verdict, err = s.noRoom(g, p, request, d.near, answer, len(held) > 0)
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
	return s.seekVictims(g, p, request, s.offers(g, held), d)
}

// seekVictims adds to a decision who has to leave for a gang that the ledger does not count, if that helps.
func (s *Simulation) seekVictims(g dispatch.Gang, p gang.Problem, request *topology.Request, offers []offer, d decision) (decision, error) {
	if len(offers) == 0 {
		return d, nil
	}
	units := make([]reclaim.Unit, len(offers))
	for i := range offers {
		units[i] = offers[i].unit
	}
	problem := reclaim.Problem{
		Gang: p, Topology: request, Queue: g.Queue, Asked: g.Amount, Firm: g.Firm, Units: units, Ledger: s.dispatcher.Ledger, Capacity: s.capacity(), MaxRatio: s.options.MaxRatio,
	}
	var exact topology.Answer
	if d.near != nil {
		problem.Verify = func(gone []int) (fits bool, err error) {
			exact, err = d.near.planWithout(p, request, offers, gone)
			return exact.Result == gang.Placed, err
		}
	}
	answer, err := reclaim.Decide(problem)
	if err != nil || answer.Result != gang.Placed {
		return d, err
	}
	runs := answer.Runs
	if d.near != nil {
		if fits, err := problem.Verify(answer.Victims); err != nil || !fits {
			return d, err
		}
		runs = exact.Runs
	}
	d.runs = runs
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
func (s *Simulation) noRoom(g dispatch.Gang, p gang.Problem, request *topology.Request, n *near, answer topology.Answer, held bool) (gang.Verdict, error) {
	if answer.Fault != "" {
		return gang.Verdict{Reason: gang.TopologyNotFound, Message: answer.Fault}, nil
	}
	if !s.cluster.holds(p) {
		return gang.Verdict{Reason: gang.ExceedsCluster, Message: fmt.Sprintf("%d members of this size do not fit the cluster even if nothing else runs", p.Need.Total)}, nil
	}
	if request != nil {
		empty, err := topology.Plan(s.cluster.emptied(p), request, nil)
		if err != nil || empty.Result == gang.Impossible {
			return gang.Verdict{Reason: gang.ExceedsCluster, Message: "the minimum would not fit in one domain if nothing else ran" + inDomains(empty.Domains)}, err
		}
	}
	if held {
		unheld := p
		unheld.Nodes = s.cluster.free
		all, err := topology.Plan(unheld, request, n.unbarred().space())
		if err != nil || all.Result == gang.Placed {
			return gang.Verdict{Reason: gang.Reserved, Message: "there is room, but it is kept for " + s.holders(g.ID)}, err
		}
	}
	verdict := gang.Verdict{Reason: gang.Unschedulable, Message: fmt.Sprintf("%d of %d members fit", answer.Total(), p.Need.Total) + n.why()}
	if request == nil {
		return verdict, nil
	}
	verdict.Message += inDomains(answer.Domains)
	anywhere, err := gang.Plan(p, n.space())
	if err == nil && anywhere.Result == gang.Placed {
		verdict = gang.Verdict{Reason: gang.TopologyNotMet, Message: fmt.Sprintf("there is room for the %d members that have to start together, but not in one domain%s", p.Need.Total, inDomains(answer.Domains))}
	}
	return verdict, err
}

// inDomains continues a sentence with the domains that have the most room.
func inDomains(refusals []topology.Refusal) string {
	words := make([]string, len(refusals))
	for i, refusal := range refusals {
		words[i] = refusal.String()
	}
	if len(words) == 0 {
		return ""
	}
	return ": " + strings.Join(words, ", ")
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
func (s *Simulation) place(turn dispatch.Turn, d decision) {
	c := s.claims[turn.ID]
	delete(s.claims, turn.ID)
	s.record.served(turn.ID, s.now)
	j := c.job
	if s.options.Audit {
		// Who was admitted before a limit was lowered starts when its victims have left.
		limits := !turn.FreedFor || !s.disturbed
		defer func() {
			s.broken = errors.Join(s.broken, s.auditTopology(j))
			if limits {
				s.broken = errors.Join(s.broken, s.auditLimits(j))
			}
		}()
	}
	s.dispatcher.Placed(turn.ID)
	pending := s.pending(c)
	for i, at := range d.nodes() {
		s.bind(j, pending[i], at)
	}
	if c.member < 0 {
		j.claimed = false
		s.complete(j, s.now)
	}
}

// nodes are those of the pending members, in their order.
func (d decision) nodes() []int32 {
	if d.at != nil {
		return d.at
	}
	var nodes []int32
	for _, run := range d.runs {
		nodes = append(nodes, slices.Repeat([]int32{run.Node}, run.Count)...)
	}
	return nodes
}

// block puts a gang back into its line, and keeps room for it if it is among the first.
func (s *Simulation) block(turn dispatch.Turn, d decision) error {
	var again time.Time
	before, wake := s.dispatcher.HoldsAgainst(""), dispatch.WhenItFits
	if d.near != nil {
		wake = dispatch.WhenRoomIsFreed
	}
	if reason := d.verdict.Reason; !turn.Elastic && (reason.WantsRoom() || reason == gang.Reserved) && s.dispatcher.MayReserve(turn.ID) {
		var err error
		if again, err = s.reserve(turn.Gang, d.near); err != nil {
			return fmt.Errorf("keeping room for gang %q: %w", turn.ID, err)
		}
	}
	s.dispatcher.Block(turn.ID, dispatch.Blocked{Verdict: d.verdict, Wake: wake, Again: again}, s.now)
	s.soughtAt = s.now
	s.moved = s.moved || !reflect.DeepEqual(before, s.dispatcher.HoldsAgainst(""))
	return nil
}

// reserve keeps room for a gang from the time on at which it can start, and returns when to look at it again. It knows no
// layouts: for a gang that only they keep back from starting now, no room is kept.
func (s *Simulation) reserve(g dispatch.Gang, n *near) (again time.Time, err error) {
	p := s.ahead(g, s.claims[g.ID])
	ahead, own, behind := s.dispatcher.Holds(g.ID)
	p.Holds = ahead
	hold, start, err := reservation.Renew(p, own, behind)
	if err != nil || start.Result != gang.Placed {
		return time.Time{}, err
	}
	if n != nil && start.Known && !start.At.After(s.now) {
		s.dispatcher.Unreserve(g.ID)
		return time.Time{}, nil
	}
	again = s.dispatcher.Reserve(g.ID, hold, start, s.now)
	if again.After(s.now) {
		s.at(again, event{kind: looks})
	}
	return again, nil
}

// ahead asks when a gang can start.
func (s *Simulation) ahead(g dispatch.Gang, c claim) reservation.Problem {
	names := make([]string, len(s.cluster.nodes))
	for at := range names {
		names[at] = s.cluster.nodes[at].name
	}
	return reservation.Problem{
		Table: s.table, Gang: s.problem(g, nil), Topology: s.request(c), Nodes: s.dispatcher.Ahead(s.table, names, s.now),
		Holds: s.dispatcher.HoldsAgainst(g.ID), Now: s.now, Runtime: g.Runtime,
	}
}
