package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

func wantTried(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%v were tried, want %v", got, want)
	}
}

func TestEquivalentGangsAreJudgedOnce(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {8, 8}, "b": {8, 8}})
	d.Ledger.SetQueue(ledger.Queue{Name: "other", Weight: 1})
	for i := range 900 {
		g := asking(fmt.Sprintf("g%03d", i), 1+i%3, 2)
		if i%2 == 0 {
			g.Queue = "other"
		}
		d.Add(g, epoch)
	}
	if ids := tried(t, d, epoch, noRoom()); len(ids) != 3 {
		t.Errorf("%v were tried, want one of each shape", ids)
	}
	d.Wake()
	wantTried(t, tried(t, d, at(1), noRoom()))
	d.Occupy("a", "on-a", Use{Amount: resource.Amounts{gpu: 4}})
	if ids := tried(t, d, at(1), noRoom()); len(ids) != 2 {
		t.Errorf("%v were tried, want one of each shape that fits into 4 GPUs", ids)
	}
	if ids := tried(t, d, at(2).Add(judgedAfresh), noRoom()); len(ids) != 0 {
		t.Errorf("%v were tried before anybody woke the line", ids)
	}
	d.Wake()
	if ids := tried(t, d, at(2).Add(judgedAfresh), noRoom()); len(ids) != 3 {
		t.Errorf("%v were tried, want one of each shape after so long a time", ids)
	}
}

func TestWhoIsWoken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		wake   Wake
		usable map[string]bool
		event  func(*Dispatcher)
		want   bool
	}{
		{"room that suffices", WhenItFits, nil, func(d *Dispatcher) { d.Vacate("a", "on-a") }, true},
		{"room that does not", WhenItFits, nil, func(d *Dispatcher) { d.Vacate("a", "small") }, false},
		{"room on a node that does not accept it", WhenItFits, map[string]bool{"b": true}, func(d *Dispatcher) { d.Vacate("a", "on-a") }, false},
		{"room of another resource", WhenItFits, nil, func(d *Dispatcher) { d.Vacate("a", "cpu") }, false},
		{"a pod that asks for less now", WhenItFits, nil, func(d *Dispatcher) { d.Occupy("a", "on-a", Use{Amount: resource.Amounts{gpu: 1}}) }, true},
		{"a pod that arrives", WhenItFits, nil, func(d *Dispatcher) { d.Occupy("b", "new", Use{}) }, false},
		{"a node that grew", WhenItFits, nil, func(d *Dispatcher) { d.SetNode("a", resource.Amounts{gpu: 9}, "") }, true},
		{"a node that accepts others now", WhenItFits, map[string]bool{"b": true}, func(d *Dispatcher) { d.SetNode("a", resource.Amounts{gpu: 8}, "label") }, true},
		{"a node that is as it was", WhenItFits, nil, func(d *Dispatcher) { d.SetNode("a", resource.Amounts{gpu: 8}, "") }, false},
		{"a volume", WhenItFits, nil, func(d *Dispatcher) { d.Reopen() }, false},
		{"a volume may be what it lacks", WhenRoomIsFreed, nil, func(d *Dispatcher) { d.Reopen() }, true},
		{"a port may be what it lacks", WhenRoomIsFreed, nil, func(d *Dispatcher) { d.Vacate("a", "small") }, true},
		{"a port of a node that does not accept it", WhenRoomIsFreed, map[string]bool{"b": true}, func(d *Dispatcher) { d.Vacate("a", "small") }, false},
		{"arrivals free no port", WhenRoomIsFreed, nil, func(d *Dispatcher) { d.Occupy("b", "new", Use{}) }, false},
		{"an arrival may be what it needs near", WhenAnythingMoves, nil, func(d *Dispatcher) { d.Occupy("b", "new", Use{}) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{})
			for _, name := range []string{"a", "b"} {
				d.SetNode(name, resource.Amounts{gpu: 8}, "")
				d.Occupy(name, "on-"+name, Use{Amount: resource.Amounts{gpu: 7}})
				d.Occupy(name, "small", Use{Amount: resource.Amounts{gpu: 1}})
				d.Occupy(name, "cpu", Use{Amount: resource.Amounts{"cpu": 1}})
			}
			d.Add(asking("g", 1, 4), epoch)
			b := noRoom()
			b.Wake, b.Usable = tc.wake, tc.usable
			wantTried(t, tried(t, d, epoch, b), "g")
			tc.event(d)
			d.Wake()
			if got := len(tried(t, d, epoch, b)) > 0; got != tc.want {
				t.Errorf("tried again: %t, want %t", got, tc.want)
			}
		})
	}
}

// Where members ask for different things, or part of a node is kept for others, what comes free may let them in although
// no group of members finds a node more than before.
func TestWhoIsWokenByLittle(t *testing.T) {
	mixed := asking("g", 1, 4)
	mixed.Members = append(mixed.Members, Members{Count: 1, Amount: resource.Amounts{gpu: 2}})
	for _, tc := range []struct {
		name   string
		g      Gang
		reason gang.Reason
		freed  string
		want   bool
	}{
		{"room that suffices already", asking("g", 1, 4), gang.Unschedulable, "gpu", false},
		{"a part is kept for others", asking("g", 1, 4), gang.Reserved, "gpu", true},
		{"members share a node", mixed, gang.Unschedulable, "gpu", true},
		{"something else comes free", mixed, gang.Unschedulable, "cpu", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{})
			d.SetNode("a", resource.Amounts{gpu: 8, "cpu": 8}, "")
			d.Occupy("a", "most", Use{Amount: resource.Amounts{gpu: 3}})
			d.Occupy("a", "gpu", Use{Amount: resource.Amounts{gpu: 1}})
			d.Occupy("a", "cpu", Use{Amount: resource.Amounts{"cpu": 1}})
			d.Add(tc.g, epoch)
			b := noRoom()
			b.Verdict.Reason = tc.reason
			tried(t, d, epoch, b)
			d.Vacate("a", tc.freed)
			if got := len(tried(t, d, epoch, b)) > 0; got != tc.want {
				t.Errorf("tried again: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestOneTurnAtATime(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {8, 0}})
	d.Add(asking("g1", 1, 1), epoch)
	d.Add(asking("g2", 1, 2), epoch)
	turn := turnOf(t, d, "g1", epoch)
	wantNoTurn(t, d, epoch)
	if d.Trying() != "g1" || d.Waiting() != 2 {
		t.Errorf("%q is being tried, %d wait", d.Trying(), d.Waiting())
	}
	if usage := d.Ledger.Usage(ledger.Default)[gpu]; usage != 1 {
		t.Errorf("%d GPUs are charged, want what is being tried", usage)
	}
	starts(d, turn, "a")
	turnOf(t, d, "g2", epoch)
	d.Remove("g2")
	wantNoTurn(t, d, epoch)
	if usage := d.Ledger.Usage(ledger.Default)[gpu]; usage != 1 {
		t.Errorf("%d GPUs are charged, want what runs", usage)
	}
}

// A gang that is told again is left where it is, and one that asks for something else starts anew.
func TestAddAgain(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {8, 8}})
	g := asking("g", 1, 4)
	d.Add(g, epoch)
	turnOf(t, d, "g", epoch)
	d.Add(g, at(1))
	if d.Trying() != "g" {
		t.Error("the turn is over though nothing changed")
	}
	d.Add(asking("g", 1, 2), at(1))
	if d.Trying() != "" || len(d.Ledger.Usage(ledger.Default)) != 0 {
		t.Errorf("%q is being tried and %v charged though the gang changed", d.Trying(), d.Ledger.Usage(ledger.Default))
	}
	if !d.Since("g").Equal(epoch) {
		t.Errorf("it waits since %v, want the time at which it came", d.Since("g"))
	}
	wantTried(t, tried(t, d, at(1), noRoom()), "g")
	d.Add(asking("g", 2, 2), at(1))
	wantTried(t, tried(t, d, at(1), noRoom()), "g")
}

func TestBackOff(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {8, 0}})
	d.Add(asking("g1", 1, 1), epoch)
	d.Add(asking("g2", 1, 1), epoch)
	d.Add(prioritized(-1, asking("g3", 1, 1)), epoch)
	turnOf(t, d, "g1", epoch)
	verdict := gang.Verdict{Reason: gang.Unschedulable, Message: "some plugin said no"}
	d.Block("g1", Blocked{Verdict: verdict, BackOff: time.Second}, epoch)
	d.HoldBack("g2", at(2), gang.Verdict{Reason: gang.NotYetPlanned, Message: "its bind was refused"})
	if got := d.Why("g1", epoch); got != verdict {
		t.Errorf("g1 waits for %v, want %v", got, verdict)
	}
	if d.HeldBack("g3", epoch) || !d.HeldBack("g2", epoch) {
		t.Error("not g2 but g3 is held back")
	}
	// The others of the shape are none the worse for it.
	turn := turnOf(t, d, "g3", epoch)
	starts(d, turn, "a")
	wantNoTurn(t, d, epoch)
	d.Wake()
	turnOf(t, d, "g1", at(1))
	d.Remove("g1")
	d.Wake()
	wantNoTurn(t, d, at(1))
	d.Wake()
	turnOf(t, d, "g2", at(2))
}

// blockAll has every gang tried find no room for a reason.
func blockAll(d *Dispatcher, reason gang.Reason) {
	for turn, ok := d.Next(epoch); ok; turn, ok = d.Next(epoch) {
		d.Block(turn.ID, Blocked{Verdict: gang.Verdict{Reason: reason}}, epoch)
	}
}

func TestWhy(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  func(*Dispatcher)
		want gang.Reason
	}{
		{"no such queue", func(d *Dispatcher) { d.Add(in("none", asking("g", 1, 9)), epoch) }, gang.QueueNotFound},
		{"a queue with queues of its own", func(d *Dispatcher) {
			d.Ledger.SetQueue(ledger.Queue{Name: "child", Parent: ledger.Default})
			d.Add(asking("g", 1, 9), epoch)
		}, gang.Misconfigured},
		{"more than the limit, before a cluster that is too small", func(d *Dispatcher) {
			d.Add(asking("g", 1, 9), epoch)
			blockAll(d, gang.ExceedsCluster)
			d.Ledger.SetQueue(limited(ledger.Default, 8))
		}, gang.ExceedsLimit},
		{"a firm gang that nothing is guaranteed to", func(d *Dispatcher) {
			d.Ledger.SetQueue(guaranteed("owed", 4))
			d.Add(firm(in("owed", asking("g", 1, 5))), epoch)
		}, gang.ExceedsLimit},
		{"a firm gang behind firm gangs", func(d *Dispatcher) {
			d.Ledger.SetQueue(guaranteed("owed", 4))
			d.Charge("owed", resource.Amounts{gpu: 3}, true)
			d.Add(firm(in("owed", asking("g", 1, 4))), epoch)
		}, gang.QuotaExceeded},
		{"a cluster that is too small, before a queue that is stopped", func(d *Dispatcher) {
			d.Add(asking("g", 1, 9), epoch)
			blockAll(d, gang.ExceedsCluster)
			d.Ledger.SetQueue(ledger.Queue{Name: ledger.Default, Stop: ledger.Hold})
		}, gang.ExceedsCluster},
		{"a stopped queue, before its quota", func(d *Dispatcher) {
			q := limited(ledger.Default, 4)
			q.Stop = ledger.Hold
			d.Ledger.SetQueue(q)
			d.Charge(ledger.Default, resource.Amounts{gpu: 4}, false)
			d.Add(asking("g", 1, 4), epoch)
		}, gang.QueueStopped},
		{"quota, before room", func(d *Dispatcher) {
			d.Add(asking("g", 1, 4), epoch)
			blockAll(d, gang.Unschedulable)
			d.Ledger.SetQueue(limited(ledger.Default, 4))
			d.Charge(ledger.Default, resource.Amounts{gpu: 4}, false)
		}, gang.QuotaExceeded},
		{"room", func(d *Dispatcher) {
			d.Add(asking("first", 1, 4), epoch)
			blockAll(d, gang.Unschedulable)
			d.Add(asking("g", 1, 4), epoch)
		}, gang.Unschedulable},
		{"room that is kept for others", func(d *Dispatcher) {
			d.Add(asking("g", 1, 4), epoch)
			blockAll(d, gang.Reserved)
		}, gang.Reserved},
		{"victims that leave", func(d *Dispatcher) {
			d.Add(asking("g", 1, 4), epoch)
			d.Next(epoch)
			d.MakeRoom("g", on("a", 4, epoch), gang.Verdict{Reason: gang.MakingRoom})
		}, gang.MakingRoom},
		{"its turn has not come", func(d *Dispatcher) { d.Add(asking("g", 1, 4), epoch) }, gang.NotYetPlanned},
		{"its turn has come", func(d *Dispatcher) {
			d.Add(asking("g", 1, 4), epoch)
			d.Next(epoch)
		}, gang.NotYetPlanned},
		{"a reason stands while the gang is tried again", func(d *Dispatcher) {
			d.Add(asking("g", 1, 4), epoch)
			blockAll(d, gang.Unschedulable)
			d.Vacate("a", "on-a")
			d.Next(epoch)
		}, gang.Unschedulable},
		{"nobody", func(d *Dispatcher) {}, gang.None},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := cluster(map[string][2]int64{"a": {8, 8}})
			tc.set(d)
			if got := d.Why("g", epoch); got.Reason != tc.want {
				t.Errorf("it waits for %v, want %s", got, tc.want)
			}
		})
	}
}

// Room that comes free while a gang is being planned may be missing in its snapshot: the verdict stands for a second only.
func TestRoomFreedDuringAnAttemptIsNotMissed(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	one := resource.Amounts{"gpu": 1}
	d := New(Options{})
	d.SetNode("node", one, "")
	d.Occupy("node", "pod", Use{Amount: one})
	d.Add(Gang{ID: "gang", Queue: ledger.Default, Born: now, Shape: "one", Amount: one, Members: []Members{{Count: 1, Amount: one}}}, now)
	turn, ok := d.Next(now)
	if !ok {
		t.Fatal("it is nobody's turn")
	}
	d.Vacate("node", "pod")
	d.Block(turn.ID, Blocked{Verdict: gang.Verdict{Reason: gang.Unschedulable, Message: "no room"}}, now)
	d.Wake()
	if _, again := d.Next(now.Add(2 * time.Second)); !again {
		t.Error("the gang sleeps although room came free that it has not seen")
	}
}
