package reclaim

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// price is what a set of units costs that go together, and what that gains.
type price struct {
	whole    bool  // a gang is ended, not only made smaller
	priority int32 // the highest
	lost     int64
	evicted  int64 // of the dominant resource
	started  time.Time
	gain     int64 // members that fit afterwards and did not before; at least 1
}

// priceOf adds up units.
func (d *decider) priceOf(units []int, gain int) price {
	p := price{gain: int64(max(gain, 1))}
	for i, u := range units {
		unit := &d.p.Units[u]
		p.whole = p.whole || unit.Rest
		p.lost = resource.Sum(p.lost, max(unit.Lost, 0))
		p.evicted = resource.Sum(p.evicted, max(unit.Usage[d.dominant], 0))
		if i == 0 || unit.Priority > p.priority {
			p.priority = unit.Priority
		}
		if i == 0 || unit.Started.Before(p.started) {
			p.started = unit.Started
		}
	}
	return p
}

// compare puts the cheaper one first: surplus before whole gangs, lower before higher priority, then the least lost work
// and the least use for each member that is gained, then the younger. With sparing, the least use goes first.
func (p price) compare(q price, sparing bool) int {
	use := perMember(p.evicted, p.gain, q.evicted, q.gain)
	if sparing && use != 0 {
		return use
	}
	return cmp.Or(
		compareBool(p.whole, q.whole),
		cmp.Compare(p.priority, q.priority),
		perMember(p.lost, p.gain, q.lost, q.gain),
		use,
		q.started.Compare(p.started),
	)
}

// perMember compares a/m with b/n, exactly.
func perMember(a, m, b, n int64) int {
	aHigh, aLow := bits.Mul64(uint64(a), uint64(n))
	bHigh, bLow := bits.Mul64(uint64(b), uint64(m))
	return cmp.Or(cmp.Compare(aHigh, bHigh), cmp.Compare(aLow, bLow))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// rank lists units from the cheapest to the dearest.
func (d *decider) rank(units []int) []int {
	prices := make(map[int]price, len(units))
	for _, u := range units {
		prices[u] = d.priceOf([]int{u}, 1)
	}
	ranked := slices.Clone(units)
	slices.SortFunc(ranked, func(a, b int) int { return cmp.Or(prices[a].compare(prices[b], d.sparing), cmp.Compare(a, b)) })
	return ranked
}

// share is part of whole in millionths; all of it where there is no whole.
func share(part, whole int64) int64 {
	if part <= 0 {
		return 0
	}
	if whole <= part {
		return 1_000_000
	}
	high, low := bits.Mul64(uint64(part), 1_000_000)
	millionths, _ := bits.Div64(high, low, uint64(whole))
	return int64(millionths)
}

func sortedNames[V any](byName map[string]V) []string { return slices.Sorted(maps.Keys(byName)) }
