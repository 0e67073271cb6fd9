package dispatch

import (
	"cmp"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/ledger"
)

// line is the waiting gangs of one queue, in lanes of equivalent ones.
type line struct {
	queue string
	lanes map[laneKey]*lane
	// order is the lanes by what is first in each; nil where it has to be sorted again.
	order []*lane
}

type laneKey struct {
	shape         string
	priority      int32
	runtime       time.Duration
	firm, mending bool
}

// lane is a number of gangs that differ in nothing but age.
type lane struct {
	line  *line
	key   laneKey
	gangs []*waiting
	// soughtVictims is when making room for a gang of the lane was last tried in vain.
	soughtVictims time.Time
}

func keyOf(g Gang) laneKey {
	shape := g.Shape
	if shape == "" {
		shape = "\x00" + g.ID
	}
	return laneKey{shape: shape, priority: g.Priority, runtime: g.Runtime, firm: g.Firm, mending: g.Mending}
}

// precedes orders the gangs of one queue: priority, gangs that run below their minimum, age, ID.
func precedes(a, b *waiting) int {
	return cmp.Or(
		-cmp.Compare(a.Priority, b.Priority),
		-compareBool(a.Mending, b.Mending),
		a.Born.Compare(b.Born),
		cmp.Compare(a.ID, b.ID),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (d *Dispatcher) enqueue(w *waiting) {
	l := d.lines[w.Queue]
	if l == nil {
		l = &line{queue: w.Queue, lanes: map[laneKey]*lane{}}
		d.lines[w.Queue] = l
	}
	key := keyOf(w.Gang)
	w.lane = l.lanes[key]
	if w.lane == nil {
		w.lane = &lane{line: l, key: key}
		l.lanes[key] = w.lane
	}
	at, _ := slices.BinarySearchFunc(w.lane.gangs, w, precedes)
	w.lane.gangs = slices.Insert(w.lane.gangs, at, w)
	if at == 0 {
		l.order = nil
	}
}

func (d *Dispatcher) dequeue(w *waiting) {
	if w.lane == nil {
		return
	}
	l := w.lane.line
	if at, found := slices.BinarySearchFunc(w.lane.gangs, w, precedes); found {
		w.lane.gangs = slices.Delete(w.lane.gangs, at, at+1)
		if at == 0 {
			l.order = nil
		}
	}
	if len(w.lane.gangs) == 0 {
		delete(l.lanes, w.lane.key)
		l.order = nil
	}
	if len(l.lanes) == 0 {
		delete(d.lines, l.queue)
	}
	w.lane = nil
}

func (l *line) sorted() []*lane {
	if l.order == nil {
		for _, lane := range l.lanes {
			l.order = append(l.order, lane)
		}
		slices.SortFunc(l.order, func(a, b *lane) int { return precedes(a.gangs[0], b.gangs[0]) })
	}
	return l.order
}

// ready is the first gang of a lane that is not told to hold back.
func (l *lane) ready(now time.Time) *waiting {
	for _, w := range l.gangs {
		if !now.Before(w.notBefore) {
			return w
		}
	}
	return nil
}

// head is the gang of a queue that would be tried next; nil where none is worth a try.
func (d *Dispatcher) head(l *line, now time.Time) *waiting {
	if d.Ledger.Fault(l.queue) != nil {
		return nil
	}
	if _, how := d.Ledger.Stopped(l.queue); how != ledger.None {
		return nil
	}
	// barred are the resources for which a gang further ahead has waited too long already.
	var barred []string
	for _, lane := range l.sorted() {
		w := lane.ready(now)
		if w == nil || slices.ContainsFunc(barred, func(name string) bool { return w.Amount[name] > 0 }) {
			continue
		}
		refusal := d.Ledger.Check(w.Queue, w.Amount, w.Firm)
		switch {
		case refusal == nil:
			if !d.asleep(w, now) || d.mayMakeRoom(w, now) {
				return w
			}
		case refusal.Kind != ledger.OverLimit:
			d.dropHold(w.ID)
		case d.mayMakeRoom(w, now):
			return w
		default:
			// Room that is kept for a gang that its queue does not let start helps nobody.
			d.dropHold(w.ID)
			if now.Sub(w.since) >= d.options.Patience {
				barred = append(barred, refusal.Resource)
			}
		}
	}
	return nil
}

// mayMakeRoom is a cheap necessary condition for victims to exist: a gang of lower priority in the same queue, or a queue
// that has more than it is guaranteed while this one has less.
func (d *Dispatcher) mayMakeRoom(w *waiting, now time.Time) bool {
	if now.Sub(w.lane.soughtVictims) < retryMakingRoom && !w.lane.soughtVictims.IsZero() {
		return false
	}
	if d.preempts(w) {
		return true
	}
	if !slices.ContainsFunc(d.Ledger.Chain(w.Queue), func(queue string) bool { return d.Ledger.Covered(queue, w.Amount) }) {
		return false
	}
	for queue := range d.runs {
		if queue != w.Queue && d.reclaims(w, queue) {
			return true
		}
	}
	return false
}

// preempts reports whether a gang of a lower priority runs in the queue.
func (d *Dispatcher) preempts(w *waiting) bool {
	for priority := range d.runs[w.Queue] {
		if priority < w.Priority {
			return true
		}
	}
	return false
}

func (d *Dispatcher) reclaims(w *waiting, queue string) bool {
	return d.Ledger.Entitled(w.Queue, queue, w.Amount) && d.Ledger.Takeable(w.Queue, queue, w.Amount, d.Ledger.Usage(queue))
}

// Started takes note of a gang that runs and may become a victim. Gangs that found none so far may look again soon.
func (d *Dispatcher) Started(queue string, priority int32, now time.Time) {
	if d.runs[queue] == nil {
		d.runs[queue] = map[int32]int{}
	}
	d.runs[queue][priority]++
	for _, l := range d.lines {
		for _, lane := range l.lanes {
			if lane.soughtVictims.IsZero() || l.queue == queue && lane.key.priority <= priority {
				continue
			}
			// Not at once: where many start, one look serves for all of them.
			if soon := now.Add(time.Second - retryMakingRoom); lane.soughtVictims.After(soon) {
				lane.soughtVictims = soon
			}
		}
	}
}

// Ended takes note that a gang that was Started runs no longer, or is no possible victim any more.
func (d *Dispatcher) Ended(queue string, priority int32) {
	if d.runs[queue][priority]--; d.runs[queue][priority] <= 0 {
		delete(d.runs[queue], priority)
	}
	if len(d.runs[queue]) == 0 {
		delete(d.runs, queue)
	}
}

// Place is a gang's place in the line of its queue: 1 for the first, and how many wait there. Both are 0 for a gang that
// is in no line.
func (d *Dispatcher) Place(id string) (place, length int) {
	w := d.waiting[id]
	if w == nil {
		return 0, 0
	}
	place = 1
	for _, other := range d.waiting {
		if other.Queue != w.Queue {
			continue
		}
		length++
		if precedes(other, w) < 0 {
			place++
		}
	}
	return place, length
}

// First is the gang that is at the head of a queue's line, whether or not it can be tried.
func (d *Dispatcher) First(queue string) (id string, found bool) {
	l := d.lines[queue]
	if l == nil {
		return "", false
	}
	return l.sorted()[0].gangs[0].ID, true
}
