package reclaim

import (
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// searcher goes through all sets of units that may be taken, each reached by taking one unit after the other, the cheapest
// first, until one makes the claimant fit. It is for what greedy choice does not find: sets in which the order of
// taking matters, or that are just within MaxRatio. With few units it is exact; else the budget ends it.
type searcher struct {
	d    *decider
	s    *scene
	rank []int
	twin []int // by unit: the equal one that goes first, -1 for none
	seen map[[2]uint64]struct{}
	hash [2]uint64 // of the units that are gone

	evicted int64 // of the dominant resource
	limit   int   // of d.steps
}

// search reports the result, Placed with the victims gone from the scene, not pruned.
func (d *decider) search() (*searcher, gang.Result, error) {
	x := &searcher{
		d: d, s: newScene(&d.p), rank: d.rank(d.eligible), seen: map[[2]uint64]struct{}{},
		limit: d.steps + (d.p.Budget-d.steps)/2,
	}
	x.findTwins()
	found, err := x.explore()
	switch {
	case err != nil:
		return x, gang.Impossible, err
	case found:
		return x, gang.Placed, nil
	case x.spent():
		return x, gang.BudgetSpent, nil
	}
	return x, gang.Impossible, nil
}

func (x *searcher) spent() bool { return x.d.steps >= x.limit }

// findTwins finds units that cannot be told apart by what matters here. Verify might tell them apart.
func (x *searcher) findTwins() {
	x.twin = slices.Repeat([]int{-1}, len(x.d.p.Units))
	if x.d.p.Verify != nil {
		return
	}
	last := map[string]int{}
	for _, u := range x.rank {
		unit := &x.d.p.Units[u]
		if unit.Rest && len(x.s.gangs[unit.Gang].surplus) > 0 {
			continue
		}
		key := fmt.Sprint(unit.Queue, "\x00", unit.Rest, unit.Preempt, unit.Usage, unit.Budgets, x.s.parts[u])
		if !unit.Rest {
			key += unit.Gang
		}
		if before, known := last[key]; known {
			x.twin[u] = before
		}
		last[key] = u
	}
}

// explore tries every way to go on from what is gone now.
func (x *searcher) explore() (bool, error) {
	if fits, err := x.d.judge(x.s); err != nil || fits {
		return fits, err
	}
	if promising, err := x.promising(); err != nil || !promising {
		return false, err
	}
	for _, u := range x.rank {
		if x.spent() {
			return false, nil
		}
		if !x.may(u) {
			continue
		}
		if found, err := x.try(u); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// may reports whether a unit may be taken next.
func (x *searcher) may(u int) bool {
	unit := &x.d.p.Units[u]
	x.d.steps++
	if x.s.gone[u] || x.twin[u] >= 0 && !x.s.gone[x.twin[u]] || resource.Sum(x.evicted, unit.Usage[x.d.dominant]) > x.d.most() {
		return false
	}
	if unit.Rest && slices.ContainsFunc(x.s.gangs[unit.Gang].surplus, func(v int) bool { return !x.s.gone[v] }) {
		return false
	}
	return x.s.mayTake(u)
}

// try takes a unit and explores from there, unless that has been done.
func (x *searcher) try(u int) (bool, error) {
	before, evicted := x.hash, x.evicted
	x.hash[0] ^= mix(uint64(u))
	x.hash[1] ^= mix(^uint64(u))
	if _, seen := x.seen[x.hash]; !seen {
		x.seen[x.hash] = struct{}{}
		x.evicted = resource.Sum(x.evicted, x.d.p.Units[u].Usage[x.d.dominant])
		x.s.take(u)
		if found, err := x.explore(); found || err != nil {
			return found, err
		}
		x.s.putBack(u)
	}
	x.hash, x.evicted = before, evicted
	return false, nil
}

// promising reports whether the claimant would fit if all went that may go now, as far as each alone is concerned.
func (x *searcher) promising() (bool, error) {
	mark := len(x.s.taken)
	defer x.s.undo(mark)
	x.d.takeAll(x.s, x.d.eligible, x.d.most()-x.evicted)
	doubt := x.d.doubt
	x.d.doubt = false
	fits, err := x.d.fits(x.s)
	fits = fits || x.d.doubt
	x.d.doubt = doubt
	return fits, err
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
