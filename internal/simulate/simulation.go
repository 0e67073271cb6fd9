package simulate

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/topology"
)

// Simulation is a cluster in virtual time. It is not safe for concurrent use.
type Simulation struct {
	options    Options
	now, start time.Time
	dispatcher *dispatch.Dispatcher
	table      *resource.Table
	cluster    cluster
	topologies []Topology
	// layout is the domains of the Topologies; nil after nodes came or went.
	layout []*topology.Tree
	jobs   []*job
	// victims are the jobs of each queue that may have to leave.
	victims map[string][]*job
	byName  map[string]int
	// claims are what stands in the dispatcher's lines, by its IDs.
	claims map[string]claim
	// making is how many pods have still to leave for a claim.
	making map[string]int
	events events
	steps  []Step
	record record
	// soughtAt is when victims were last looked for in vain; moved is set when something has changed since.
	soughtAt time.Time
	moved    bool
	// looksAt is when all that wait are looked at the next time.
	looksAt time.Time
	// disturbed is set once a step has changed something: victims may have left for somebody who can not start any more.
	disturbed bool
	// broken is what the audit has found.
	broken error
	// changes counts whatever changes where pods are.
	changes int
	seen    int // by Run
	// decisions counts the times that somebody had to leave.
	decisions int
	rounds    int
}

// New makes a simulation at the time of its first arrival, with the gangs that run from the beginning on their nodes. It
// fails on a workload that contradicts itself: names that are there twice, nodes that do not exist or are too small for
// what runs on them, gangs that ask for more members than they have.
func New(w Workload, options Options) (*Simulation, error) {
	if len(w.Gangs) == 0 {
		return nil, fmt.Errorf("making a simulation: there is no gang")
	}
	first := w.Start
	if first.IsZero() {
		first = slices.MinFunc(w.Gangs, func(a, b Gang) int { return a.Arrival.Compare(b.Arrival) }).Arrival
	}
	s := &Simulation{
		options: options, now: first, start: first, table: tableOf(w), dispatcher: dispatch.New(options.Dispatch),
		byName: map[string]int{}, victims: map[string][]*job{}, claims: map[string]claim{}, making: map[string]int{},
		steps: slices.Clone(w.Steps), topologies: w.Topologies,
	}
	s.cluster = cluster{table: s.table, index: map[string]int32{}}
	s.dispatcher.Ledger.SetHalfLife(options.HalfLife)
	s.dispatcher.Ledger.Advance(first)
	for _, queue := range w.Queues {
		s.dispatcher.Ledger.SetQueue(queue)
	}
	for _, node := range w.Nodes {
		if err := s.addNode(node); err != nil {
			return nil, fmt.Errorf("making a simulation: %w", err)
		}
	}
	for _, g := range w.Gangs {
		if err := s.addJob(g); err != nil {
			return nil, fmt.Errorf("making a simulation: %w", err)
		}
	}
	s.record.begin(s)
	slices.SortStableFunc(s.steps, func(a, b Step) int { return a.At.Compare(b.At) })
	for i, step := range s.steps {
		s.at(step.At, event{kind: stepIsDue, job: i})
	}
	order := make([]int, len(s.jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return s.jobs[a].Arrival.Compare(s.jobs[b].Arrival) })
	for _, i := range order {
		at := s.jobs[i].Arrival
		if len(s.jobs[i].Bound) > 0 {
			at = first
		}
		s.at(at, event{kind: arrives, job: i})
	}
	return s, nil
}

// tableOf has all resources that a node offers or a gang asks for.
func tableOf(w Workload) *resource.Table {
	var names []string
	add := func(amounts resource.Amounts) {
		for name := range amounts {
			names = append(names, name)
		}
	}
	for _, node := range w.Nodes {
		add(node.Allocatable)
	}
	for _, g := range w.Gangs {
		add(g.Request)
	}
	for _, step := range w.Steps {
		for _, node := range step.AddNodes {
			add(node.Allocatable)
		}
	}
	slices.Sort(names)
	return resource.NewTable(slices.Compact(names)...)
}

// eventKind says what happens; of what happens at one time, kinds that come first here do first.
type eventKind int

const (
	ends      eventKind = iota // a gang is done
	leaves                     // evicted pods are gone
	stepIsDue                  // something from outside
	arrives                    // a gang
	looks                      // nothing, but time has passed
)

type event struct {
	at   time.Time
	kind eventKind
	seq  int
	job  int
	// run is for which run of the gang an end is meant.
	run int
	// gone are the members that leave, and claim for whom.
	gone  []int32
	claim string
	// eligible marks a look at the time from which somebody may be a victim.
	eligible bool
}

// events is a heap by time, kind and order of making.
type events struct {
	list    []event
	seq     int
	pending int // those that are more than a look
}

func (e *events) Len() int { return len(e.list) }
func (e *events) Less(i, j int) bool {
	a, b := &e.list[i], &e.list[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.seq, b.seq)) < 0
}
func (e *events) Swap(i, j int) { e.list[i], e.list[j] = e.list[j], e.list[i] }
func (e *events) Push(x any)    { e.list = append(e.list, x.(event)) }
func (e *events) Pop() any {
	last := e.list[len(e.list)-1]
	e.list = e.list[:len(e.list)-1]
	return last
}

func (e *events) add(x event) {
	x.seq = e.seq
	e.seq++
	if x.kind != looks || x.eligible {
		e.pending++
	}
	heap.Push(e, x)
}

func (e *events) next() event {
	x := heap.Pop(e).(event)
	if x.kind != looks || x.eligible {
		e.pending--
	}
	return x
}

func (s *Simulation) at(t time.Time, e event) {
	if t.Before(s.now) {
		t = s.now
	}
	e.at = t
	s.events.add(e)
}

// Now is the virtual time.
func (s *Simulation) Now() time.Time { return s.now }

// idleLooks is after how many looks at an unchanged cluster, with nothing else to come, a simulation is over: a
// reservation may move for ever where a gang that runs for ever said that it would end.
const idleLooks = 100

// Run lets everything happen that happens up to a time and, where that is not zero, stops there. Else it stops when
// nothing is left to happen. It fails where decisions do not come to an end, which is a fault of this program, or where a
// step names what does not exist.
func (s *Simulation) Run(until time.Time) error {
	for idle := 0; s.events.Len() > 0; idle++ {
		next := s.events.list[0].at
		if !until.IsZero() && next.After(until) {
			break
		}
		if s.events.pending > 0 || s.changes != s.seen {
			s.seen, idle = s.changes, 0
		}
		if idle > idleLooks {
			break
		}
		s.now = next
		for s.events.Len() > 0 && s.events.list[0].at.Equal(next) {
			if err := s.happen(s.events.next()); err != nil {
				return fmt.Errorf("simulating %s: %w", s.elapsed(), err)
			}
		}
		if err := s.decideAll(); err != nil {
			return fmt.Errorf("simulating %s: %w", s.elapsed(), err)
		}
	}
	if until.After(s.now) {
		s.now = until
	}
	return nil
}

func (s *Simulation) elapsed() string { return fmt.Sprintf("+%s", s.now.Sub(s.start)) }

// happen does what an event says.
func (s *Simulation) happen(e event) error {
	switch e.kind {
	case ends:
		if j := s.jobs[e.job]; j.run == e.run {
			s.finish(j)
		}
	case leaves:
		s.gone(s.jobs[e.job], e.gone, e.claim)
	case stepIsDue:
		return s.step(s.steps[e.job])
	case arrives:
		s.arrive(s.jobs[e.job])
	case looks:
		s.moved = s.moved || e.eligible
	}
	return nil
}

// decideAll tries gangs until it is nobody's turn.
func (s *Simulation) decideAll() error {
	s.dispatcher.Wake()
	// Each claim may be tried, evicted for, tried again and put back; more is going round in circles.
	for left := 100 + 20*len(s.claims); ; left-- {
		turn, ok := s.dispatcher.Next(s.now)
		if !ok {
			break
		}
		if left == 0 {
			return fmt.Errorf("decisions go round in circles; the last is about %q of queue %q", turn.ID, turn.Queue)
		}
		if err := s.try(turn); err != nil {
			return err
		}
	}
	s.lookAgain()
	if s.options.Audit {
		return errors.Join(s.broken, s.audit())
	}
	return nil
}

// Freeze drops all that is yet to come, but for evicted pods that have not left yet: what runs, runs for ever.
func (s *Simulation) Freeze() {
	list := s.events.list
	s.events = events{seq: s.events.seq}
	for _, e := range list {
		if e.kind == leaves || e.kind == looks {
			heap.Push(&s.events, e)
			if e.kind != looks || e.eligible {
				s.events.pending++
			}
		}
	}
}

// Round decides once more about every gang, some seconds later, though nothing has happened.
func (s *Simulation) Round() error {
	s.rounds++
	if err := s.Run(s.now.Add(lookAgainAfter)); err != nil {
		return err
	}
	for _, at := range s.cluster.alive {
		n := s.cluster.nodes[at]
		// Nodes that may have come to accept other pods make the dispatcher forget what it found out.
		s.dispatcher.SetNode(n.name, s.cluster.amounts(at), fmt.Sprint("round ", s.rounds))
	}
	if err := s.decideAll(); err != nil {
		return fmt.Errorf("simulating %s: %w", s.elapsed(), err)
	}
	return nil
}

// verdict is why a job's minimum, or else a member beyond it, waits.
func (s *Simulation) verdict(j *job) gang.Verdict {
	if j.claimed {
		return s.dispatcher.Why(j.Name, s.now)
	}
	for m := range j.members {
		if j.members[m].claimed {
			return s.dispatcher.Why(memberID(j.Name, int32(m)), s.now)
		}
	}
	return gang.Verdict{}
}
