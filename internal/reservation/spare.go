package reservation

import (
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Spare is what a pod may take of a node if it starts now and ends at until: the least room on the node at any time in
// [now, until), where a zero until stands for never and one that is not in the future for right after now. It is negative
// where a hold can not be kept as things are: nothing that asks for that resource may go there.
//
// A gang whose pods all stay within Spare, each counting those placed before it as uses, delays no hold. Holds that do not
// name the node cost one look-up each. The result is a new vector of the table.
func Spare(table *resource.Table, node Node, holds []Hold, now, until time.Time) resource.Vector {
	end := offset(now, until)
	spare := make(resource.Vector, len(node.Allocatable))
	roomAt(spare, table, node, holds, now, 0)
	var buffer [16]int64
	later := append(resource.Vector(buffer[:0]), spare...)
	for _, hold := range holds {
		from, _ := hold.interval(now)
		if from == 0 || from >= end || hold.Amount[node.Name] == nil {
			continue // Between the starts of holds room only grows.
		}
		roomAt(later, table, node, holds, now, from)
		for d := range spare {
			spare[d] = min(spare[d], later[d])
		}
	}
	return spare
}

// roomAt writes the room on a node at one time.
func roomAt(room resource.Vector, table *resource.Table, node Node, holds []Hold, now time.Time, at int64) {
	copy(room, node.Allocatable)
	for i := range node.Uses {
		if use := &node.Uses[i]; use.end(now) > at {
			room.Sub(use.Amount)
		}
	}
	for i := range holds {
		amount := holds[i].Amount[node.Name]
		if amount == nil {
			continue
		}
		if from, to := holds[i].interval(now); from <= at && at < to {
			for d := range room {
				room[d] = resource.Difference(room[d], max(0, amount[table.Name(d)]))
			}
		}
	}
}
