package ledger

import (
	"math/bits"

	"github.com/muster-scheduling/muster/internal/resource"
)

// share returns the weighted dominant share of a queue: of all resources the greatest part of the cluster that the queue uses
// above its guarantee, divided by its weight (dominant resource fairness, Ghodsi et al., NSDI 2011). What the average usage
// has above the guarantee is added, if usage is averaged. Without a weight it is not divided; a resource that the cluster
// lacks counts as one unit, and one of which nobody knows what the cluster has plays no part.
func (l *Ledger) share(n *node) fraction {
	dominant := fraction{denominator: wide{low: 1}}
	for d := range max(len(n.used), len(n.average)) {
		above := n.above(d)
		if above == (wide{}) || resource.AreDevices(l.names[d]) {
			continue
		}
		part := fraction{numerator: above, denominator: wide{low: uint64(max(at(l.capacity, d), 1))}}
		if part.compare(dominant) > 0 {
			dominant = part
		}
	}
	high, low := bits.Mul64(dominant.denominator.low, uint64(max(n.queue.Weight, 1)))
	dominant.denominator = wide{high, low}
	return dominant
}

// fractionBits is how many binary places of the average take part in a share, so that averages below one GPU differ.
const fractionBits = 20

// above returns the usage above the guarantee and the average above the guarantee, added, in units of 2^-fractionBits.
func (n *node) above(d int) wide {
	var guarantee int64
	for _, g := range n.guarantee {
		if g.dim == d {
			guarantee = g.amount
		}
	}
	used := uint64(max(resource.Difference(n.used.at(d), guarantee), 0))
	var whole, part uint64
	if excess := at(n.average, d) - float64(guarantee); excess > 0 {
		whole = uint64(min(excess, 1<<62))
		part = uint64((min(excess, 1<<62) - float64(whole)) * (1 << fractionBits))
	}
	used += whole // below 2^63 + 2^62
	return wide{high: used >> (64 - fractionBits), low: used<<fractionBits | part}
}

// wide is an unsigned integer of 128 bits.
type wide struct{ high, low uint64 }

// fraction is a non-negative number, its denominator above 0.
type fraction struct{ numerator, denominator wide }

// compare multiplies crosswise, exactly.
func (f fraction) compare(g fraction) int {
	a, b := product(f.numerator, g.denominator), product(g.numerator, f.denominator)
	for i := range a {
		switch {
		case a[i] < b[i]:
			return -1
		case a[i] > b[i]:
			return 1
		}
	}
	return 0
}

// product returns a times b, most significant word first.
func product(a, b wide) [4]uint64 {
	h3, h2 := bits.Mul64(a.high, b.high)
	x2, x1 := bits.Mul64(a.high, b.low)
	y2, y1 := bits.Mul64(a.low, b.high)
	l1, l0 := bits.Mul64(a.low, b.low)

	w1, c := bits.Add64(l1, x1, 0)
	w2, c := bits.Add64(h2, x2, c)
	w3, _ := bits.Add64(h3, 0, c)
	w1, c = bits.Add64(w1, y1, 0)
	w2, c = bits.Add64(w2, y2, c)
	w3, _ = bits.Add64(w3, 0, c)
	return [4]uint64{w3, w2, w1, l0}
}

// at returns an element of a vector; what is beyond its end is zero.
func at[T int64 | float64](vector []T, d int) T {
	if d < len(vector) {
		return vector[d]
	}
	return 0
}
