package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/resource"
)

// job is a gang through its life.
type job struct {
	Gang
	index   int32
	request resource.Vector
	members []member
	arrived bool
	// claimed is set while the minimum, or what lacks to it, stands in a line.
	claimed bool
	// waitingSince is since when the minimum is not complete; zero while it is.
	waitingSince time.Time
	// run counts how often the minimum became complete or was lost: an end that was foreseen for another run is void.
	run  int
	done bool
	// mending is set while the job runs below its minimum because a node was lost.
	mending bool
	// victim is set while the dispatcher counts the job among those that may have to leave.
	victim  bool
	outcome Outcome
}

// member is one pod.
type member struct {
	node    int32 // -1: none
	claimed bool  // it stands in a line by itself
	leaving bool
	since   time.Time
}

// claim is what an ID of the dispatcher stands for: one member of a job, or its minimum where member is -1.
type claim struct {
	job    *job
	member int32
}

func memberID(job string, member int32) string { return fmt.Sprintf("%s/%06d", job, member) }

// running is how many members are bound and stay.
func (j *job) running() int {
	n := 0
	for i := range j.members {
		if j.members[i].node >= 0 && !j.members[i].leaving {
			n++
		}
	}
	return n
}

// newJob is a gang of which nothing runs.
func newJob(g Gang, request resource.Vector) *job {
	j := &job{Gang: g, request: request, members: make([]member, g.Pods)}
	j.outcome.Gang = g
	for i := range j.members {
		j.members[i].node = -1
	}
	return j
}

func (s *Simulation) addJob(g Gang) error {
	if _, twice := s.byName[g.Name]; twice || g.Name == "" {
		return fmt.Errorf("gang %q is there twice, or has no name", g.Name)
	}
	if g.Pods < 1 || g.Min < 1 || g.Min > g.Pods {
		return fmt.Errorf("gang %q: %d pods with a minimum of %d", g.Name, g.Pods, g.Min)
	}
	if g.Topology.Segment < 0 {
		return fmt.Errorf("gang %q: a segment has %d members", g.Name, g.Topology.Segment)
	}
	if len(g.Bound) > 0 && (len(g.Bound) < g.Min || len(g.Bound) > g.Pods) {
		return fmt.Errorf("gang %q: %d of %d pods run from the beginning, with a minimum of %d", g.Name, len(g.Bound), g.Pods, g.Min)
	}
	request, err := s.table.Vector(g.Request)
	if err != nil {
		return fmt.Errorf("gang %q: %w", g.Name, err)
	}
	j := newJob(g, request)
	j.index = int32(len(s.jobs))
	for i, name := range g.Bound {
		at, ok := s.cluster.index[name]
		if !ok || !request.Fits(s.cluster.free[at].Free) || s.cluster.refusal(at, j.aligned()) != "" {
			return fmt.Errorf("gang %q: node %q, on which it runs from the beginning, does not exist or has no room, or none near enough", g.Name, name)
		}
		s.cluster.occupy(at, j, int32(i))
		j.members[i] = member{node: at, since: g.Started}
	}
	s.byName[g.Name] = len(s.jobs)
	s.jobs = append(s.jobs, j)
	return nil
}

// arrive lets a gang come: into its line, or onto the nodes on which it has run since before the beginning.
func (s *Simulation) arrive(j *job) {
	j.arrived = true
	j.waitingSince = s.now
	s.record.waiting(s, j, 1)
	if len(j.Bound) == 0 {
		s.claim(j)
		return
	}
	for m := range j.Bound {
		s.takeNote(j, int32(m))
	}
	s.complete(j, j.Started)
}

// claim puts into the line what a job lacks: its minimum, or members beyond it. Members that are still leaving can not be
// asked for again yet.
func (s *Simulation) claim(j *job) {
	running, free := j.running(), 0
	for m := range j.members {
		if j.members[m].node < 0 {
			free++
		}
	}
	switch {
	case j.done || !j.arrived:
	case running >= j.Min:
		s.claimSurplus(j)
	case free >= j.Min-running:
		s.claimMinimum(j)
	}
}

// claimMinimum puts what a job lacks to its minimum into the line.
func (s *Simulation) claimMinimum(j *job) {
	running := j.running()
	claimed := s.minimum(j, j.Min-running)
	claimed.Mending = running > 0
	s.claims[claimed.ID] = claim{j, -1}
	j.claimed = true
	s.dispatcher.Add(claimed, s.now)
}

// claimMember puts one member beyond the minimum into the line.
func (s *Simulation) claimMember(j *job, m int32) {
	claimed := s.minimum(j, 1)
	claimed.ID, claimed.Elastic = memberID(j.Name, m), true
	if j.Topology != (Wants{}) {
		claimed.Shape = claimed.ID // It belongs to those that run.
	}
	s.claims[claimed.ID] = claim{j, m}
	j.members[m].claimed = true
	s.dispatcher.Add(claimed, s.now)
}

// claimSurplus puts the members beyond the minimum that do not run into the line.
func (s *Simulation) claimSurplus(j *job) {
	for m := range j.members {
		if x := &j.members[m]; x.node < 0 && !x.claimed {
			s.claimMember(j, int32(m))
		}
	}
}

// unclaim takes all claims of a job out of the line.
func (s *Simulation) unclaim(j *job, surplusOnly bool) {
	if j.claimed && !surplusOnly {
		j.claimed = false
		s.withdraw(j.Name)
	}
	for m := range j.members {
		if j.members[m].claimed {
			j.members[m].claimed = false
			s.withdraw(memberID(j.Name, int32(m)))
		}
	}
}

// withdraw takes one claim out of its line. Who is leaving for it leaves for nobody.
func (s *Simulation) withdraw(id string) {
	delete(s.claims, id)
	s.dispatcher.Remove(id)
	s.record.served(id, s.now)
}

// bind puts a member on a node.
func (s *Simulation) bind(j *job, m, at int32) {
	j.members[m] = member{node: at, since: s.now}
	s.cluster.occupy(at, j, m)
	s.takeNote(j, m)
}

// takeNote tells ledger, dispatcher and record of a member that is on its node.
func (s *Simulation) takeNote(j *job, m int32) {
	s.dispatcher.Ledger.Advance(s.now)
	s.dispatcher.Charge(j.Queue, j.Request, j.Firm)
	s.occupy(j, m)
	s.record.used(s, j, 1)
	s.changes++
}

// occupy tells the dispatcher of a member on its node.
func (s *Simulation) occupy(j *job, m int32) {
	x := j.members[m]
	s.dispatcher.Occupy(s.cluster.nodes[x.node].name, memberID(j.Name, m), dispatch.Use{Amount: j.Request, Since: x.since, Runtime: j.Expected, Leaving: x.leaving})
}

// complete begins a run: the minimum is bound since a time that may have passed.
func (s *Simulation) complete(j *job, since time.Time) {
	j.run++
	j.mending = false
	j.outcome.Start = since
	if j.outcome.FirstStart.IsZero() {
		j.outcome.FirstStart = s.now
	}
	j.outcome.Waited += s.now.Sub(j.waitingSince)
	j.waitingSince = time.Time{}
	s.record.waiting(s, j, -1)
	if j.Duration > 0 {
		s.at(since.Add(j.Duration), event{kind: ends, job: int(j.index), run: j.run})
	}
	if !j.Firm && !j.victim {
		j.victim = true
		at, _ := slices.BinarySearchFunc(s.victims[j.Queue], j, byIndex)
		s.victims[j.Queue] = slices.Insert(s.victims[j.Queue], at, j)
		s.dispatcher.Started(j.Queue, j.Priority, s.now)
	}
	if youth := s.dispatcher.Ledger.MinRuntime(j.Queue); youth > 0 {
		s.at(since.Add(youth), event{kind: looks, eligible: true})
	}
	s.moved = true
	s.claimSurplus(j)
}

// incomplete ends a run before its time: members of the minimum are gone or going.
func (s *Simulation) incomplete(j *job) {
	if !j.waitingSince.IsZero() {
		return
	}
	j.run++
	j.outcome.Start = time.Time{}
	j.waitingSince = s.now
	s.record.waiting(s, j, 1)
	s.unclaim(j, true)
}

// release takes a member off its node.
func (s *Simulation) release(j *job, m int32) {
	x := &j.members[m]
	s.dispatcher.Ledger.Advance(s.now)
	s.dispatcher.Release(j.Queue, j.Request, j.Firm)
	s.cluster.vacate(x.node, j, m)
	s.dispatcher.Vacate(s.cluster.nodes[x.node].name, memberID(j.Name, m))
	s.record.used(s, j, -1)
	*x = member{node: -1}
	s.moved = true
	s.changes++
}

// finish ends a job: it is done, or its user deletes it.
func (s *Simulation) finish(j *job) {
	j.done = true
	j.run++
	s.unclaim(j, false)
	for m := range j.members {
		if j.members[m].node >= 0 && !j.members[m].leaving {
			s.release(j, int32(m))
		}
	}
	s.noVictim(j)
	if j.waitingSince.IsZero() {
		j.outcome.End = s.now
	} else if j.arrived {
		j.outcome.Waited += s.now.Sub(j.waitingSince)
		s.record.waiting(s, j, -1)
		j.waitingSince = time.Time{}
	}
}

func byIndex(a, b *job) int { return int(a.index) - int(b.index) }

func (s *Simulation) noVictim(j *job) {
	if j.victim {
		j.victim = false
		at, _ := slices.BinarySearchFunc(s.victims[j.Queue], j, byIndex)
		s.victims[j.Queue] = slices.Delete(s.victims[j.Queue], at, at+1)
		s.dispatcher.Ended(j.Queue, j.Priority)
	}
}
