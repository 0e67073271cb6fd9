package dispatch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

const gpu = "nvidia.com/gpu"

// cluster makes a dispatcher of nodes with so many GPUs and a pod on each that uses some.
func cluster(nodes map[string][2]int64) *Dispatcher {
	d := New(Options{Patience: time.Minute})
	for name, gpus := range nodes {
		d.SetNode(name, resource.Amounts{gpu: gpus[0], "pods": 100}, "")
		d.Occupy(name, "on-"+name, Use{Amount: resource.Amounts{gpu: gpus[1], "pods": 1}})
	}
	return d
}

func limited(name string, gpus int64) ledger.Queue {
	return ledger.Queue{Name: name, Weight: 1, Reclaimable: true, Limit: resource.Amounts{gpu: gpus}}
}

func members(count int, gpus int64) Members {
	return Members{Count: count, Amount: resource.Amounts{gpu: gpus, "pods": 1}}
}

func TestLacks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		nodes  map[string][2]int64 // allocatable and used
		asked  []Members
		usable map[string]bool
		idle   bool
		want   []Lack
	}{
		{"all fit", map[string][2]int64{"a": {8, 0}, "b": {8, 4}}, []Members{members(3, 4)}, nil, false, nil},
		{"one does not", map[string][2]int64{"a": {8, 0}, "b": {8, 5}}, []Members{members(3, 4)}, nil, false,
			[]Lack{{Resource: gpu, Amount: 1, Members: 1, Each: 4, Largest: 8}}},
		{"the fullest remainders count first", map[string][2]int64{"a": {8, 6}, "b": {8, 3}, "c": {8, 8}}, []Members{members(2, 8)}, nil, false,
			[]Lack{{Resource: gpu, Amount: 3 + 6, Members: 2, Each: 8, Largest: 8}}},
		{"a remainder serves once", map[string][2]int64{"a": {16, 14}}, []Members{members(2, 8)}, nil, false,
			[]Lack{{Resource: gpu, Amount: 6 + 8, Members: 2, Each: 8, Largest: 16}}},
		{"large members go first", map[string][2]int64{"a": {8, 0}}, []Members{members(1, 2), members(1, 8)}, nil, false,
			[]Lack{{Resource: gpu, Amount: 2, Members: 1, Each: 2, Largest: 8}}},
		{"only nodes that accept them", map[string][2]int64{"a": {8, 8}, "b": {8, 0}}, []Members{members(1, 8)}, map[string]bool{"a": true}, false,
			[]Lack{{Resource: gpu, Amount: 8, Members: 1, Each: 8, Largest: 8}}},
		{"no node accepts them", map[string][2]int64{"a": {8, 0}}, []Members{members(1, 8)}, map[string]bool{}, false, nil},
		{"too large for every node", map[string][2]int64{"a": {8, 0}}, []Members{members(1, 16)}, nil, true,
			[]Lack{{Resource: gpu, Amount: 16, Members: 1, Each: 16, TooLarge: true, Largest: 8}}},
		{"an empty cluster is too small", map[string][2]int64{"a": {8, 8}}, []Members{members(2, 8)}, nil, true,
			[]Lack{{Resource: gpu, Amount: 8, Members: 1, Each: 8, Largest: 8}}},
		{"overcommitted", map[string][2]int64{"a": {8, 12}}, []Members{members(1, 8)}, nil, false,
			[]Lack{{Resource: gpu, Amount: 8, Members: 1, Each: 8, Largest: 8}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := cluster(tc.nodes).LacksOf(Gang{Members: tc.asked}, tc.usable, tc.idle)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("lacks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSupposeChangesNothing(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := cluster(map[string][2]int64{"a": {8, 0}})
	one := Gang{ID: "one", Queue: "default", Born: now, Amount: resource.Amounts{gpu: 4}, Members: []Members{members(1, 4)}}
	d.Add(one, now)
	if _, ok := d.Next(now); !ok {
		t.Fatal("nobody has the turn")
	}
	d.Block("one", Blocked{}, now)
	supposed := d.Suppose(Gang{ID: "?", Queue: "default", Born: now.Add(time.Second), Amount: resource.Amounts{gpu: 8}}, now)
	if want := (Supposed{Place: 2, Length: 2}); supposed != want {
		t.Errorf("supposed is %+v, want %+v", supposed, want)
	}
	if place, length := d.Place("one"); place != 1 || length != 1 || d.Waiting() != 1 {
		t.Errorf("the gang that exists is at %d of %d, and %d wait", place, length, d.Waiting())
	}
	if used := d.Ledger.Usage("default"); len(used) != 0 {
		t.Errorf("the queue is charged %v for a gang that does not exist", used)
	}
}

func TestWhoMayNotBePassed(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := cluster(map[string][2]int64{"a": {8, 0}})
	d.Ledger.SetQueue(limited("q", 8))
	d.Charge("q", resource.Amounts{gpu: 4}, false)
	d.Add(Gang{ID: "large", Queue: "q", Born: now, Amount: resource.Amounts{gpu: 8}}, now)
	small := Gang{ID: "?", Queue: "q", Born: now.Add(time.Hour), Amount: resource.Amounts{gpu: 4}}
	if got := d.Suppose(small, now).Behind; got != "" {
		t.Errorf("a small gang is behind %q at once, want it to pass", got)
	}
	later := now.Add(time.Minute)
	if got := d.Suppose(small, later).Behind; got != "large" {
		t.Errorf("a small gang is behind %q after a minute, want large", got)
	}
	small.Priority = 1
	if got := d.Suppose(small, later).Behind; got != "" {
		t.Errorf("a gang of higher priority is behind %q, want nobody", got)
	}
	other := Gang{ID: "?", Queue: "q", Born: later, Amount: resource.Amounts{"cpu": 4}}
	if got := d.Suppose(other, later).Behind; got != "" {
		t.Errorf("a gang that asks for something else is behind %q, want nobody", got)
	}
}

func TestFirsts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := cluster(map[string][2]int64{"a": {8, 0}})
	d.Ledger.SetQueue(limited("q", 8))
	d.Add(Gang{ID: "old", Queue: "q", Born: now}, now)
	d.Add(Gang{ID: "urgent", Queue: "q", Priority: 1, Born: now.Add(time.Second)}, now)
	d.Add(Gang{ID: "other", Queue: "default", Born: now}, now)
	if turn, ok := d.Next(now); !ok || turn.ID == "" {
		t.Fatal("nobody has the turn")
	}
	firsts := d.Firsts()
	if len(firsts) != 2 || firsts["q"].ID != "urgent" || firsts["default"].ID != "other" {
		t.Errorf("first are %v, want urgent and other", firsts)
	}
}

// A gang that its queue guarantees room need not respect a reservation of one that asks for more: neither need a supposed one.
func TestASupposedGangMayUseRoomThatStepsBack(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := cluster(map[string][2]int64{"a": {8, 4}})
	d.Configure(Options{Reservations: 1})
	d.Ledger.SetQueue(ledger.Queue{Name: "q", Weight: 1, Guarantee: resource.Amounts{gpu: 8}})
	large := Gang{ID: "large", Queue: "default", Born: now, Amount: resource.Amounts{gpu: 8}, Members: []Members{members(1, 8)}}
	d.Add(large, now)
	if _, ok := d.Next(now); !ok {
		t.Fatal("nobody has the turn")
	}
	start := reservation.Start{Known: true, At: now.Add(time.Hour)}
	d.Reserve("large", reservation.Hold{Gang: "large", Start: start.At, Amount: map[string]resource.Amounts{"a": {gpu: 8}}}, start, now)
	d.Block("large", Blocked{}, now)
	for queue, want := range map[string]int{"q": 0, "default": 1} {
		d.Suppose(Gang{ID: "?", Queue: queue, Born: now, Amount: resource.Amounts{gpu: 4}}, now)
		if got := len(d.HoldsAgainst("?")); got != want {
			t.Errorf("in queue %s it has to respect %d holds, want %d", queue, got, want)
		}
	}
	if _, ok := d.Next(now.Add(time.Second)); ok && d.Trying() == "?" {
		t.Error("a supposed gang has its turn")
	}
}
