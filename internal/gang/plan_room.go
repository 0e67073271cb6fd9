package gang

import (
	"math"

	"github.com/muster-scheduling/muster/internal/resource"
)

// room is what the nodes have left while a plan grows. Nodes lie one after the other in one slice: with thousands of
// nodes the order in memory decides the speed.
type room struct {
	dims    int
	free    []int64
	members []int32 // of the gang, by node
	asks    [][]ask // by class
}

// ask is one resource of which a class requests something.
type ask struct {
	dim    int
	amount int64
}

func newRoom(nodes []Node, classes []Class) *room {
	r := &room{members: make([]int32, len(nodes)), asks: make([][]ask, len(classes))}
	for c, class := range classes {
		r.dims = max(r.dims, len(class.Request))
		for d, amount := range class.Request {
			if amount > 0 {
				r.asks[c] = append(r.asks[c], ask{d, amount})
			}
		}
	}
	r.free = make([]int64, 0, r.dims*len(nodes))
	for _, node := range nodes {
		r.free = append(r.free, node.Free[:r.dims]...)
	}
	return r
}

func (r *room) at(node int32) resource.Vector {
	return r.free[int(node)*r.dims : (int(node)+1)*r.dims]
}

// slots is how many members of a class fit on a node now, at most limit.
func (r *room) slots(class int, node int32, limit int) int {
	free := r.at(node)
	slots := int64(limit)
	for _, a := range r.asks[class] {
		if free[a.dim] < a.amount {
			return 0
		}
		if slots > 1 {
			slots = min(slots, free[a.dim]/a.amount)
		}
	}
	return int(slots)
}

// take gives n members room on a node; give takes it back. The caller has asked for slots before.
func (r *room) take(class int, node int32, n int) {
	free := r.at(node)
	for _, a := range r.asks[class] {
		free[a.dim] -= a.amount * int64(n)
	}
	r.members[node] += int32(n)
}

func (r *room) give(class int, node int32, n int) { r.take(class, node, -n) }

// unwanted is the number of resources that a node has free and the class has no use for. Members that ask for no device
// should leave the nodes with free devices to those that do.
func (r *room) unwanted(class int, node int32) int32 {
	n := int32(0)
	for _, amount := range r.at(node) {
		if amount > 0 {
			n++
		}
	}
	for _, a := range r.asks[class] {
		if r.at(node)[a.dim] > 0 {
			n--
		}
	}
	return n
}

// together is an upper bound of how many members of the given classes fit on a node side by side, where slots has what
// each class could have alone. In each resource, those that ask for it cannot be more than its free amount divided by
// the smallest request.
func (r *room) together(classes []int, node int32, slots []int32) int {
	most := 0
	for _, c := range classes {
		most += int(slots[c])
	}
	for d, free := range r.at(node) {
		smallest, without := int64(math.MaxInt64), 0
		for _, c := range classes {
			if amount := r.amount(c, d); amount == 0 {
				without += int(slots[c])
			} else if slots[c] > 0 {
				smallest = min(smallest, amount)
			}
		}
		if smallest < math.MaxInt64 {
			most = min(most, without+int(min(free/smallest, int64(most))))
		}
	}
	return most
}

// amount is what one member of a class asks for in a dimension.
func (r *room) amount(class, dim int) int64 {
	for _, a := range r.asks[class] {
		if a.dim == dim {
			return a.amount
		}
	}
	return 0
}
