package reservation

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// timeline is the room of all nodes over time, laid out for being asked often.
type timeline struct {
	nodes   []Node
	dims    int
	uses    []use // on nodes that the gang may use
	held    map[int32][]claim
	runtime int64

	ends   []int64 // when room may grow: 0, and the known ends of uses and holds, ascending
	breaks []int64 // where room may shrink as the start moves on: the first starts of stretches in which it only grows; 0 first

	room []gang.Node // what fill writes to
}

type use struct {
	Use
	node int32
	end  int64
}

// claim is a hold on one node.
type claim struct {
	from, to int64
	amount   resource.Vector
}

func newTimeline(p Problem) *timeline {
	t := &timeline{nodes: p.Nodes, dims: p.Table.Len(), held: map[int32][]claim{}, runtime: p.runtime()}
	allowed := make([]bool, len(p.Nodes))
	for _, class := range p.Gang.Classes {
		for _, node := range class.Nodes {
			allowed[node] = true
		}
	}
	ends, breaks := map[int64]bool{0: true}, map[int64]bool{0: true}
	index := make(map[string]int32)
	for i, node := range p.Nodes {
		if !allowed[i] {
			continue
		}
		index[node.Name] = int32(i)
		for _, u := range node.Uses {
			end := u.end(p.Now)
			t.uses = append(t.uses, use{u, int32(i), end})
			ends[end] = true
		}
	}
	for _, hold := range p.Holds {
		from, to := hold.interval(p.Now)
		for name, held := range hold.Amount {
			node, there := index[name]
			if !there {
				continue
			}
			t.held[node] = append(t.held[node], claim{from, to, amounts(p.Table, held)})
			ends[to] = true
			if after := resource.Difference(from, t.runtime); after >= 0 {
				breaks[after+1] = true // The first start at which the gang would run into the hold.
			}
		}
	}
	delete(ends, forever)
	t.ends, t.breaks = slices.Sorted(maps.Keys(ends)), slices.Sorted(maps.Keys(breaks))
	flat := make([]int64, t.dims*len(p.Nodes))
	t.room = make([]gang.Node, len(p.Nodes))
	for i := range t.room {
		t.room[i].Free = flat[i*t.dims : (i+1)*t.dims]
	}
	return t
}

// fill writes what a gang that starts at start has on each node for all its run time.
func (t *timeline) fill(start int64) []gang.Node {
	for i, node := range t.nodes {
		copy(t.room[i].Free, node.Allocatable)
		t.room[i].Idle = true
	}
	for i := range t.uses {
		if use := &t.uses[i]; use.end > start {
			t.room[use.node].Free.Sub(use.Amount)
			t.room[use.node].Idle = false
		}
	}
	end := resource.Sum(start, t.runtime)
	for node, claims := range t.held {
		least := t.room[node].Free
		take(least, claims, start)
		for _, c := range claims {
			if start < c.from && c.from < end {
				later := t.at(node, c.from)
				for d := range least {
					least[d] = min(least[d], later[d])
				}
			}
		}
	}
	return t.room
}

// at is the room of one node at one time.
func (t *timeline) at(node int32, time int64) resource.Vector {
	room := slices.Clone(t.nodes[node].Allocatable)
	first, _ := slices.BinarySearchFunc(t.uses, node, func(u use, node int32) int { return cmp.Compare(u.node, node) })
	for _, u := range t.uses[first:] {
		if u.node != node {
			break
		}
		if u.end > time {
			room.Sub(u.Amount)
		}
	}
	take(room, t.held[node], time)
	return room
}

func take(room resource.Vector, claims []claim, time int64) {
	for _, c := range claims {
		if c.from <= time && time < c.to {
			room.Sub(c.amount)
		}
	}
}

// last is a time at which all has ended that will ever end.
const last = math.MaxInt64 - 1

// amounts is what a hold takes of a node.
func amounts(table *resource.Table, held resource.Amounts) resource.Vector {
	v := make(resource.Vector, table.Len())
	for d := range v {
		v[d] = max(0, held[table.Name(d)])
	}
	return v
}
