package dispatch

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// moves counts how often room came free, and how often it was taken.
type moves struct{ freed, taken int }

// room is what the nodes have, and which shapes of waiting gangs found none.
type room struct {
	nodes map[string]*node
	// capacity is what the nodes have in all.
	capacity resource.Amounts
	shapes   map[roomKey]*shape
	// moves counts what came and went.
	moves moves
}

type node struct {
	allocatable, used resource.Amounts
	uses              map[string]Use
	traits            string
}

// Use is a pod that takes room on a node.
type Use struct {
	Amount resource.Amounts
	// Since is when it came; Runtime how long it is expected to stay, 0 where that is unknown.
	Since   time.Time
	Runtime time.Duration
	// Leaving is set for a pod that is on its way out: it still takes its room.
	Leaving bool
}

// Wake says what has to happen before gangs of a shape that found no room are worth another try.
type Wake int

const (
	// WhenItFits: enough members fit by what they ask for. For gangs whose members share nothing but resources.
	WhenItFits Wake = iota
	// WhenRoomIsFreed: any pod leaves, since ports, volumes or anti-affinity may be what was in the way.
	WhenRoomIsFreed
	// WhenAnythingMoves: pods that arrive may let a member in as well, by affinity or by evening out a spread.
	WhenAnythingMoves
)

// judgedAfresh is how long a verdict stands at most: a net below all that is not foreseen.
const judgedAfresh = 5 * time.Minute

// roomKey names what shares a verdict about room.
type roomKey struct {
	shape   string
	runtime time.Duration
	// urgent is set for gangs to which room is free that is kept for others of lower priority.
	urgent bool
	// holder is set for a gang for which room is kept: to it that room is free.
	holder string
}

// shape is what the lanes of gangs share that no placement can tell apart.
type shape struct {
	lanes int
	// judged is set where such gangs found no room, until another try is worth it.
	judged *judged
}

// judged is why gangs of a shape found no room.
type judged struct {
	verdict gang.Verdict
	wake    Wake
	usable  map[string]bool
	members []Members
	// slots is how many of each group of members a node can hold, total their sums.
	slots map[string][]int64
	total []int64
	until time.Time
	// vacancies is how many reservations had come free by then, closedBy the room that was kept for others.
	vacancies int
	closedBy  []reservation.Hold
}

func newRoom() room {
	return room{nodes: map[string]*node{}, capacity: resource.Amounts{}, shapes: map[roomKey]*shape{}}
}

func (d *Dispatcher) roomKey(w *waiting) roomKey {
	key := roomKey{shape: w.Shape, runtime: w.Runtime, urgent: w.Urgent}
	if w.Shape == "" {
		key.shape = "\x00" + w.ID
	}
	if d.holdOf(w.ID) >= 0 {
		key.holder = w.ID
	}
	return key
}

// asleep reports whether another try of a gang would end as the last one of its shape did.
func (d *Dispatcher) asleep(w *waiting, now time.Time) bool {
	j := w.lane.shape.judged
	if j == nil {
		return false
	}
	if !now.Before(j.until) {
		w.lane.shape.judged = nil
		return false
	}
	return !d.mayHaveVacancy(w, j) && !d.goesBeforeAny(w, j)
}

// goesBeforeAny reports whether a gang need not respect all that one of its shape had to: shares have changed since, or it
// is of another queue.
func (d *Dispatcher) goesBeforeAny(w *waiting, j *judged) bool {
	return j.verdict.Reason == gang.Reserved && slices.ContainsFunc(j.closedBy, func(hold reservation.Hold) bool { return !d.binds(hold, w.ID) })
}

// mayHaveVacancy reports whether a gang that found no room, and whose turn came while others had all reservations, may have
// one that has come free since.
func (d *Dispatcher) mayHaveVacancy(w *waiting, j *judged) bool {
	return j.vacancies != d.vacancies && j.verdict.Reason.WantsRoom() && !w.Elastic && w.lane.key.room.holder == "" &&
		d.reservations() < d.options.Reservations
}

// share finds what gangs of a shape share, for one more lane.
func (r *room) share(key roomKey) *shape {
	s := r.shapes[key]
	if s == nil {
		s = &shape{}
		r.shapes[key] = s
	}
	s.lanes++
	return s
}

// leave takes note that a lane is gone; what nobody shares any more is forgotten.
func (r *room) leave(key roomKey) {
	if s := r.shapes[key]; s.lanes > 1 {
		s.lanes--
	} else {
		delete(r.shapes, key)
	}
}

// judgedFor is why gangs like one that waits found no room; nil where that is not known.
func (d *Dispatcher) judgedFor(w *waiting) *judged {
	if s := d.room.shapes[d.roomKey(w)]; s != nil {
		return s.judged
	}
	return nil
}

// judge remembers why a gang found no room.
func (r *room) judge(g Gang, b Blocked, until time.Time, vacancies int) *judged {
	j := &judged{
		verdict: b.Verdict, wake: b.Wake, usable: b.Usable, members: g.Members, until: until, vacancies: vacancies,
		slots: map[string][]int64{}, total: make([]int64, len(g.Members)),
	}
	if j.wake == WhenItFits {
		for name, n := range r.nodes {
			j.count(name, n)
		}
	}
	return j
}

// count brings the slots of a node up to date and reports whether there are more than before.
func (j *judged) count(name string, n *node) (more bool) {
	if j.usable != nil && !j.usable[name] {
		return false
	}
	slots := j.slots[name]
	if slots == nil {
		slots = make([]int64, len(j.members))
		j.slots[name] = slots
	}
	for m, members := range j.members {
		most, now := int64(members.Count), n.slots(members)
		more = more || now > slots[m]
		j.total[m] += min(now, most) - min(slots[m], most)
		slots[m] = now
	}
	return more
}

// anyMayDo reports whether anything that comes free of what members ask for may let them in, however little: they have to
// share a node with what is kept for others, or with members that ask for something else.
func (j *judged) anyMayDo(freed resource.Amounts) bool {
	if j.verdict.Reason != gang.Reserved && len(j.members) == 1 {
		return false
	}
	return slices.ContainsFunc(j.members, func(members Members) bool {
		for name, amount := range freed {
			if amount > 0 && members.Amount[name] > 0 {
				return true
			}
		}
		return false
	})
}

// enough reports whether every group of members fits by itself.
func (j *judged) enough() bool {
	for m, members := range j.members {
		if j.total[m] < int64(members.Count) {
			return false
		}
	}
	return true
}

// slots is how many members of a group fit on the node, however many there are.
func (n *node) slots(members Members) int64 {
	slots := int64(resource.Unlimited)
	for name, amount := range members.Amount {
		if amount > 0 {
			slots = min(slots, max(resource.Difference(n.allocatable[name], n.used[name]), 0)/amount)
		}
	}
	return slots
}

// freed wakes the shapes that can use what came free on a node, amount at most.
func (r *room) freed(name string, n *node, amount resource.Amounts) {
	r.moves.freed++
	for _, s := range r.shapes {
		switch j := s.judged; {
		case j == nil:
		case j.usable != nil && !j.usable[name]:
		case j.wake != WhenItFits, (j.count(name, n) || j.anyMayDo(amount)) && j.enough():
			s.judged = nil
		}
	}
}

// taken takes note that a pod arrived on a node.
func (r *room) taken(name string, n *node) {
	r.moves.taken++
	for _, s := range r.shapes {
		switch j := s.judged; {
		case j == nil:
		case j.wake == WhenItFits:
			j.count(name, n)
		case j.wake == WhenAnythingMoves:
			s.judged = nil
		}
	}
}

// SetNode takes note of a node: what it has in all, and, in any form that differs when they do, the labels, taints and
// conditions that decide who may use it.
func (d *Dispatcher) SetNode(name string, allocatable resource.Amounts, traits string) {
	n := d.room.nodes[name]
	if n == nil {
		n = &node{used: resource.Amounts{}, uses: map[string]Use{}}
		d.room.nodes[name] = n
	} else if n.traits == traits && equal(n.allocatable, allocatable) && len(n.allocatable) == len(allocatable) {
		return
	}
	d.room.resize(n, allocatable.Clone())
	n.traits = traits
	d.reopen()
}

// DeleteNode forgets a node. Room that was kept on it for a gang is kept no longer: the gang is judged afresh.
func (d *Dispatcher) DeleteNode(name string) {
	n := d.room.nodes[name]
	if n == nil {
		return
	}
	d.room.resize(n, resource.Amounts{})
	if len(n.uses) == 0 {
		delete(d.room.nodes, name)
	}
	for _, hold := range append(d.holds[:0:0], d.holds...) {
		if _, held := hold.Amount[name]; held && d.making[hold.Gang] == nil {
			d.dropHold(hold.Gang)
		}
	}
	d.reopen()
}

// reopen drops all verdicts about room, after a change that may have made any of them wrong.
func (d *Dispatcher) reopen() {
	d.room.moves.freed++
	d.idle = false
	for _, s := range d.room.shapes {
		s.judged = nil
	}
	d.Ledger.SetCapacity(d.room.capacity)
}

// resize changes what a node has in all.
func (r *room) resize(n *node, allocatable resource.Amounts) {
	saturated := slices.Contains(slices.Collect(maps.Values(r.capacity)), resource.Unlimited)
	r.capacity.Sub(n.allocatable)
	r.capacity.Add(allocatable)
	n.allocatable = allocatable
	if saturated { // A sum that was cut off cannot be undone.
		clear(r.capacity)
		for _, n := range r.nodes {
			r.capacity.Add(n.allocatable)
		}
	}
}

// Capacity is what the nodes have in all.
func (d *Dispatcher) Capacity() resource.Amounts { return d.room.capacity.Clone() }

// Reopen lets all gangs be tried again that wait for room in a way that arithmetic does not explain: a volume, a claim or
// a class of devices changed.
func (d *Dispatcher) Reopen() {
	d.idle = false
	for _, s := range d.room.shapes {
		if s.judged != nil && s.judged.wake != WhenItFits {
			s.judged = nil
		}
	}
}

// Occupy takes note of a pod on a node, by an ID of the pod.
func (d *Dispatcher) Occupy(name, pod string, use Use) {
	n := d.room.nodes[name]
	if n == nil {
		n = &node{allocatable: resource.Amounts{}, used: resource.Amounts{}, uses: map[string]Use{}}
		d.room.nodes[name] = n
	}
	old, known := n.uses[pod]
	n.uses[pod] = use
	if known && equal(old.Amount, use.Amount) {
		return
	}
	n.used.Sub(old.Amount)
	n.used.Add(use.Amount)
	d.idle = false
	if known {
		d.room.freed(name, n, old.Amount) // It may ask for less now.
	} else {
		d.room.taken(name, n)
	}
}

// Vacate takes note that a pod has left a node.
func (d *Dispatcher) Vacate(name, pod string) {
	n := d.room.nodes[name]
	if n == nil {
		return
	}
	old, known := n.uses[pod]
	if !known {
		return
	}
	delete(n.uses, pod)
	n.used.Sub(old.Amount)
	if len(n.uses) == 0 && len(n.allocatable) == 0 {
		delete(d.room.nodes, name)
		return
	}
	d.idle = false
	d.room.freed(name, n, old.Amount)
}

// Empty reports whether the members of a gang would fit, each group by itself, if nothing ran on any node: the cheap
// half of whether waiting for room makes sense at all. usable are the nodes that accept them; nil stands for all.
func (d *Dispatcher) Empty(g Gang, usable map[string]bool) bool {
	for _, members := range g.Members {
		var slots int64
		for name, n := range d.room.nodes {
			if usable == nil || usable[name] {
				idle := node{allocatable: n.allocatable}
				slots += min(idle.slots(members), math.MaxInt32)
			}
		}
		if slots < int64(members.Count) {
			return false
		}
	}
	return true
}
