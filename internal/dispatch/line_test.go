package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

func TestQuotaForWhoHasWaitedLong(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {100, 0}})
	d.Ledger.SetQueue(ledger.Queue{Name: ledger.Default, Weight: 1, Limit: resource.Amounts{gpu: 8}})
	d.Charge(ledger.Default, resource.Amounts{gpu: 2}, false)
	d.Add(asking("large", 1, 8), epoch)
	d.Add(asking("small", 1, 1), epoch)
	starts(d, turnOf(t, d, "small", at(59)), "a") // It may pass for a while.
	d.Add(asking("small", 1, 1), at(59))
	cpu := asking("without", 1, 0)
	cpu.Shape, cpu.Members, cpu.Amount = "cpu", []Members{{Count: 1, Amount: resource.Amounts{"cpu": 1}}}, resource.Amounts{"cpu": 1}
	d.Add(cpu, at(59))
	d.Add(prioritized(1, asking("urgent", 1, 1)), at(59))
	d.Ledger.SetQueue(ledger.Queue{Name: "other", Weight: 1, Guarantee: resource.Amounts{gpu: 8}})
	d.Add(in("other", asking("elsewhere", 1, 1)), at(59))
	var order []string
	for turn, ok := d.Next(at(60)); ok; turn, ok = d.Next(at(60)) {
		order = append(order, turn.ID)
		starts(d, turn, "a")
	}
	if want := []string{"elsewhere", "urgent", "without"}; !slices.Equal(order, want) {
		t.Errorf("%v start, want %v: small has to let large go first", order, want)
	}
	if why := d.Why("small", at(60)); !strings.Contains(why.Message, "large goes first") {
		t.Errorf("small waits for %v", why)
	}
	if behind := d.Suppose(asking("new", 1, 1), at(60)).Behind; behind != "large" {
		t.Errorf("a new gang would stand behind %q", behind)
	}
	d.Release(ledger.Default, resource.Amounts{gpu: 4}, false) // What ran, and small, and urgent.
	turnOf(t, d, "large", at(61))
}

// The limit of a department keeps a large gang of one team waiting. Small ones of other teams may not take what comes free
// for ever, unless they go before it by their share or are owed what they ask for.
func TestQuotaOfADepartmentForWhoHasWaitedLong(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {100, 0}})
	d.Ledger.SetQueue(ledger.Queue{Name: "department", Weight: 1, Limit: resource.Amounts{gpu: 8}})
	for _, name := range []string{"large", "busy", "idle", "owed"} {
		q := ledger.Queue{Name: name, Parent: "department", Weight: 1}
		if name == "owed" {
			q.Guarantee = resource.Amounts{gpu: 4}
		}
		d.Ledger.SetQueue(q)
	}
	d.Ledger.SetQueue(ledger.Queue{Name: "outside", Weight: 1})
	d.Ledger.SetQueue(ledger.Queue{Name: "department", Weight: 1, Limit: resource.Amounts{gpu: 8}, Guarantee: resource.Amounts{gpu: 4}})
	d.Charge("large", resource.Amounts{gpu: 1}, false)
	d.Charge("busy", resource.Amounts{gpu: 2}, false)
	d.Add(in("large", asking("large", 1, 7)), epoch)
	for i, name := range []string{"busy", "idle", "owed", "outside"} {
		d.Add(in(name, asking(name, 1, int64(1+i%2))), at(60))
	}
	var order []string
	for turn, ok := d.Next(at(60)); ok; turn, ok = d.Next(at(60)) {
		order = append(order, turn.ID)
		starts(d, turn, "a")
	}
	slices.Sort(order)
	if want := []string{"idle", "outside", "owed"}; !slices.Equal(order, want) {
		t.Errorf("%v start, want %v: busy has to let large go first", order, want)
	}
	if why := d.Why("busy", at(60)); why.Reason != gang.QuotaExceeded || !strings.Contains(why.Message, "large goes first") {
		t.Errorf("busy waits for %v", why)
	}
	d.Remove("large")
	turnOf(t, d, "busy", at(60))
}

// A firm gang waits for what firm gangs have of the guarantee: others may use the queue meanwhile.
func TestFirmGangsBarFirmGangs(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {100, 0}})
	d.Ledger.SetQueue(guaranteed("owed", 4))
	d.Charge("owed", resource.Amounts{gpu: 3}, true)
	d.Add(firm(in("owed", asking("firm1", 1, 2))), epoch)
	d.Add(firm(in("owed", asking("firm2", 1, 1))), epoch)
	d.Add(in("owed", asking("soft", 1, 1)), epoch)
	starts(d, turnOf(t, d, "soft", at(60)), "a")
	wantNoTurn(t, d, at(60))
	d.Release("owed", resource.Amounts{gpu: 1}, true)
	turnOf(t, d, "firm1", at(61))
}

func TestOverTheLimitByPreemptionOnly(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {100, 4}})
	d.Ledger.SetQueue(limited(ledger.Default, 4))
	d.Charge(ledger.Default, resource.Amounts{gpu: 4}, false)
	d.Started(ledger.Default, 0, epoch)
	d.Add(prioritized(1, asking("urgent", 1, 4)), epoch)
	turn := turnOf(t, d, "urgent", epoch)
	if turn.Over == nil || turn.Over.Used != 4 {
		t.Errorf("the turn is over %v, want the limit", turn.Over)
	}
	if d.MayStart("urgent", turn.Amount) {
		t.Error("it may start although the limit is reached")
	}
	if usage := d.Ledger.Usage(ledger.Default)[gpu]; usage != 4 {
		t.Errorf("%d GPUs are charged before there is room", usage)
	}
	d.Block("urgent", noRoom(), epoch)
	wantNoTurn(t, d, epoch)
}

func TestPlaces(t *testing.T) {
	d := cluster(map[string][2]int64{"a": {8, 8}})
	for i := range 5 {
		d.Add(prioritized(int32(i%2), asking(fmt.Sprint("g", i), 1, int64(1+i%3))), epoch)
	}
	d.Add(in("other", asking("x", 1, 1)), epoch)
	for place, id := range []string{"g1", "g3", "g0", "g2", "g4"} {
		if got, length := d.Place(id); got != place+1 || length != 5 {
			t.Errorf("%s has place %d of %d, want %d of 5", id, got, length, place+1)
		}
	}
	if got, length := d.Place("nobody"); got != 0 || length != 0 {
		t.Errorf("nobody has place %d of %d", got, length)
	}
	if first, _ := d.First(ledger.Default); first != "g1" || d.Firsts()["other"].ID != "x" {
		t.Errorf("%s is first, and %s in the other queue", first, d.Firsts()["other"].ID)
	}
	turnOf(t, d, "g1", epoch)
	if got, length := d.Place("g1"); got != 1 || length != 5 {
		t.Errorf("who is being tried has place %d of %d", got, length)
	}
	if d.Firsts()[ledger.Default].ID != "g1" {
		t.Error("who is being tried is first no longer")
	}
}

// The order of turns is that of the ledger among queues, and of priority, mending gangs, age and ID within one. It is the
// same whatever the order in which gangs came.
func TestOrderOfTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queues := []string{"a", "b1", "b2", ledger.Default}
		gangs := make([]Gang, rapid.IntRange(0, 30).Draw(t, "gangs"))
		number := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }
		for i := range gangs {
			g := asking(fmt.Sprintf("g%02d", i), 1+number("count", 2), int64(1+number("gpus", 3)))
			g.Queue, g.Priority, g.Mending = queues[number("queue", 4)], int32(number("priority", 2)), number("mending", 4) == 0
			g.Born = at(number("born", 3))
			gangs[i] = g
		}
		guarantee, weight := int64(number("guarantee", 10)), int64(number("weight", 3))
		books := func() *ledger.Ledger {
			l := ledger.New()
			l.SetCapacity(resource.Amounts{gpu: 20})
			l.SetQueue(ledger.Queue{Name: "a", Weight: weight, Guarantee: resource.Amounts{gpu: guarantee}})
			l.SetQueue(ledger.Queue{Name: "b", Weight: 1, Limit: resource.Amounts{gpu: 12}})
			l.SetQueue(ledger.Queue{Name: "b1", Parent: "b", Weight: 2, Limit: resource.Amounts{gpu: 8}})
			l.SetQueue(ledger.Queue{Name: "b2", Parent: "b", Weight: 1})
			return l
		}
		order := func(gangs []Gang) (ids []string) {
			d := New(Options{Patience: time.Hour})
			d.SetNode("a", resource.Amounts{gpu: 20}, "")
			d.Ledger = books()
			for _, g := range gangs {
				d.Add(g, epoch)
			}
			for turn, ok := d.Next(at(10)); ok; turn, ok = d.Next(at(10)) {
				ids = append(ids, turn.ID)
				d.Placed(turn.ID)
				d.Charge(turn.Queue, turn.Amount, turn.Firm)
			}
			return ids
		}
		got := order(gangs)
		if again := order(rapid.Permutation(gangs).Draw(t, "permutation")); !slices.Equal(got, again) {
			t.Fatalf("the order is %v, and %v if the gangs come in another", got, again)
		}
		if want := naiveOrder(books(), gangs); !slices.Equal(got, want) {
			t.Fatalf("the order is %v, want %v", got, want)
		}
	})
}

// naiveOrder takes the first of each queue that has quota, and of these the one that the ledger names.
func naiveOrder(books *ledger.Ledger, gangs []Gang) (ids []string) {
	left := slices.Clone(gangs)
	for {
		first := map[string]Gang{}
		for _, g := range left {
			other, found := first[g.Queue]
			if books.Check(g.Queue, g.Amount, g.Firm) == nil && (!found || goesFirst(g, other)) {
				first[g.Queue] = g
			}
		}
		var heads []ledger.Head
		for _, g := range first {
			heads = append(heads, ledger.Head{Queue: g.Queue, Amount: g.Amount, Priority: g.Priority, Born: g.Born, ID: g.ID})
		}
		next := books.First(heads)
		if next < 0 {
			return ids
		}
		ids = append(ids, heads[next].ID)
		books.Charge(heads[next].Queue, heads[next].Amount, false)
		left = slices.DeleteFunc(left, func(g Gang) bool { return g.ID == heads[next].ID })
	}
}

func goesFirst(a, b Gang) bool {
	switch {
	case a.Priority != b.Priority:
		return a.Priority > b.Priority
	case a.Mending != b.Mending:
		return a.Mending
	case !a.Born.Equal(b.Born):
		return a.Born.Before(b.Born)
	}
	return a.ID < b.ID
}
