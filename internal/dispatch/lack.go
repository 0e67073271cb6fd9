package dispatch

import (
	"cmp"
	"maps"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Lack is how much more of a resource would have to be free for all members of a gang to find a place, as far as this one
// resource is concerned.
type Lack struct {
	Resource string
	// Amount is the least that has to come free in all, on nodes where it completes what a member asks for.
	Amount int64
	// Members is how many find no place now, Each what one of them asks for at most.
	Members, Each int64
	// TooLarge is set where no node could hold such a member even if it were empty: Largest is what the largest node has.
	TooLarge bool
	Largest  int64
}

// Lacks lists what a gang of the line lacks on the nodes that accept its members, as found when it was last tried.
func (d *Dispatcher) Lacks(id string) []Lack {
	w := d.waiting[id]
	if w == nil {
		return nil
	}
	var usable map[string]bool
	if j := d.judgedFor(w); j != nil {
		usable = j.usable
	}
	return d.LacksOf(w.Gang, usable, false)
}

// LacksOf lists what a gang lacks on the usable nodes, nil for all, with what runs there or, where idle is set, with
// nothing running. It looks at each resource by itself: where it lists none, the resources are free but not on the same
// nodes, or it is not for want of room that the gang does not start.
func (d *Dispatcher) LacksOf(g Gang, usable map[string]bool, idle bool) []Lack {
	names := map[string]bool{}
	for _, members := range g.Members {
		for name, amount := range members.Amount {
			if amount > 0 {
				names[name] = true
			}
		}
	}
	var lacks []Lack
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if lack := d.lack(g, usable, name, idle); lack.Members > 0 {
			lacks = append(lacks, lack)
		}
	}
	return lacks
}

func (d *Dispatcher) lack(g Gang, usable map[string]bool, name string, idle bool) Lack {
	lack := Lack{Resource: name}
	var free, largest []int64 // by node
	for _, node := range slices.Sorted(maps.Keys(d.room.nodes)) {
		n := d.room.nodes[node]
		if usable != nil && !usable[node] {
			continue
		}
		room := n.allocatable[name]
		if !idle {
			room = max(resource.Difference(room, n.used[name]), 0)
		}
		free, largest = append(free, room), append(largest, n.allocatable[name])
		lack.Largest = max(lack.Largest, n.allocatable[name])
	}
	if len(free) == 0 {
		return lack // What lacks is a node, of which nothing is known.
	}
	groups := slices.SortedFunc(slices.Values(g.Members), func(a, b Members) int {
		return cmp.Compare(b.Amount[name], a.Amount[name])
	})
	for _, group := range groups {
		each := group.Amount[name]
		if each <= 0 {
			continue
		}
		missing := int64(group.Count)
		for i := range free {
			fit := min(free[i]/each, missing)
			free[i] -= fit * each
			missing -= fit
		}
		if missing == 0 {
			continue
		}
		lack.Members += missing
		lack.Each = max(lack.Each, each)
		lack.TooLarge = lack.TooLarge || lack.Largest < each
		lack.Amount = resource.Sum(lack.Amount, complete(free, largest, each, missing))
	}
	return lack
}

// complete is the least that has to come free so that more members of a size fit: first what completes the remainders of
// nodes, then whole members.
func complete(free, largest []int64, each, missing int64) (amount int64) {
	var remainders []int
	for i := range free {
		if largest[i] >= each && free[i] > 0 {
			remainders = append(remainders, i)
		}
	}
	slices.SortFunc(remainders, func(a, b int) int { return cmp.Compare(free[b], free[a]) })
	for _, i := range remainders[:min(int64(len(remainders)), missing)] {
		amount = resource.Sum(amount, each-free[i])
		free[i] = 0
		missing--
	}
	return resource.Sum(amount, resource.Product(each, missing))
}
