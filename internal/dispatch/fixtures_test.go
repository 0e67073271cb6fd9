package dispatch

import (
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// asking makes a gang of the queue "default" whose members ask for so many GPUs each; gangs that ask for the same have the
// same shape. It is as old as its ID is low.
func asking(id string, count int, gpus int64) Gang {
	m := Members{Count: count, Amount: resource.Amounts{gpu: gpus}}
	shape := string(rune('0'+count)) + "x" + string(rune('0'+gpus))
	return Gang{ID: id, Queue: ledger.Default, Born: epoch, Shape: shape, Amount: m.Amount.Times(int64(count)), Members: []Members{m}}
}

func in(queue string, g Gang) Gang {
	g.Queue = queue
	return g
}

func prioritized(priority int32, g Gang) Gang {
	g.Priority = priority
	return g
}

func urgent(g Gang) Gang {
	g.Urgent = true
	return g
}

func firm(g Gang) Gang {
	g.Firm = true
	return g
}

// tried lets every gang have its turn that gets one, and says which did, in order. All find no room.
func tried(t *testing.T, d *Dispatcher, now time.Time, blocked Blocked) (ids []string) {
	t.Helper()
	for turn, ok := d.Next(now); ok; turn, ok = d.Next(now) {
		if ids = append(ids, turn.ID); len(ids) > 100 {
			t.Fatalf("turns without end: %v", ids[:10])
		}
		b := blocked
		if turn.Over != nil {
			b.Verdict.Reason = gang.QuotaExceeded
		}
		d.Block(turn.ID, b, now)
	}
	return ids
}

func noRoom() Blocked {
	return Blocked{Verdict: gang.Verdict{Reason: gang.Unschedulable, Message: "no room"}, Wake: WhenItFits}
}

// turnOf takes the next turn, which has to be that of a gang.
func turnOf(t *testing.T, d *Dispatcher, id string, now time.Time) Turn {
	t.Helper()
	turn, ok := d.Next(now)
	if !ok || turn.ID != id {
		t.Fatalf("it is the turn of %q (%t), want %q", turn.ID, ok, id)
	}
	return turn
}

func wantNoTurn(t *testing.T, d *Dispatcher, now time.Time) {
	t.Helper()
	if turn, ok := d.Next(now); ok {
		t.Fatalf("it is the turn of %q, want nobody's", turn.ID)
	}
}

// starts lets the gang whose turn it is start on a node and run there.
func starts(d *Dispatcher, turn Turn, node string) {
	d.Placed(turn.ID)
	d.Charge(turn.Queue, turn.Amount, turn.Firm)
	d.Occupy(node, turn.ID, Use{Amount: turn.Amount, Runtime: turn.Runtime})
	if !turn.Firm {
		d.Started(turn.Queue, turn.Priority, epoch)
	}
}

// on is a hold on a node.
func on(node string, gpus int64, start time.Time) reservation.Hold {
	return reservation.Hold{Start: start, Amount: map[string]resource.Amounts{node: {gpu: gpus}}}
}

// reserves has the gang whose turn it is blocked with a reservation from a time on, and says whether it got it.
func reserves(d *Dispatcher, id string, hold reservation.Hold, now time.Time) bool {
	may := d.MayReserve(id)
	b := noRoom()
	if may {
		b.Again = d.Reserve(id, hold, reservation.Start{Result: gang.Placed, Known: !hold.Start.IsZero(), At: hold.Start}, now)
	}
	d.Block(id, b, now)
	_, has := d.Hold(id)
	return has
}

func guaranteed(name string, gpus int64) ledger.Queue {
	return ledger.Queue{Name: name, Weight: 1, Reclaimable: true, Guarantee: resource.Amounts{gpu: gpus}}
}
