package simulate

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/reclaim"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// offer is a unit that may have to leave, and whose members it is.
type offer struct {
	unit    reclaim.Unit
	job     *job
	members []int32
}

// offers lists what may have to leave for a gang as far as its own rules go. On held nodes something is kept for others.
func (s *Simulation) offers(g dispatch.Gang, held map[int32]bool) []offer {
	own := s.claims[g.ID].job // nil for a gang that is only asked about
	var offers []offer
	for _, queue := range slices.Sorted(maps.Keys(s.victims)) {
		preempt := queue == g.Queue
		if !preempt && !s.dispatcher.Ledger.Entitled(g.Queue, queue, g.Amount) {
			continue
		}
		young := s.dispatcher.Ledger.MinRuntime(queue)
		for _, j := range s.victims[queue] {
			if j == own || preempt && j.Priority >= g.Priority || s.age(j) < young {
				continue
			}
			for _, o := range s.offersOf(j, held) {
				o.unit.Preempt = preempt
				offers = append(offers, o)
			}
		}
	}
	return offers
}

// age is for how long the minimum of a job has run; what is left of a job that lost a node is of any age.
func (s *Simulation) age(j *job) time.Duration {
	if !j.waitingSince.IsZero() {
		return math.MaxInt64
	}
	return s.now.Sub(j.outcome.Start)
}

// offersOf divides what runs of a gang into its minimum and the members beyond it, of which the newest come first.
func (s *Simulation) offersOf(j *job, held map[int32]bool) []offer {
	running := s.members(j)
	if len(running) == 0 {
		return nil
	}
	surplus := max(len(running)-j.Min, 0)
	var offers []offer
	for i := range surplus {
		offers = append(offers, s.offer(j, running[i:i+1], held))
	}
	rest := s.offer(j, running[surplus:], held)
	rest.unit.Rest = true
	return append(offers, rest)
}

// members lists those that run and stay, the newest first.
func (s *Simulation) members(j *job) []int32 {
	var running []int32
	for m := range j.members {
		if x := &j.members[m]; x.node >= 0 && !x.leaving {
			running = append(running, int32(m))
		}
	}
	slices.SortStableFunc(running, func(a, b int32) int {
		if order := j.members[b].since.Compare(j.members[a].since); order != 0 {
			return order
		}
		return int(b - a)
	})
	return running
}

func (s *Simulation) offer(j *job, members []int32, held map[int32]bool) offer {
	u := reclaim.Unit{Gang: j.Name, Queue: j.Queue, Priority: j.Priority, Usage: j.Request.Times(int64(len(members)))}
	for _, m := range members {
		x := j.members[m]
		at := x.node
		if held[at] {
			// What a hold of others keeps from some time on is not told from what comes free now: nothing is hoped for there.
			at = -1
		}
		u.Pods = append(u.Pods, reclaim.Pod{Node: at, Amount: j.request})
		u.Lost = resource.Sum(u.Lost, s.lost(j, m))
		if x.since.After(u.Started) {
			u.Started = x.since
		}
	}
	return offer{unit: u, job: j, members: members}
}

// lost is the work of a member so far, in GPU-seconds.
func (s *Simulation) lost(j *job, m int32) int64 {
	return resource.Product(j.Request[GPU], max(0, int64(s.now.Sub(j.members[m].since).Seconds())))
}

// makeRoom lets the victims leave and keeps what they free for the gang.
func (s *Simulation) makeRoom(turn dispatch.Turn, d decision) {
	hold := reservation.Hold{Gang: turn.ID, Made: s.now, Start: s.now, Amount: map[string]resource.Amounts{}}
	if turn.Runtime > 0 {
		hold.End = s.now.Add(turn.Runtime)
	}
	for _, run := range d.runs {
		name := s.cluster.nodes[run.Node].name
		if hold.Amount[name] == nil {
			hold.Amount[name] = resource.Amounts{}
		}
		hold.Amount[name].Add(turn.Members[run.Class].Amount.Times(int64(run.Count)))
	}
	if s.options.Audit {
		s.broken = errors.Join(s.broken, s.auditVictims(s.claims[turn.ID].job, turn.Amount, d.victims))
	}
	s.dispatcher.MakeRoom(turn.ID, hold, d.verdict)
	going := map[*job][]int32{}
	var order []*job
	for _, o := range d.victims {
		if going[o.job] == nil {
			order = append(order, o.job)
		}
		going[o.job] = append(going[o.job], o.members...)
		s.making[turn.ID] += len(o.members)
	}
	s.decisions++
	for _, j := range order {
		s.evict(j, going[j], turn.ID, turn.Amount)
	}
}

// evict tells members to leave. claim is for whom; empty where nobody waits for the room.
func (s *Simulation) evict(j *job, members []int32, claim string, asked resource.Amounts) {
	whole := len(s.members(j))-len(members) < j.Min
	e := Eviction{At: s.now, Gang: int(j.index), For: -1, Decision: s.decisions, Pods: len(members), Whole: whole, Used: j.Request.Times(int64(len(members))), Asked: asked, claim: claim}
	if claim != "" {
		e.For = int(s.claims[claim].job.index)
	}
	leavesAt := s.now.Add(s.options.Grace)
	for _, m := range members {
		e.LostGPUSeconds = resource.Sum(e.LostGPUSeconds, s.lost(j, m))
		x := &j.members[m]
		x.leaving = true
		s.occupy(j, m)
	}
	j.outcome.EvictedPods += len(members)
	s.record.evictions = append(s.record.evictions, e)
	if whole {
		s.unclaim(j, false) // what it lacked while it mended is not all that it lacks now
		j.mending = false
		s.incomplete(j)
		s.noVictim(j)
	}
	if s.options.Grace > 0 {
		s.at(leavesAt, event{kind: leaves, job: int(j.index), gone: members, claim: claim})
		return
	}
	s.gone(j, members, claim)
}

// gone takes evicted members off their nodes. Their gang waits again, and whoever they left for may start.
func (s *Simulation) gone(j *job, members []int32, claim string) {
	for _, m := range members {
		if x := j.members[m]; x.node >= 0 && x.leaving {
			s.release(j, m)
		}
	}
	if claim != "" {
		if s.making[claim] -= len(members); s.making[claim] <= 0 {
			delete(s.making, claim)
			s.dispatcher.Freed(claim)
		}
	}
	s.claim(j)
}

// lookAgainAfter is for how long the dispatcher, or less, keeps a gang from looking for victims again.
const lookAgainAfter = 10 * time.Second

// judgedAfresh is for how long the dispatcher stands by a verdict at most.
const judgedAfresh = 5 * time.Minute

// lookAgain plans another look at gangs that found no victims, since something has changed; and one at all that wait, for
// what comes about by the mere passing of time.
func (s *Simulation) lookAgain() {
	if len(s.claims) > 0 && !s.looksAt.After(s.now) {
		s.looksAt = s.now.Add(judgedAfresh)
		s.at(s.looksAt, event{kind: looks})
	}
	if s.moved && !s.soughtAt.IsZero() {
		s.moved = false
		s.at(s.soughtAt.Add(lookAgainAfter), event{kind: looks})
	}
}
