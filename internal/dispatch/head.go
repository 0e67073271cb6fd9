package dispatch

import (
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/ledger"
)

// candidates are the gangs that would be tried next in their queues, one of each queue that has one, in no order.
func (d *Dispatcher) candidates(now time.Time) (first []*waiting) {
	d.bars = d.bars[:0]
	for _, l := range d.lines {
		w, bars := d.head(l, now, nil)
		if w != nil {
			first = append(first, w)
		}
		for _, b := range bars {
			if b.queue != l.queue && !d.asleep(b.gang, now) {
				d.bars = append(d.bars, b)
			}
		}
	}
	if len(d.bars) == 0 {
		return first
	}
	for i, w := range first {
		if d.barredFromAbove(w) != nil {
			first[i], _ = d.head(w.lane.line, now, d.barredFromAbove)
		}
	}
	return slices.DeleteFunc(first, func(w *waiting) bool { return w == nil })
}

// head is the gang of a queue that would be tried next; nil where none is worth a try. barred leaves some out, nil none.
// bars are the gangs ahead of it that have waited for quota for long.
func (d *Dispatcher) head(l *line, now time.Time, barred func(*waiting) *waiting) (first *waiting, bars []bar) {
	ready := l.ready(now)
	worth := func(w *waiting) bool { return !d.asleep(w, now) || d.mayMakeRoom(w, now) }
	if !slices.ContainsFunc(ready, worth) || d.closed(l.queue) {
		return nil, nil // Mostly: nothing has changed for anybody.
	}
	for _, w := range ready {
		if barring(bars, w) != nil || barred != nil && barred(w) != nil {
			continue
		}
		refusal := d.Ledger.Check(w.Queue, w.Amount, w.Firm)
		switch {
		case refusal == nil && worth(w), refusal != nil && !refusal.Never() && d.mayMakeRoom(w, now):
			return w, bars
		case refusal != nil:
			bars = d.bar(bars, w, refusal, now)
		}
	}
	return nil, bars
}

func headOf(w *waiting) ledger.Head {
	return ledger.Head{Queue: w.Queue, Amount: w.Amount, Priority: w.Priority, Born: w.Born, ID: w.ID}
}

// bar is a gang that has waited for too long for a resource of which a queue has none left: nobody behind it may have what
// it waits for.
type bar struct {
	gang            *waiting
	queue, resource string
	// firm is set where only firm gangs compete for it.
	firm bool
}

func (d *Dispatcher) bar(bars []bar, w *waiting, refusal *ledger.Refusal, now time.Time) []bar {
	if refusal.Never() || now.Sub(w.since) < d.options.Patience {
		return bars
	}
	return append(bars, bar{gang: w, queue: refusal.Queue, resource: refusal.Resource, firm: refusal.Kind == ledger.OverGuarantee})
}

func (b bar) competes(w *waiting) bool { return w.Amount[b.resource] > 0 && (w.Firm || !b.firm) }

// barring is the first gang that bars another of its queue; nil where none does.
func barring(bars []bar, w *waiting) *waiting {
	for _, b := range bars {
		if b.competes(w) {
			return b.gang
		}
	}
	return nil
}

// barredFromAbove is the gang of another queue that a gang may not pass: both need quota of a queue above them, the other
// has waited for it for long, and it would go first if it were there.
func (d *Dispatcher) barredFromAbove(w *waiting) (by *waiting) {
	for _, b := range d.bars {
		if b.gang.Queue == w.Queue || b.gang.lane == nil || !b.competes(w) || !slices.Contains(d.Ledger.Chain(w.Queue), b.queue) {
			continue
		}
		if d.Ledger.First([]ledger.Head{headOf(b.gang), headOf(w)}) == 0 && (by == nil || b.gang.ID < by.ID) {
			by = b.gang
		}
	}
	return by
}

// behind is the gang that keeps a gang of a line from having its turn, by its ID, since it has waited for quota for long: one
// that is further ahead in the line, or of another queue. Empty where there is none.
func (d *Dispatcher) behind(w *waiting, now time.Time) string {
	var bars []bar
	for _, first := range w.lane.line.ready(now) {
		if precedes(w, first) <= 0 {
			break // All that follow come later too.
		}
		if barring(bars, first) != nil {
			continue
		}
		if refusal := d.Ledger.Check(first.Queue, first.Amount, first.Firm); refusal != nil && !d.mayMakeRoom(first, now) {
			bars = d.bar(bars, first, refusal, now)
		}
	}
	by := barring(bars, w)
	if by == nil {
		by = d.barredFromAbove(w)
	}
	if by == nil {
		return ""
	}
	return by.ID
}
