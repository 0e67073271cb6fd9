package dispatch

import (
	"maps"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
)

func (d *Dispatcher) holdOf(id string) int {
	return slices.IndexFunc(d.holds, func(hold reservation.Hold) bool { return hold.Gang == id })
}

func (d *Dispatcher) setHold(hold reservation.Hold) {
	at := d.holdOf(hold.Gang)
	if at < 0 {
		d.holds = append(d.holds, hold)
		d.moveLane(hold.Gang)
		d.forgetReserved()
		return
	}
	was := d.holds[at]
	d.holds[at] = hold
	// One that is merely renewed lets nobody in who was kept out.
	if !was.Start.Equal(hold.Start) || !was.End.Equal(hold.End) || !maps.EqualFunc(was.Amount, hold.Amount, equal) {
		d.forgetReserved()
	}
}

func (d *Dispatcher) dropHold(id string) {
	if at := d.holdOf(id); at >= 0 {
		d.holds = slices.Delete(d.holds, at, at+1)
		d.vacancies++
		d.moveLane(id)
		d.forgetReserved()
	}
}

// moveLane puts a gang that stands in a line into the lane where it belongs: with a hold it is like no other.
func (d *Dispatcher) moveLane(id string) {
	if w := d.waiting[id]; w != nil && w.lane != nil {
		looks := w.lane.looks
		d.dequeue(w)
		d.enqueue(w)
		if w.lane.looks.IsZero() {
			w.lane.looks = looks
		}
	}
}

// reviewHolds drops what is kept for gangs of the line that only room does not let start: it helps nobody.
func (d *Dispatcher) reviewHolds() {
	for _, hold := range slices.Clone(d.holds) {
		if w := d.waiting[hold.Gang]; w != nil && w.lane != nil && !d.mayStart(w) {
			d.dropHold(hold.Gang)
		}
	}
}

// forgetReserved lets gangs be tried again that had room but for what was kept for others.
func (d *Dispatcher) forgetReserved() {
	d.idle = false
	for _, s := range d.room.shapes {
		if s.judged != nil && s.judged.verdict.Reason == gang.Reserved {
			s.judged = nil
		}
	}
}

// HoldsAgainst lists the room that is kept for others and that a gang has to respect. What is listed is shared and must not
// be changed.
func (d *Dispatcher) HoldsAgainst(id string) []reservation.Hold {
	return slices.DeleteFunc(slices.Clone(d.holds), func(hold reservation.Hold) bool { return !d.binds(hold, id) })
}

// binds reports whether a gang has to respect a hold. Reservations step back for a gang whose victims have left, since that
// room is its own, for a gang that goes before the one that they are for, and for an urgent one of higher priority.
func (d *Dispatcher) binds(hold reservation.Hold, id string) bool {
	w := d.known(id)
	switch {
	case hold.Gang == id:
		return false
	case w == nil || !d.reserved(hold.Gang):
		return true
	}
	holder := d.waiting[hold.Gang]
	if w.freed || d.making[id] != nil || d.goesBefore(w, holder) || w.Urgent && holder.Priority < w.Priority {
		return false
	}
	// Of two reservations the older one does not respect the younger.
	own := d.holdOf(id)
	return own < 0 || d.holdOf(hold.Gang) < own || d.goesBefore(holder, w)
}

// Hold is the room that is kept for a gang.
func (d *Dispatcher) Hold(id string) (reservation.Hold, bool) {
	at := d.holdOf(id)
	if at < 0 {
		return reservation.Hold{}, false
	}
	return d.holds[at], true
}

// MayReserve reports whether room is to be kept for a gang that found none: it has a reservation already, one is left, or
// it goes before one that has the last.
//
// A reservation is sticky. Shares change with every gang that ends, and a reservation that changed hands each time would
// let nobody start.
func (d *Dispatcher) MayReserve(id string) bool {
	w := d.waiting[id]
	if w == nil || d.options.Reservations == 0 {
		return false
	}
	_, displaces := d.displaced(w)
	return d.reserved(id) || d.reservations() < d.options.Reservations || displaces
}

// reserved reports whether the hold of a gang, if it has one, is a reservation and not room that victims leave.
func (d *Dispatcher) reserved(id string) bool {
	w := d.waiting[id]
	return w != nil && !w.freed && d.making[id] == nil && d.holdOf(id) >= 0
}

func (d *Dispatcher) reservations() int {
	count := 0
	for _, hold := range d.holds {
		if d.reserved(hold.Gang) {
			count++
		}
	}
	return count
}

// displaced is who has to give up a reservation for a gang, if there is no other left.
func (d *Dispatcher) displaced(w *waiting) (id string, found bool) {
	for _, hold := range d.holds {
		if holder := d.waiting[hold.Gang]; holder != w && d.reserved(hold.Gang) && d.goesBefore(w, holder) {
			return hold.Gang, true
		}
	}
	return "", false
}

// goesBefore reports whether the reservation of another gang stands behind a gang: it is of the same queue and has a lower
// priority, or it is of another queue and asks for more than it is guaranteed where this one does not.
func (d *Dispatcher) goesBefore(w, holder *waiting) bool {
	if holder.Queue == w.Queue {
		return holder.Priority < w.Priority
	}
	return d.owed(w, holder) && !d.owed(holder, w)
}

// owed reports whether a gang, charged or not, is covered by a guarantee that it does not share with another: that of its
// queue, or of one above it, up to where the two have one in common. It may take back at each of these levels.
func (d *Dispatcher) owed(w, other *waiting) bool {
	if w.charged {
		d.refund(w)
		defer d.charge(w)
	}
	common := d.Ledger.Chain(other.Queue)
	for _, queue := range d.Ledger.Chain(w.Queue) {
		if slices.Contains(common, queue) {
			return false
		}
		if d.Ledger.Covered(queue, w.Amount) {
			return true
		}
	}
	return false
}

// Reserve keeps room for a gang, as reservation.Renew made the hold and foresees the start. Where the start is not known,
// since gangs of unknown run time are in the way, room is kept only once the gang has waited for Options.Patience. It
// returns when the gang should be tried again at the latest. The gang is still the one that is being tried: Block has to
// follow.
func (d *Dispatcher) Reserve(id string, hold reservation.Hold, start reservation.Start, now time.Time) (again time.Time) {
	w := d.waiting[id]
	if w == nil {
		return time.Time{}
	}
	if patient := w.since.Add(d.options.Patience); hold.Start.IsZero() && now.Before(patient) {
		d.dropHold(id)
		return patient
	}
	if !d.reserved(id) && d.reservations() >= d.options.Reservations {
		other, found := d.displaced(w)
		if !found {
			d.dropHold(id)
			return time.Time{}
		}
		d.dropHold(other)
	}
	hold.Gang, w.freed = id, false
	d.setHold(hold)
	if !start.Known {
		return time.Time{}
	}
	// A gang that is due is looked at again soon, but not at once: somebody overruns.
	if soon := now.Add(time.Second); start.At.Before(soon) {
		return soon
	}
	return start.At
}

// Unreserve gives up a gang's reservation: it found none this time.
func (d *Dispatcher) Unreserve(id string) {
	if d.making[id] == nil {
		d.dropHold(id)
	}
}

// Holds lists the holds that a gang has to respect, those that come after its own, and its own or an empty one in its
// name.
func (d *Dispatcher) Holds(id string) (ahead []reservation.Hold, own reservation.Hold, behind []reservation.Hold) {
	own = reservation.Hold{Gang: id}
	at := d.holdOf(id)
	for i, hold := range d.holds {
		switch {
		case i == at:
			own = hold
		case !d.binds(hold, id), at >= 0 && i > at && d.reserved(hold.Gang):
			behind = append(behind, hold)
		default:
			ahead = append(ahead, hold)
		}
	}
	return ahead, own, behind
}
