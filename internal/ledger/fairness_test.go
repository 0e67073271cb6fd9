package ledger

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// endless is a cluster of GPUs and queues that always have another gang waiting.
type endless struct {
	ledger   *Ledger
	parts    map[string]float64 // of the cluster, by leaf queue
	heads    []Head
	capacity int64
}

// newEndless draws a tree, up to three levels deep, with weights, and for each leaf the size of its gangs.
func newEndless(t *rapid.T) endless {
	e := endless{ledger: New(), parts: map[string]float64{}, capacity: 20000}
	e.ledger.SetCapacity(gpus(e.capacity))
	e.ledger.SetQueue(Queue{Name: Default})
	e.grow(t, "", 1, 3)
	return e
}

func (e *endless) grow(t *rapid.T, parent string, part float64, levels int) {
	weights := rapid.SliceOfN(rapid.Int64Range(1, 10), 1, 4).Draw(t, "weights")
	var all int64
	for _, weight := range weights {
		all += weight
	}
	for i, weight := range weights {
		name := fmt.Sprintf("%s/%d", parent, i)
		e.ledger.SetQueue(Queue{Name: name, Parent: parent, Weight: weight})
		mine := part * float64(weight) / float64(all)
		if levels > 1 && rapid.Bool().Draw(t, "has queues") {
			e.grow(t, name, mine, levels-1)
			continue
		}
		e.parts[name] = mine
		e.heads = append(e.heads, Head{Queue: name, ID: name, Amount: gpus(rapid.Int64Range(1, 4).Draw(t, "size"))})
	}
}

// TestFairSplitUnderEndlessLoad fills a cluster, lets gangs end at random and others follow, and checks that each queue has
// its part, within 1% and a gang.
func TestFairSplitUnderEndlessLoad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newEndless(t)
		var running []Head
		free := e.capacity
		fill := func() {
			for {
				head := e.heads[e.ledger.First(e.heads)]
				if size := head.Amount["nvidia.com/gpu"]; size > free {
					return
				}
				free -= head.Amount["nvidia.com/gpu"]
				e.ledger.Charge(head.Queue, head.Amount, false)
				running = append(running, head)
			}
		}
		check := func(when string) {
			for name, part := range e.parts {
				got, want := float64(e.ledger.Usage(name)["nvidia.com/gpu"]), part*float64(e.capacity)
				if slack := want/100 + 4; got < want-slack || got > want+slack {
					t.Fatalf("%s: queue %s has %.0f of %d, its part is %.1f", when, name, got, e.capacity, want)
				}
			}
		}
		fill()
		check("when full")
		random := rand.New(rand.NewSource(rapid.Int64().Draw(t, "ends")))
		for range 3 {
			for range len(running) / 4 {
				i := random.Intn(len(running))
				e.ledger.Release(running[i].Queue, running[i].Amount, false)
				free += running[i].Amount["nvidia.com/gpu"]
				running[i] = running[len(running)-1]
				running = running[:len(running)-1]
			}
			fill()
			check("after gangs ended")
		}
	})
}

// TestGuaranteesGoFirst: whatever a queue used before, what its guarantee covers goes before everybody else.
func TestGuaranteesGoFirst(t *testing.T) {
	l := ledgerOf(Queue{Name: "guaranteed", Guarantee: gpus(4)}, Queue{Name: "heavy", Weight: 1000000})
	l.SetCapacity(gpus(8))
	heads := []Head{{Queue: "guaranteed", Amount: gpus(1)}, {Queue: "heavy", Amount: gpus(1)}}
	for range 8 {
		head := heads[l.First(heads)]
		l.Charge(head.Queue, head.Amount, false)
	}
	if got := l.Usage("guaranteed")["nvidia.com/gpu"]; got != 5 {
		t.Errorf("the guaranteed queue has %d, want its 4 and the first that nobody had a greater right to", got)
	}
}

// TestTheWholeClusterByTurns: jobs that need everything alternate by weight over time, since the past counts.
func TestTheWholeClusterByTurns(t *testing.T) {
	for _, test := range []struct {
		weight, guarantee int64
		want              float64 // part of time of the first queue
	}{
		{1, 0, 0.5},
		{3, 0, 0.75},
		{1, 8, 0.75}, // its guarantee and half of the rest
	} {
		l := ledgerOf(Queue{Name: "a", Weight: test.weight, Guarantee: gpus(test.guarantee)}, Queue{Name: "b"})
		l.SetCapacity(gpus(16))
		l.SetHalfLife(24 * time.Hour)
		heads := []Head{{Queue: "a", Amount: gpus(16)}, {Queue: "b", Amount: gpus(16)}}
		now := time.Unix(0, 0)
		var turns [2]float64
		const all, warm = 1200, 200
		for turn := range all {
			l.Advance(now)
			i := l.First(heads)
			if turn >= warm {
				turns[i]++
			}
			l.Charge(heads[i].Queue, heads[i].Amount, false)
			now = now.Add(time.Hour)
			l.Advance(now)
			l.Release(heads[i].Queue, heads[i].Amount, false)
		}
		if got := turns[0] / (all - warm); got < test.want-0.01 || got > test.want+0.01 {
			t.Errorf("weight %d, guarantee %d: the first queue has %.3f of the time, want %.3f", test.weight, test.guarantee, got, test.want)
		}
	}
}

// TestLevelsAreFairEach: one team with many jobs takes nothing from a department with one team.
func TestLevelsAreFairEach(t *testing.T) {
	l := ledgerOf(Queue{Name: "d1"}, Queue{Name: "d2"}, Queue{Name: "a", Parent: "d1"}, Queue{Name: "b", Parent: "d1"}, Queue{Name: "c", Parent: "d2"})
	l.SetCapacity(gpus(400))
	var heads []Head
	for _, name := range []string{"a", "b", "c"} {
		heads = append(heads, Head{Queue: name, ID: name, Amount: gpus(1)})
	}
	for range 400 {
		head := heads[l.First(heads)]
		l.Charge(head.Queue, head.Amount, false)
	}
	for name, want := range map[string]int64{"a": 100, "b": 100, "c": 200} {
		if got := l.Usage(name)["nvidia.com/gpu"]; got != want {
			t.Errorf("%s has %d, want %d", name, got, want)
		}
	}
}
