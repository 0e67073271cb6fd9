package dispatch

import (
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
)

func (d *Dispatcher) holdOf(id string) int {
	return slices.IndexFunc(d.holds, func(hold reservation.Hold) bool { return hold.Gang == id })
}

func (d *Dispatcher) setHold(hold reservation.Hold) {
	if at := d.holdOf(hold.Gang); at >= 0 {
		d.holds[at] = hold
	} else {
		d.holds = append(d.holds, hold)
	}
	d.forgetReserved()
}

func (d *Dispatcher) dropHold(id string) {
	if at := d.holdOf(id); at >= 0 {
		d.holds = slices.Delete(d.holds, at, at+1)
		d.forgetReserved()
	}
}

// forgetReserved lets gangs be tried again that had room but for what was kept for others.
func (d *Dispatcher) forgetReserved() {
	d.idle = false
	for key, j := range d.room.judged {
		if j.verdict.Reason == gang.Reserved {
			delete(d.room.judged, key)
		}
	}
}

// HoldsAgainst lists the room that is kept for others than a gang. What is listed is shared and must not be changed.
func (d *Dispatcher) HoldsAgainst(id string) []reservation.Hold {
	if d.holdOf(id) < 0 {
		return slices.Clone(d.holds)
	}
	return slices.DeleteFunc(slices.Clone(d.holds), func(hold reservation.Hold) bool { return hold.Gang == id })
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
	return d.holdOf(id) >= 0 || d.reservations() < d.options.Reservations || displaces
}

func (d *Dispatcher) reservations() int {
	count := 0
	for _, hold := range d.holds {
		if d.making[hold.Gang] == nil {
			count++
		}
	}
	return count
}

// displaced is who has to give up a reservation for a gang: one of its queue that it goes before by priority, or one that
// asks for more than it is guaranteed where this one does not.
func (d *Dispatcher) displaced(w *waiting) (id string, found bool) {
	for _, hold := range d.holds {
		holder := d.waiting[hold.Gang]
		if holder == nil || holder == w || d.making[hold.Gang] != nil {
			continue
		}
		if holder.Queue == w.Queue && holder.Priority < w.Priority ||
			d.Ledger.Covered(w.Queue, w.Amount) && !d.Ledger.Covered(holder.Queue, holder.Amount) {
			return hold.Gang, true
		}
	}
	return "", false
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
	if d.holdOf(id) < 0 && d.reservations() >= d.options.Reservations {
		if other, found := d.displaced(w); found {
			d.dropHold(other)
		}
	}
	hold.Gang = id
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
		case at >= 0 && i > at && d.making[hold.Gang] == nil:
			behind = append(behind, hold)
		default:
			ahead = append(ahead, hold)
		}
	}
	return ahead, own, behind
}
