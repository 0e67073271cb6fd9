package gang

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// bounds are conditions that every plan meets, counted on the empty nodes. They only ever prove that something is
// impossible.
type bounds struct {
	s *search
	// slots is how many members of a class fit on a node if it has the node to itself: entry node*classes+class.
	slots []int32
	// alone is how many members of each class fit on all nodes if the class has them to itself.
	alone []int
	// roles is an upper bound of the members of each needed role, together of those of all classes.
	roles    []int
	together int
	// supply is how much of each resource the members could ever use.
	supply resource.Vector
}

func newBounds(s *search) *bounds {
	classes := len(s.Classes)
	b := &bounds{
		s:      s,
		slots:  make([]int32, len(s.Nodes)*classes),
		alone:  make([]int, classes),
		roles:  make([]int, len(s.roles)),
		supply: make(resource.Vector, s.room.dims),
	}
	all := s.allClasses()
	for c, class := range s.Classes {
		for _, node := range class.Nodes {
			n := s.room.slots(c, node, class.Count)
			b.slots[int(node)*classes+c] = int32(n)
			b.alone[c] = min(class.Count, b.alone[c]+n)
		}
	}
	for node := range s.Nodes {
		slots := b.at(int32(node))
		b.together += s.room.together(all, int32(node), slots)
		for i, role := range s.roles {
			b.roles[i] += s.room.together(role.classes, int32(node), slots)
		}
		b.addSupply(int32(node), slots)
	}
	return b
}

// at is the row of a node in slots.
func (b *bounds) at(node int32) []int32 {
	classes := len(b.alone)
	return b.slots[int(node)*classes : (int(node)+1)*classes]
}

// most is how many members of a class a node has room for, of the class that it has most room for.
func (b *bounds) most(node int32) int32 { return slices.Max(b.at(node)) }

func (b *bounds) addSupply(node int32, slots []int32) {
	use := make(resource.Vector, len(b.supply))
	for c, asks := range b.s.room.asks {
		for _, a := range asks {
			use[a.dim] = resource.Sum(use[a.dim], resource.Product(a.amount, int64(slots[c])))
		}
	}
	for d, free := range b.s.room.at(node) {
		b.supply[d] = resource.Sum(b.supply[d], min(use[d], max(free, 0)))
	}
}

// allow reports whether the bounds leave it open that a valid plan has at least members members.
func (b *bounds) allow(members int) bool {
	if !b.s.valid(b.alone) || total(b.alone) < members || b.together < members {
		return false
	}
	for i, role := range b.s.roles {
		if b.roles[i] < role.need {
			return false
		}
	}
	for d, supply := range b.supply {
		if b.demand(d, members) > supply {
			return false
		}
	}
	return true
}

// demand is the least amount of a resource that a valid plan with this number of members asks for: for each role its
// cheapest members, then the cheapest of those that are left.
func (b *bounds) demand(dim, members int) int64 {
	order := b.s.allClasses()
	amount := func(c int) int64 { return b.s.room.amount(c, dim) }
	slices.SortStableFunc(order, func(a, c int) int { return cmp.Compare(amount(a), amount(c)) })
	left := slices.Clone(b.alone)
	sum := int64(0)
	take := func(want int, classes []int) {
		for _, c := range order {
			if n := min(want, left[c]); n > 0 && slices.Contains(classes, c) {
				sum = resource.Sum(sum, resource.Product(amount(c), int64(n)))
				left[c] -= n
				want -= n
				members -= n
			}
		}
	}
	for _, role := range b.s.roles {
		take(role.need, role.classes)
	}
	take(members, order)
	return sum
}

// weight is what one member of a class takes of the supply, in millionths, summed over the resources.
func (b *bounds) weight(class int) int64 {
	sum := int64(0)
	for _, a := range b.s.room.asks[class] {
		if supply := b.supply[a.dim]; a.amount <= supply {
			high, low := bits.Mul64(uint64(a.amount), 1_000_000)
			millionths, _ := bits.Div64(high, low, uint64(supply))
			sum += int64(millionths)
		}
	}
	return sum
}
