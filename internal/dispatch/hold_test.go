package dispatch

import (
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// tryInVain hands out the next gang, which has to be that one, and reports that there is no room: it gets a reservation,
// if it may have one.
func tryInVain(t *testing.T, d *Dispatcher, id string, now time.Time) (reserved bool) {
	t.Helper()
	turn, ok := d.Next(now)
	if !ok || turn.ID != id {
		t.Fatalf("the turn is that of %q (%t), want %q", turn.ID, ok, id)
	}
	blocked := Blocked{Verdict: gang.Verdict{Reason: gang.Unschedulable, Message: "no room"}}
	if reserved = d.MayReserve(id); reserved {
		at := now.Add(time.Hour)
		hold := reservation.Hold{Gang: id, Start: at, Amount: map[string]resource.Amounts{"node": turn.Amount}}
		blocked.Again = d.Reserve(id, hold, reservation.Start{At: at, Known: true}, now)
	}
	d.Block(id, blocked, now)
	return reserved
}

func wantsGPUs(id string, gpus int64, born time.Time) Gang {
	m := members(1, gpus)
	return Gang{ID: id, Queue: "default", Born: born, Shape: string(rune('0' + gpus)), Amount: m.Amount, Members: []Members{m}, Runtime: time.Hour}
}

// A gang whose turn came while another had the only reservation gets it when that one has started, although nothing has
// come free that it could use: else small gangs could pass it for ever.
func TestReservationGoesToTheNextInLine(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := cluster(map[string][2]int64{"node": {4, 4}})
	d.Configure(Options{Reservations: 1, Patience: time.Minute})
	for i, g := range []Gang{wantsGPUs("small", 1, now), wantsGPUs("large", 4, now), wantsGPUs("larger", 3, now)} {
		g.Born = now.Add(time.Duration(i) * time.Second)
		d.Add(g, now)
	}
	if !tryInVain(t, d, "small", now) || tryInVain(t, d, "large", now) || tryInVain(t, d, "larger", now) {
		t.Fatal("not the first alone has got the reservation")
	}
	if turn, ok := d.Next(now); ok {
		t.Fatalf("%s is tried again though nothing has changed", turn.ID)
	}
	d.Remove("small") // it has started, or is gone
	if !tryInVain(t, d, "large", now) {
		t.Error("the gang that is first now gets no reservation")
	}
	if turn, ok := d.Next(now); ok {
		t.Errorf("%s is tried again though there is no reservation left", turn.ID)
	}
}
