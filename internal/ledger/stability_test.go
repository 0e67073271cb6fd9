package ledger

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// contest is a cluster of GPUs without nodes, in which every leaf queue always has another gang of its size waiting.
type contest struct {
	ledger  *Ledger
	free    int64
	heads   []Head
	running []Head
}

// newContest draws a tree whose guarantees are sound.
func newContest(t *rapid.T) *contest {
	const capacity = 40
	c := &contest{ledger: New(), free: capacity}
	c.ledger.SetCapacity(gpus(capacity))
	c.grow(t, "", capacity, 3)
	return c
}

func (c *contest) grow(t *rapid.T, parent string, guarantee int64, levels int) {
	for i := range rapid.IntRange(1, 3).Draw(t, "queues") {
		q := Queue{Name: fmt.Sprintf("%s/%d", parent, i), Parent: parent, Reclaimable: true,
			Weight: rapid.Int64Range(0, 3).Draw(t, "weight"), Guarantee: gpus(rapid.Int64Range(0, guarantee).Draw(t, "guarantee"))}
		guarantee -= q.Guarantee["nvidia.com/gpu"]
		c.ledger.SetQueue(q)
		if levels > 1 && rapid.Bool().Draw(t, "has queues") {
			c.grow(t, q.Name, q.Guarantee["nvidia.com/gpu"], levels-1)
			continue
		}
		c.heads = append(c.heads, Head{Queue: q.Name, ID: q.Name, Amount: gpus(rapid.Int64Range(1, 9).Draw(t, "size"))})
	}
}

func size(h Head) int64 { return h.Amount["nvidia.com/gpu"] }

// victims returns which running gangs may go for a gang until it fits, in the order drawn; false if they do not suffice.
func (c *contest) victims(t *rapid.T, claimant Head) ([]int, bool) {
	books, free := c.ledger.Clone(), c.free
	var gone []int
	for _, i := range rapid.Permutation(indices(c.running)).Draw(t, "victims") {
		unit := c.running[i]
		if free >= size(claimant) {
			break
		}
		if books.Entitled(claimant.Queue, unit.Queue, claimant.Amount) && books.Takeable(claimant.Queue, unit.Queue, claimant.Amount, unit.Amount) {
			if q, _ := books.Queue(unit.Queue); books.Usage(unit.Queue)["nvidia.com/gpu"] <= q.Guarantee["nvidia.com/gpu"] {
				t.Fatalf("%s is taken from within its guarantee", unit.Queue)
			}
			books.Release(unit.Queue, unit.Amount, false)
			gone, free = append(gone, i), free+size(unit)
		}
	}
	return gone, free >= size(claimant)
}

func indices(heads []Head) []int {
	all := make([]int, len(heads))
	for i := range all {
		all[i] = i
	}
	return all
}

func (c *contest) start(h Head, gone []int) {
	for _, i := range slices.Backward(slices.Sorted(slices.Values(gone))) {
		unit := c.running[i]
		c.ledger.Release(unit.Queue, unit.Amount, false)
		c.free += size(unit)
		c.running = slices.Delete(c.running, i, i+1)
	}
	c.ledger.Charge(h.Queue, h.Amount, false)
	c.free -= size(h)
	c.running = append(c.running, h)
}

// step starts the gang that is first of those that can start, and reports whether there was one and whether others went.
func (c *contest) step(t *rapid.T) (started, evicted bool) {
	for waiting := slices.Clone(c.heads); len(waiting) > 0; {
		i := c.ledger.First(waiting)
		if gone, ok := c.victims(t, waiting[i]); ok {
			c.start(waiting[i], gone)
			return true, len(gone) > 0
		}
		waiting = slices.Delete(waiting, i, i+1)
	}
	return false, false
}

// TestReclaimComesToRest: however victims are chosen, none is of a queue within its guarantee, evictions end, and every queue
// can have its guarantee: a gang that is covered by the guarantees of its whole chain does not wait.
func TestReclaimComesToRest(t *testing.T) {
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		c := newContest(t)
		evictions := 0
		for range 40 { // at first only some teams work, and take what there is
			if h := rapid.SampledFrom(c.heads).Draw(t, "early"); size(h) <= c.free {
				c.start(h, nil)
			}
		}
		for {
			started, evicted := c.step(t)
			if !started {
				break
			}
			if evicted {
				if evictions++; evictions > 200 {
					t.Fatal("evictions do not end")
				}
			}
		}
		seen = max(seen, evictions)
		if c.free < 0 {
			t.Fatalf("%d GPUs are free", c.free)
		}
		for _, h := range c.heads {
			if chain := c.ledger.Chain(h.Queue); !slices.ContainsFunc(chain, func(queue string) bool { return !c.ledger.Covered(queue, h.Amount) }) {
				t.Fatalf("a gang of %d waits in %s, which guarantees it", size(h), h.Queue)
			}
		}
	})
	if seen == 0 {
		t.Error("nothing was ever evicted: this has shown nothing")
	}
}
