package ledger

import (
	"math"
	"math/bits"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Charge adds what a gang, or a part of one, uses to its queue and to all above. A firm amount, one that can never be taken
// back, is counted as such as well. The queue need not exist.
func (l *Ledger) Charge(queue string, amount resource.Amounts, firm bool) {
	l.book(queue, amount, firm, 1)
}

// Release takes back what was charged with the same arguments. Usage of what was never charged becomes negative, and zero
// again once it is: the order of the two does not matter.
func (l *Ledger) Release(queue string, amount resource.Amounts, firm bool) {
	l.book(queue, amount, firm, -1)
	if n, ok := l.nodes[queue]; ok && n.useless() {
		l.rebuild() // forgets it
	}
}

func (l *Ledger) book(queue string, amount resource.Amounts, firm bool, sign int64) {
	_, known := l.nodes[queue]
	n := l.node(queue)
	for name, asked := range amount {
		if asked <= 0 {
			continue
		}
		d := l.dimension(name)
		n.own.add(d, sign*asked)
		if firm {
			n.ownFirm.add(d, sign*asked)
		}
		for p := n; p != nil && known; p = p.parent {
			p.used.add(d, sign*asked)
			if firm {
				p.firm.add(d, sign*asked)
			}
		}
	}
	if !known {
		l.rebuild() // gives it its place, and the sums
	}
}

// Usage returns what the queue and all below it use. The caller may change it.
func (l *Ledger) Usage(queue string) resource.Amounts {
	n, ok := l.nodes[queue]
	if !ok {
		return resource.Amounts{}
	}
	usage := make(resource.Amounts, len(n.used))
	for d := range n.used {
		if amount := n.used.at(d); amount != 0 {
			usage[l.names[d]] = amount
		}
	}
	return usage
}

// useless reports whether the node is no queue and has neither usage nor, as far as the tree is up to date, children.
func (n *node) useless() bool {
	return !n.exists && len(n.children) == 0 && n.own.zero() && n.ownFirm.zero()
}

// tally is a vector of sums by dimension; what is beyond its end is zero.
type tally []sum

// sum is a sum of int64 in 128 bits, two's complement: it stays exact where int64 would saturate, so that what was added can
// be subtracted again.
type sum struct {
	high int64
	low  uint64
}

func (t *tally) add(d int, amount int64) {
	*t = grown(*t, d)
	s := &(*t)[d]
	low, carry := bits.Add64(s.low, uint64(amount), 0)
	s.low, s.high = low, s.high+amount>>63+int64(carry)
}

func (t *tally) addAll(other tally) {
	if len(other) == 0 {
		return
	}
	*t = grown(*t, len(other)-1)
	for d, b := range other {
		a := &(*t)[d]
		low, carry := bits.Add64(a.low, b.low, 0)
		a.low, a.high = low, a.high+b.high+int64(carry)
	}
}

// at returns a sum as int64, saturated.
func (t tally) at(d int) int64 {
	if d >= len(t) {
		return 0
	}
	s := t[d]
	switch {
	case s.high == int64(s.low)>>63:
		return int64(s.low)
	case s.high < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

func (t tally) zero() bool {
	for _, s := range t {
		if s != (sum{}) {
			return false
		}
	}
	return true
}

// grown returns the vector, made long enough to have the dimension.
func grown[T any](vector []T, d int) []T {
	if d < len(vector) {
		return vector
	}
	return append(vector, make([]T, d+1-len(vector))...)
}
