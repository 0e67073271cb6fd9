package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

func reserving(reservations int) *Dispatcher {
	d := New(Options{Reservations: reservations, Patience: time.Minute})
	d.SetNode("a", resource.Amounts{gpu: 8}, "")
	d.Occupy("a", "runs", Use{Amount: resource.Amounts{gpu: 6}, Since: epoch, Runtime: time.Hour})
	d.Ledger.SetQueue(guaranteed("owed", 8))
	return d
}

func wantHold(t *testing.T, d *Dispatcher, id string, want bool) {
	t.Helper()
	if _, has := d.Hold(id); has != want {
		t.Errorf("room is kept for %s: %t, want %t", id, has, want)
	}
}

func TestReservationsAreFew(t *testing.T) {
	d := reserving(2)
	for i, id := range []string{"g1", "g2", "g3"} {
		d.Add(asking(id, 1, int64(4+i)), epoch)
		turnOf(t, d, id, epoch)
		if got, want := reserves(d, id, on("a", int64(4+i), at(3600)), epoch), i < 2; got != want {
			t.Errorf("%s has a reservation: %t, want %t", id, got, want)
		}
	}
	// Who comes next has what one of them gives up.
	d.Remove("g1")
	turnOf(t, d, "g3", epoch)
	if !reserves(d, "g3", on("a", 6, at(7200)), epoch) {
		t.Error("g3 has not got the reservation that came free")
	}
	wantNoTurn(t, d, epoch)
}

func TestWhoseReservationStepsBack(t *testing.T) {
	for _, tc := range []struct {
		name         string
		holder, next Gang
		want         bool
	}{
		{"an equal", asking("holder", 1, 4), asking("next", 1, 5), false},
		{"of lower priority", asking("holder", 1, 4), prioritized(1, asking("next", 1, 5)), true},
		{"of lower priority in another queue", asking("holder", 1, 4), in("free", prioritized(1, asking("next", 1, 5))), false},
		{"not covered, where the other is", asking("holder", 1, 4), in("owed", asking("next", 1, 5)), true},
		{"covered as well", in("owed", asking("holder", 1, 4)), in("owed", asking("next", 1, 5)), false},
		{"not covered, in the same queue", in("owed", asking("holder", 1, 9)), in("owed", asking("next", 1, 5)), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := reserving(1)
			d.Ledger.SetQueue(ledger.Queue{Name: "free", Weight: 1})
			d.Add(tc.holder, epoch)
			turnOf(t, d, "holder", epoch)
			reserves(d, "holder", on("a", 4, at(3600)), epoch)
			d.Add(tc.next, epoch)
			turnOf(t, d, "next", epoch)
			if binds := len(d.HoldsAgainst("next")) > 0; binds == tc.want {
				t.Errorf("it has to respect the hold: %t", binds)
			}
			if ahead, own, behind := d.Holds("next"); own.Gang != "next" || (len(behind) > 0) != tc.want || (len(ahead) > 0) == tc.want {
				t.Errorf("%d holds are ahead, %d behind", len(ahead), len(behind))
			}
			if got := reserves(d, "next", on("a", 5, at(3600)), epoch); got != tc.want {
				t.Errorf("it has the reservation now: %t, want %t", got, tc.want)
			}
			wantHold(t, d, "holder", !tc.want)
			// It does not change hands again.
			for _, id := range tried(t, d, epoch, noRoom()) {
				if d.MayReserve(id) && id == "holder" && tc.want {
					t.Error("the reservation goes back")
				}
			}
		})
	}
}

// A gang that waits for a reservation does not keep an urgent one like it from its turn.
func TestAnUrgentGangIsNotPassedOverWithItsEquals(t *testing.T) {
	d := reserving(1)
	d.Add(asking("holder", 1, 4), epoch)
	turnOf(t, d, "holder", epoch)
	reserves(d, "holder", on("a", 4, at(3600)), epoch)
	d.Ledger.SetQueue(ledger.Queue{Name: "free", Weight: 1})
	d.Add(in("free", prioritized(1, asking("job", 1, 1))), epoch)
	kept := noRoom()
	kept.Verdict.Reason = gang.Reserved
	wantTried(t, tried(t, d, epoch, kept), "job")
	d.Add(in("free", urgent(prioritized(1, asking("server", 1, 1)))), epoch)
	turnOf(t, d, "server", epoch)
}

// An urgent gang passes by reservations of lower priority, and leaves them to those who have them.
func TestWhoPassesByAReservation(t *testing.T) {
	for _, tc := range []struct {
		name string
		next Gang
		want bool
	}{
		{"of higher priority, but not urgent", prioritized(1, asking("next", 1, 1)), false},
		{"urgent, of the same priority", urgent(asking("next", 1, 1)), false},
		{"urgent, and of higher priority", urgent(prioritized(1, asking("next", 1, 1))), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := reserving(1)
			d.Ledger.SetQueue(ledger.Queue{Name: "free", Weight: 1})
			d.Add(asking("holder", 1, 4), epoch)
			turnOf(t, d, "holder", epoch)
			reserves(d, "holder", on("a", 4, at(3600)), epoch)
			d.Add(in("free", tc.next), epoch)
			if binds := len(d.HoldsAgainst("next")) > 0; binds == tc.want {
				t.Errorf("it has to respect the hold: %t", binds)
			}
			turnOf(t, d, "next", epoch)
			if reserves(d, "next", on("a", 1, at(3600)), epoch) {
				t.Error("it has taken the reservation")
			}
			wantHold(t, d, "holder", true)
		})
	}
}

func TestPatienceBeforeAReservationWithoutATime(t *testing.T) {
	d := reserving(1)
	d.Add(asking("g", 1, 4), epoch)
	turnOf(t, d, "g", epoch)
	again := d.Reserve("g", on("a", 4, time.Time{}), reservation.Start{Result: gang.Placed}, at(10))
	if want := at(60); !again.Equal(want) {
		t.Errorf("it is to be tried again at %v, want %v, when it has waited for long enough", again, want)
	}
	wantHold(t, d, "g", false)
	b := noRoom()
	b.Again = again
	d.Block("g", b, at(10))
	d.Wake()
	wantNoTurn(t, d, at(59))
	d.Wake()
	turnOf(t, d, "g", at(60))
	d.Reserve("g", on("a", 4, time.Time{}), reservation.Start{Result: gang.Placed}, at(60))
	wantHold(t, d, "g", true)
}

// Its reservation makes a gang a case of its own: gangs like it that come earlier must not keep it from its turn.
func TestAHolderIsNotPassedOverWithItsEquals(t *testing.T) {
	d := reserving(1)
	d.Add(asking("g2", 1, 4), epoch)
	turnOf(t, d, "g2", epoch)
	reserves(d, "g2", on("a", 4, at(100)), epoch)
	d.Add(asking("g1", 1, 4), epoch)
	wantTried(t, tried(t, d, epoch, noRoom()), "g1")
	d.Wake()
	turnOf(t, d, "g2", at(100))
}

func TestHoldsThatHelpNobody(t *testing.T) {
	for name, change := range map[string]func(*Dispatcher){
		"the queue is stopped": func(d *Dispatcher) { d.Ledger.SetQueue(ledger.Queue{Name: "q", Weight: 1, Stop: ledger.Hold}) },
		"the queue is gone":    func(d *Dispatcher) { d.Ledger.DeleteQueue("q") },
		"the limit is reached": func(d *Dispatcher) {
			d.Ledger.SetQueue(limited("q", 4))
			d.Charge("q", resource.Amounts{gpu: 1}, false)
		},
		"the limit is too low":   func(d *Dispatcher) { d.Ledger.SetQueue(limited("q", 3)) },
		"the node is gone":       func(d *Dispatcher) { d.DeleteNode("a") },
		"the gang is gone":       func(d *Dispatcher) { d.Remove("g") },
		"the gang asks for more": func(d *Dispatcher) { d.Add(in("q", asking("g", 1, 5)), epoch) },
	} {
		t.Run(name, func(t *testing.T) {
			d := reserving(1)
			d.Ledger.SetQueue(ledger.Queue{Name: "q", Weight: 1})
			d.Add(in("q", asking("g", 1, 4)), epoch)
			turnOf(t, d, "g", epoch)
			reserves(d, "g", on("a", 4, at(3600)), epoch)
			d.Add(asking("small", 1, 1), epoch)
			turnOf(t, d, "small", epoch)
			d.Block("small", Blocked{Verdict: gang.Verdict{Reason: gang.Reserved}}, epoch)
			wantNoTurn(t, d, epoch)
			change(d)
			d.Wake()
			if !slices.Contains(tried(t, d, epoch, noRoom()), "small") {
				t.Error("nobody may use the room that was kept")
				wantHold(t, d, "g", false)
			}
		})
	}
}

// What is kept is told by node, and what is about to end before the hold begins may use it.
func TestSpareRespectsHolds(t *testing.T) {
	d := reserving(1)
	table := resource.NewTable(gpu)
	d.Add(asking("g", 1, 8), epoch)
	turnOf(t, d, "g", epoch)
	reserves(d, "g", on("a", 8, at(3600)), epoch)
	for _, tc := range []struct {
		id    string
		until time.Time
		want  int64
	}{
		{"other", at(3600), 2},
		{"other", at(3601), 0},
		{"other", time.Time{}, 0},
		{"g", time.Time{}, 2},
	} {
		if got := d.Spare(table, "a", tc.id, epoch, tc.until)[0]; got != tc.want {
			t.Errorf("%s may take %d GPUs until %v, want %d", tc.id, got, tc.until, tc.want)
		}
	}
	if nodes := d.HeldNodes("other"); len(nodes) != 1 || nodes[0] != "a" || len(d.HeldNodes("g")) != 0 {
		t.Errorf("room is kept on %v for others", nodes)
	}
	if got := d.Spare(table, "gone", "other", epoch, time.Time{})[0]; got != 0 {
		t.Errorf("a node that does not exist has room for %d", got)
	}
}

func makingRoom(t *testing.T, d *Dispatcher, g Gang) {
	t.Helper()
	d.Add(g, epoch)
	turnOf(t, d, g.ID, epoch)
	d.MakeRoom(g.ID, on("a", 4, epoch), gang.Verdict{Reason: gang.MakingRoom, Message: "victims are leaving"})
}

func TestMakingRoom(t *testing.T) {
	d := reserving(1)
	makingRoom(t, d, asking("g", 1, 4))
	if got := d.Why("g", epoch); got.Reason != gang.MakingRoom || !d.MakingRoom("g") {
		t.Errorf("it waits for %v", got)
	}
	if usage := d.Ledger.Usage(ledger.Default)[gpu]; usage != 4 {
		t.Errorf("%d GPUs are charged, want those of who makes room", usage)
	}
	// That is no reservation, and others have their turns meanwhile.
	d.Add(asking("other", 1, 5), epoch)
	turnOf(t, d, "other", epoch)
	if !reserves(d, "other", on("a", 5, time.Time{}), at(60)) {
		t.Error("who makes room has taken the only reservation")
	}
	wantNoTurn(t, d, epoch)
	d.Freed("g")
	d.Freed("g")
	turn := turnOf(t, d, "g", epoch)
	if !turn.FreedFor {
		t.Error("the turn does not say that its room is free now")
	}
	if holds := d.HoldsAgainst("g"); len(holds) > 0 {
		t.Errorf("reservations close the room that was made: %v", holds)
	}
	starts(d, turn, "a")
	wantHold(t, d, "g", false)
	wantNoTurn(t, d, epoch)
	if usage := d.Ledger.Usage(ledger.Default)[gpu]; usage != 4 {
		t.Errorf("%d GPUs are charged, want what runs", usage)
	}
}

func TestRoomThatIsMadeInVain(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*testing.T, *Dispatcher)
	}{
		{"a victim is spared", func(_ *testing.T, d *Dispatcher) { d.GiveUpRoom("g", gang.Verdict{Reason: gang.Unschedulable}, epoch) }},
		{"the gang is gone", func(_ *testing.T, d *Dispatcher) { d.Remove("g") }},
		{"the gang asks for more", func(_ *testing.T, d *Dispatcher) { d.Add(asking("g", 1, 5), epoch) }},
		{"its queue is stopped", func(t *testing.T, d *Dispatcher) {
			d.Ledger.SetQueue(ledger.Queue{Name: ledger.Default, Stop: ledger.Hold})
			d.Freed("g")
			wantNoTurn(t, d, epoch)
		}},
		{"its limit is lowered", func(t *testing.T, d *Dispatcher) {
			d.Ledger.SetQueue(limited(ledger.Default, 3))
			d.Freed("g")
			wantNoTurn(t, d, epoch)
		}},
		{"it does not fit after all", func(t *testing.T, d *Dispatcher) {
			d.Freed("g")
			turnOf(t, d, "g", epoch)
			d.Block("g", noRoom(), epoch)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := reserving(1)
			makingRoom(t, d, asking("g", 1, 4))
			tc.do(t, d)
			wantHold(t, d, "g", false)
			if usage := d.Ledger.Usage(ledger.Default); len(usage) > 0 {
				t.Errorf("%v is charged, and nothing runs", usage)
			}
			if d.MakingRoom("g") {
				t.Error("it still makes room")
			}
			d.Freed("g")
			if turn, ok := d.Next(epoch); ok && turn.FreedFor {
				t.Error("it has a turn for room that it gave up")
			}
		})
	}
}

// Two gangs of a queue at its limit make room in it. While the victims of one still count, what it is charged must not keep
// the other from starting: its own victims have left.
func TestTwoMakeRoomUnderOneLimit(t *testing.T) {
	d := reserving(1)
	d.Ledger.SetQueue(limited(ledger.Default, 8))
	d.Charge(ledger.Default, resource.Amounts{gpu: 8}, false)
	d.Started(ledger.Default, -1, epoch)
	for _, id := range []string{"g1", "g2"} {
		makingRoom(t, d, asking(id, 1, 4))
	}
	d.Release(ledger.Default, resource.Amounts{gpu: 4}, false)
	d.Freed("g1")
	turn := turnOf(t, d, "g1", epoch)
	if !d.MayStart("g1", turn.Amount) || d.MayStart("g1", resource.Amounts{gpu: 5}) {
		t.Error("not the minimum alone may start")
	}
	starts(d, turn, "a")
	d.Ledger.SetQueue(limited(ledger.Default, 7))
	d.Release(ledger.Default, resource.Amounts{gpu: 4}, false)
	d.Freed("g2")
	if turn := turnOf(t, d, "g2", epoch); turn.FreedFor || turn.Over == nil {
		t.Errorf("its turn is %+v though the limit has been lowered", turn)
	}
}

// Another member comes, or the job's priority changes: the gang still needs what is being made.
func TestAGangThatChangesWhileRoomIsMade(t *testing.T) {
	d := reserving(1)
	makingRoom(t, d, asking("g", 1, 4))
	g := prioritized(3, asking("g", 1, 4))
	g.Shape = "another"
	d.Add(g, epoch)
	wantHold(t, d, "g", true)
	d.Freed("g")
	if turn := turnOf(t, d, "g", epoch); turn.Priority != 3 || !turn.FreedFor {
		t.Errorf("its turn is %+v", turn)
	}
}

func TestWhenVictimsAreSoughtAgain(t *testing.T) {
	d := New(Options{})
	d.SetNode("a", resource.Amounts{gpu: 8}, "")
	d.Started(ledger.Default, 1, epoch)
	d.Add(prioritized(2, asking("urgent", 1, 4)), epoch)
	d.Add(prioritized(1, asking("usual", 1, 4)), epoch)
	elastic := prioritized(2, asking("elastic", 1, 2))
	elastic.Elastic = true
	d.Add(elastic, epoch)
	hopeless := prioritized(2, asking("hopeless", 1, 9))
	d.Add(hopeless, epoch)
	for turn, ok := d.Next(epoch); ok; turn, ok = d.Next(epoch) {
		b := noRoom()
		if turn.ID == "hopeless" {
			b.Verdict.Reason = gang.ExceedsCluster
		}
		d.Block(turn.ID, b, epoch)
	}
	for _, step := range []struct {
		second int
		starts bool
		want   []string
	}{
		{9, false, nil},
		{10, false, []string{"urgent"}}, // Somebody may have run for long enough by now.
		{15, false, nil},
		{15, true, nil},
		{16, false, []string{"urgent"}}, // Somebody new may be a victim.
	} {
		if step.starts {
			d.Started(ledger.Default, 0, at(step.second))
		}
		d.Wake()
		if step.second == 16 {
			wantTried(t, tried(t, d, at(step.second), noRoom()), "urgent", "usual")
			continue
		}
		wantTried(t, tried(t, d, at(step.second), noRoom()), step.want...)
	}
	d.Ended(ledger.Default, 1)
	d.Ended(ledger.Default, 0)
	d.Wake()
	wantTried(t, tried(t, d, at(60), noRoom()))
}

func TestTakingBackIsWorthATry(t *testing.T) {
	d := New(Options{})
	d.Ledger.SetQueue(guaranteed("owed", 4))
	d.Ledger.SetQueue(guaranteed("taker", 2))
	d.SetNode("a", resource.Amounts{gpu: 8}, "")
	d.Charge("taker", resource.Amounts{gpu: 2}, false)
	d.Started("taker", 9, epoch)
	d.Add(in("owed", asking("g", 1, 4)), epoch)
	wantTried(t, tried(t, d, epoch, noRoom()), "g")
	d.Wake()
	wantTried(t, tried(t, d, at(20), noRoom())) // Nobody has more than is guaranteed.
	d.Charge("taker", resource.Amounts{gpu: 1}, false)
	d.Started("taker", 9, at(21))
	d.Wake()
	wantTried(t, tried(t, d, at(22), noRoom()), "g")
}
