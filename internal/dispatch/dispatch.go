// Package dispatch decides which waiting gang is tried next. It keeps the line of every queue, what every node has room
// for, and the room that is kept for gangs that wait longest. The caller tries one gang at a time and reports what became
// of it; the live scheduler and the simulator call the same code.
//
// Gangs that no placement can tell apart have one shape. When the first of a shape finds no room, none of them is tried
// before room comes free that they could use: ten thousand waiting gangs of twenty shapes cost as much as twenty.
package dispatch

import (
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Gang is one gang that waits for its turn: a PodGroup's minimum, or a single pod.
type Gang struct {
	// ID is unique among all gangs.
	ID string
	// Queue is the name of the gang's queue, whether or not it exists.
	Queue    string
	Priority int32
	// Mending is set for a gang that runs below its minimum: it goes before others of its priority.
	Mending bool
	// Born is when the gang came to be; older ones go first.
	Born time.Time
	// Shape is equal for gangs that no placement can tell apart. Empty: the gang is like no other.
	Shape string
	// Amount is what the gang's queues are charged when it starts: what it lacks to its minimum.
	Amount resource.Amounts
	// Members are what has to be placed, in groups of equal requests; the groups' counts add up to the minimum.
	Members []Members
	// Runtime is how long the gang is expected to run; 0 where that is unknown. It is rounded up a little, so that gangs
	// whose users say nearly the same are equivalent.
	Runtime time.Duration
	// Firm gangs are never victims, and may use only what their queue is guaranteed.
	Firm bool
	// Urgent gangs do not respect reservations of gangs of lower priority, in whatever queue those are.
	Urgent bool
	// Elastic is set for a member beyond its gang's minimum: nobody has to make room for it.
	Elastic bool
}

// Members is a number of members with equal requests.
type Members struct {
	Count  int
	Amount resource.Amounts
}

// Options are what an administrator may choose.
type Options struct {
	// Reservations is for how many gangs room is kept at a time.
	Reservations int
	// Patience is how long a gang whose start nobody can foretell lets others pass before room is kept for it.
	Patience time.Duration
}

const (
	// lookAgain is how long a gang that could make no room waits before it looks for victims again: they become eligible by
	// the mere passing of time, and each look simulates a placement.
	lookAgain = 10 * time.Second
	// lookSoon is how long it waits when something has changed. Where much does, one look serves for all of it.
	lookSoon = time.Second
)

// Dispatcher is the state of all lines. It is not safe for concurrent use: the caller holds a lock around it.
type Dispatcher struct {
	// Ledger holds the queues and what they use. The caller charges what runs; the dispatcher charges the gang that is
	// being tried and those for which room is being made.
	Ledger *ledger.Ledger

	options Options
	lines   map[string]*line
	waiting map[string]*waiting
	// supposed is the gang that Suppose was last asked about.
	supposed *waiting
	trying   *waiting
	// making are the gangs that wait for their victims to leave; due are those of them whose victims have left.
	making map[string]*waiting
	due    []*waiting
	room   room
	holds  []reservation.Hold
	// vacancies counts how often a hold was given up.
	vacancies int
	// seen is what had moved when the gang that is being tried was handed out.
	seen moves
	// idle is set when no gang was worth a try and nothing has changed since.
	idle bool
	// runs counts the gangs that may become victims, by queue and priority.
	runs  map[string]map[int32]int
	heads []ledger.Head
	// bars are the gangs that wait for quota of a queue above theirs, as of the last look at all lines.
	bars []bar
}

// waiting is one gang in a line.
type waiting struct {
	Gang
	// lane is nil while the gang is in no line: it is being tried, or room is being made for it.
	lane      *lane
	since     time.Time
	notBefore time.Time
	charged   bool
	// freed is set while the gang is being tried in the room that its victims left.
	freed bool
	// verdict is the gang's own; most are its shape's.
	verdict gang.Verdict
}

// New makes a dispatcher without queues, nodes and gangs.
func New(options Options) *Dispatcher {
	return &Dispatcher{
		Ledger:  ledger.New(),
		options: options,
		lines:   map[string]*line{},
		waiting: map[string]*waiting{},
		making:  map[string]*waiting{},
		room:    newRoom(),
		runs:    map[string]map[int32]int{},
	}
}

// Configure changes what an administrator may choose.
func (d *Dispatcher) Configure(options Options) { d.options = options }

// Add puts a gang into the line of its queue, or takes note of what changed about one that is there. A gang that is being
// tried, or for which room is being made, is left alone unless it asks for something else now; then it starts anew.
func (d *Dispatcher) Add(g Gang, now time.Time) {
	g.Runtime = rounded(g.Runtime)
	w := d.waiting[g.ID]
	switch {
	case w == nil:
		w = &waiting{since: now}
		d.waiting[g.ID] = w
	case sameClaim(w.Gang, g):
		return
	case d.making[g.ID] != nil && asksTheSame(w.Gang, g):
		w.Gang = g // It still needs the very room that is being made.
		return
	default:
		if w.freed || d.making[g.ID] != nil || !asksTheSame(w.Gang, g) {
			d.dropHold(g.ID)
		}
		d.withdraw(w)
	}
	d.idle = false
	w.Gang = g
	d.enqueue(w)
}

// Remove takes a gang out of its line, whatever its state: it is gone, or it cannot be tried for the time being.
func (d *Dispatcher) Remove(id string) {
	w := d.waiting[id]
	if w == nil {
		return
	}
	d.withdraw(w)
	d.dropHold(id)
	delete(d.waiting, id)
}

// withdraw takes a gang out of the state that it is in and gives back what it is charged for.
func (d *Dispatcher) withdraw(w *waiting) {
	d.idle = false
	d.refund(w)
	d.dequeue(w)
	if d.trying == w {
		d.trying, w.freed = nil, false
	}
	if d.making[w.ID] != nil {
		delete(d.making, w.ID)
		d.due = slices.DeleteFunc(d.due, func(other *waiting) bool { return other == w })
	}
}

func (d *Dispatcher) charge(w *waiting) {
	if !w.charged {
		d.Ledger.Charge(w.Queue, w.Amount, w.Firm)
		w.charged = true
	}
}

func (d *Dispatcher) refund(w *waiting) {
	if w.charged {
		d.Ledger.Release(w.Queue, w.Amount, w.Firm)
		w.charged = false
	}
}

// Turn is a gang that is to be tried now.
type Turn struct {
	Gang
	// Over is set where the gang may only start if room is made in its queue: a limit of the chain is reached.
	Over *ledger.Refusal
	// FreedFor is set where victims have left for this gang: the room that they left is kept for it.
	FreedFor bool
}

// Next hands out the gang whose turn it is and charges its queues. It is false where no gang can be tried, and while the
// last one that was handed out has not been reported: by Placed, Block, MakeRoom or Remove.
func (d *Dispatcher) Next(now time.Time) (Turn, bool) {
	if d.trying != nil || d.idle {
		return Turn{}, false
	}
	d.seen = d.room.moves
	if w := d.nextFreed(); w != nil {
		return Turn{Gang: w.Gang, FreedFor: true}, true
	}
	d.Ledger.Advance(now)
	d.reviewHolds()
	first := d.candidates(now)
	d.heads = d.heads[:0]
	for _, w := range first {
		d.heads = append(d.heads, headOf(w))
	}
	at := d.Ledger.First(d.heads)
	if at < 0 {
		d.idle = true
		return Turn{}, false
	}
	w := first[at]
	turn := Turn{Gang: w.Gang, Over: d.Ledger.Check(w.Queue, w.Amount, w.Firm)}
	d.dequeue(w)
	d.trying = w
	if turn.Over == nil {
		d.charge(w)
	}
	return turn, true
}

// nextFreed is the gang whose victims have left; nil for none. One whose queue has been changed meanwhile so that it may not
// start goes back into its line.
func (d *Dispatcher) nextFreed() *waiting {
	for len(d.due) > 0 {
		w := d.due[0]
		d.due = d.due[1:]
		delete(d.making, w.ID)
		d.refund(w)
		if !d.closed(w.Queue) && d.stillHasQuota(w) {
			d.charge(w)
			d.trying, w.freed = w, true
			return w
		}
		d.dropHold(w.ID)
		d.enqueue(w)
	}
	return nil
}

// MayStart reports whether the queue of a gang that is being tried lets it start with an amount: the queue may have been
// changed since the gang was handed out.
func (d *Dispatcher) MayStart(id string, amount resource.Amounts) bool {
	w := d.waiting[id]
	if w == nil || d.trying != w {
		return false
	}
	if w.charged {
		d.refund(w)
		defer d.charge(w)
	}
	hasQuota := d.Ledger.Check(w.Queue, amount, w.Firm) == nil || w.freed && amount.Fits(w.Amount) && d.stillHasQuota(w)
	return hasQuota && !d.closed(w.Queue)
}

// stillHasQuota reports whether a gang may start that was admitted before its victims left, and is not charged at the moment.
// Its quota was checked then, as if they had left, and whatever was admitted since was checked with what it was charged. So
// what other gangs are charged that make room does not count: their victims still do. Only a limit that has been lowered can
// be in the way.
func (d *Dispatcher) stillHasQuota(w *waiting) bool {
	for _, other := range d.making {
		if other.charged {
			d.refund(other)
			defer d.charge(other)
		}
	}
	return d.Ledger.Check(w.Queue, w.Amount, w.Firm) == nil
}

// mayStart reports whether nothing but room keeps a gang that is not charged from starting.
func (d *Dispatcher) mayStart(w *waiting) bool {
	return !d.closed(w.Queue) && d.Ledger.Check(w.Queue, w.Amount, w.Firm) == nil
}

// Wake makes the next call of Next look at all lines again: time has passed, or a queue was changed in the Ledger.
func (d *Dispatcher) Wake() { d.idle = false }

// Charge charges a queue for what runs in it.
func (d *Dispatcher) Charge(queue string, amount resource.Amounts, firm bool) {
	d.Ledger.Charge(queue, amount, firm)
}

// Release gives back what a queue was charged for.
func (d *Dispatcher) Release(queue string, amount resource.Amounts, firm bool) {
	d.idle = false
	d.Ledger.Release(queue, amount, firm)
}

// HoldBack keeps a gang from being tried for a while.
func (d *Dispatcher) HoldBack(id string, until time.Time, verdict gang.Verdict) {
	if w := d.waiting[id]; w != nil {
		w.notBefore, w.verdict = until, verdict
	}
}

// HeldBack reports whether a gang is kept from being tried for the time being.
func (d *Dispatcher) HeldBack(id string, now time.Time) bool {
	w := d.waiting[id]
	return w != nil && now.Before(w.notBefore)
}

// Waiting is the number of gangs in all lines, those included that are being tried or made room for.
func (d *Dispatcher) Waiting() int { return len(d.waiting) }

// Trying names the gang that is being tried; empty where none is.
func (d *Dispatcher) Trying() string {
	if d.trying == nil {
		return ""
	}
	return d.trying.ID
}

// Placed takes note that a gang has its plan. It leaves the line, and the caller charges what it placed.
func (d *Dispatcher) Placed(id string) { d.Remove(id) }

// Block puts a gang that was tried in vain back into its line.
func (d *Dispatcher) Block(id string, b Blocked, now time.Time) {
	w := d.waiting[id]
	if w == nil {
		return
	}
	if w.freed {
		d.dropHold(id)
	}
	d.withdraw(w)
	w.verdict = b.Verdict
	w.notBefore = now.Add(b.BackOff)
	d.enqueue(w)
	w.lane.looks = now.Add(lookAgain)
	if b.BackOff > 0 {
		return // It says nothing about gangs of the same shape.
	}
	if b.Verdict.Reason.WantsCapacity() || b.Verdict.Reason == gang.TopologyNotFound || b.Verdict.Reason == gang.Reserved {
		until := now.Add(judgedAfresh)
		if !b.Again.IsZero() {
			until = earlier(until, b.Again)
		}
		// What moved while the gang was planned may not have been in its snapshot, and wakes nobody a second time.
		if d.room.moves.freed != d.seen.freed || b.Wake == WhenAnythingMoves && d.room.moves != d.seen {
			until = earlier(until, now.Add(lookSoon))
		}
		j := d.room.judge(w.Gang, b, until, d.vacancies)
		j.closedBy = d.HoldsAgainst(id)
		w.lane.shape.judged = j
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Blocked is why a gang that was tried found no place.
type Blocked struct {
	Verdict gang.Verdict
	// Wake says what has to happen before gangs of this shape are worth another try.
	Wake Wake
	// Usable are the nodes that accept the members apart from what they ask for; nil stands for all.
	Usable map[string]bool
	// Again is when another try is worth it at the latest: what Reserve returned. Zero where nothing is known.
	Again time.Time
	// BackOff keeps the gang, and only this one, from being tried again for a while: its bind was refused, for example.
	BackOff time.Duration
}

// MakeRoom takes note that victims are leaving for a gang. It stays charged, and hold is kept for it until the caller
// says by Freed that they are gone.
func (d *Dispatcher) MakeRoom(id string, hold reservation.Hold, verdict gang.Verdict) {
	w := d.waiting[id]
	if w == nil {
		return
	}
	d.dequeue(w)
	if d.trying == w {
		d.trying, w.freed = nil, false
	}
	d.charge(w)
	w.verdict = verdict
	d.making[id] = w
	d.idle = false
	hold.Gang = id
	d.setHold(hold)
}

// Freed takes note that the victims of a gang are gone: it is the next to be tried.
func (d *Dispatcher) Freed(id string) {
	if w := d.making[id]; w != nil && !slices.Contains(d.due, w) {
		d.idle = false
		d.due = append(d.due, w)
	}
}

// MakingRoom reports whether victims are leaving for a gang.
func (d *Dispatcher) MakingRoom(id string) bool { return d.making[id] != nil }

// sameClaim reports whether two states of a gang are the same, so that its place in the line stays as it is.
func sameClaim(a, b Gang) bool {
	return a.Priority == b.Priority && a.Mending == b.Mending && a.Born.Equal(b.Born) && a.Shape == b.Shape && a.Elastic == b.Elastic && a.Urgent == b.Urgent &&
		asksTheSame(a, b)
}

// asksTheSame reports whether two states of a gang need the same room and the same quota.
func asksTheSame(a, b Gang) bool {
	if a.Queue != b.Queue || a.Runtime != b.Runtime || a.Firm != b.Firm || len(a.Members) != len(b.Members) {
		return false
	}
	for i := range a.Members {
		if a.Members[i].Count != b.Members[i].Count || !equal(a.Members[i].Amount, b.Members[i].Amount) {
			return false
		}
	}
	return equal(a.Amount, b.Amount)
}

func equal(a, b resource.Amounts) bool { return a.Fits(b) && b.Fits(a) }

// GiveUpRoom puts a gang back into its line whose victims cannot all be made to leave. It lets others have the room, and
// looks for other victims after a pause.
func (d *Dispatcher) GiveUpRoom(id string, verdict gang.Verdict, now time.Time) {
	if d.making[id] == nil {
		return
	}
	d.dropHold(id)
	d.Block(id, Blocked{Verdict: verdict, Wake: WhenRoomIsFreed, BackOff: lookAgain}, now)
}
