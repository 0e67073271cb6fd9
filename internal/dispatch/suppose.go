package dispatch

import (
	"time"

	"github.com/muster-scheduling/muster/internal/ledger"
)

// Supposed is what would become of a gang that is not in its line if it were.
type Supposed struct {
	// Place is its place in the queue's line, 1 for the first, and Length how many would wait there.
	Place, Length int
	// Over is why its queue has no quota for it now; nil where it has.
	Over *ledger.Refusal
	// Behind is the gang further ahead in the queue, by its ID, that may not be passed since it has waited for long for what
	// its queue has none left of; empty where there is none.
	Behind string
}

// Suppose says what would become of a gang. Its ID must be nobody's, and its queue one that admits. It never gets a turn, and
// nothing changes but this: until the next one is supposed, the gang is known by its ID to who asks what room is kept.
func (d *Dispatcher) Suppose(g Gang, now time.Time) Supposed {
	idle := d.idle
	d.Add(g, now)
	w := d.waiting[g.ID]
	s := Supposed{Over: d.Ledger.Check(g.Queue, g.Amount, g.Firm), Behind: d.behind(w, now)}
	s.Place, s.Length = d.Place(g.ID)
	d.Remove(g.ID)
	d.idle, d.supposed = idle, w
	return s
}

// known is a gang that waits, or is supposed to.
func (d *Dispatcher) known(id string) *waiting {
	if w := d.waiting[id]; w != nil || d.supposed == nil || d.supposed.ID != id {
		return w
	}
	return d.supposed
}
