package reclaim

import (
	"cmp"
	"maps"
	"slices"

	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Excess chooses whom to evict so that a queue is within its limit again, which has been lowered below what it uses: members
// beyond their gang's minimum before whole gangs, then lower priority, less lost work, the younger. Nobody is chosen who can
// be spared. Units are those of the queue and all below it; the answer is indices of them, empty where the queue is within
// its limit, and as many as there are where not all of them suffice.
func Excess(queue string, units []Unit, books *ledger.Ledger) []int {
	limits, exists := books.Queue(queue)
	if !exists {
		return nil
	}
	over := resource.Amounts{}
	used := books.Usage(queue)
	for name, limit := range limits.Limit {
		over[name] = resource.Difference(used[name], limit)
	}
	var chosen []int
	for _, u := range cheapestFirst(units) {
		if slices.Contains(chosen, u) || !slices.ContainsFunc(names(units[u].Usage), func(name string) bool { return over[name] > 0 }) {
			continue
		}
		for _, other := range takenWith(units, u) {
			if !slices.Contains(chosen, other) {
				chosen = append(chosen, other)
				add(over, units[other].Usage, -1)
			}
		}
	}
	// What was chosen first may turn out to be spared because of what came later.
	for _, u := range slices.Backward(slices.Clone(chosen)) {
		if requires := func(other int) bool { return other != u && slices.Contains(takenWith(units, other), u) }; slices.ContainsFunc(chosen, requires) {
			continue
		}
		add(over, units[u].Usage, +1)
		if slices.ContainsFunc(names(over), func(name string) bool { return over[name] > 0 && units[u].Usage[name] > 0 }) {
			add(over, units[u].Usage, -1)
			continue
		}
		chosen = slices.DeleteFunc(chosen, func(other int) bool { return other == u })
	}
	return chosen
}

// cheapestFirst orders units: members beyond a minimum, lower priority, less lost work, the younger.
func cheapestFirst(units []Unit) []int {
	order := make([]int, len(units))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := units[a], units[b]
		return cmp.Or(compareBool(x.Rest, y.Rest), cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.Lost, y.Lost), y.Started.Compare(x.Started), cmp.Compare(a, b))
	})
	return order
}

// takenWith lists the units that have to go when one goes: the rest of a gang takes all others of it along.
func takenWith(units []Unit, u int) []int {
	if !units[u].Rest {
		return []int{u}
	}
	var all []int
	for i, unit := range units {
		if unit.Gang == units[u].Gang {
			all = append(all, i)
		}
	}
	return all
}

// add adds what a unit uses, or takes it away, where there is a limit.
func add(over, usage resource.Amounts, sign int64) {
	for name, amount := range usage {
		if was, limited := over[name]; limited {
			over[name] = resource.Sum(was, sign*amount)
		}
	}
}

func names(amounts resource.Amounts) []string { return slices.Sorted(maps.Keys(amounts)) }
