package dispatch

import (
	"maps"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/reservation"
	"github.com/muster-scheduling/muster/internal/resource"
)

// HeldNodes names the nodes on which room is kept that a gang has to respect, sorted.
func (d *Dispatcher) HeldNodes(id string) []string {
	names := map[string]bool{}
	for _, hold := range d.holds {
		if d.binds(hold, id) {
			for name := range hold.Amount {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Spare is what a gang's pods may take of a node if they start now and end at until, zero for never, so that nobody is
// delayed for whom room is kept. Pods that are leaving count as gone: whether there is room already is another question.
func (d *Dispatcher) Spare(table *resource.Table, name, id string, now, until time.Time) resource.Vector {
	n := d.room.nodes[name]
	if n == nil {
		return make(resource.Vector, table.Len())
	}
	return reservation.Spare(table, n.ahead(table, name, now, false), d.HoldsAgainst(id), now, until)
}

// Ahead is every node of the list, with what runs on it and until when, for reservation.Earliest. Pods that are leaving
// count as about to end.
func (d *Dispatcher) Ahead(table *resource.Table, names []string, now time.Time) []reservation.Node {
	nodes := make([]reservation.Node, len(names))
	for i, name := range names {
		nodes[i] = reservation.Node{Name: name, Allocatable: make(resource.Vector, table.Len())}
		if n := d.room.nodes[name]; n != nil {
			nodes[i] = n.ahead(table, name, now, true)
		}
	}
	return nodes
}

func (n *node) ahead(table *resource.Table, name string, now time.Time, leavingToo bool) reservation.Node {
	ahead := reservation.Node{Name: name, Allocatable: vector(table, n.allocatable), Uses: make([]reservation.Use, 0, len(n.uses))}
	for _, pod := range slices.Sorted(maps.Keys(n.uses)) {
		use := n.uses[pod]
		if use.Leaving && !leavingToo {
			continue
		}
		until := reservation.ExpectedEnd(use.Since, use.Runtime, now)
		if use.Leaving {
			until = now
		}
		ahead.Uses = append(ahead.Uses, reservation.Use{Amount: vector(table, use.Amount), Since: use.Since, Until: until})
	}
	return ahead
}

// vector keeps of amounts what the table has.
func vector(table *resource.Table, amounts resource.Amounts) resource.Vector {
	v := make(resource.Vector, table.Len())
	for d := range v {
		v[d] = amounts[table.Name(d)]
	}
	return v
}
