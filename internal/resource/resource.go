// Package resource holds amounts of resources as vectors of integers, so that
// what fits where is plain arithmetic without units, maps or quantities.
//
// A Table gives every resource name one dimension; vectors of one table can be
// compared and added. The caller chooses the units (CPU in thousandths, memory
// in bytes, devices and pods by number). All arithmetic saturates at the ends
// of int64: an absurd amount stays absurd instead of turning negative.
package resource

import (
	"fmt"
	"math"
	"slices"
)

// Unlimited is the amount at which arithmetic saturates upwards.
const Unlimited = math.MaxInt64

// Table maps resource names to the dimensions of vectors. It never changes
// once made, so it may be used concurrently.
type Table struct {
	names []string
	index map[string]int
}

// NewTable makes a table of the given resource names, in any order and
// possibly repeated. Its dimensions are in the order of the sorted names, so
// equal sets of names give equal tables.
func NewTable(names ...string) *Table {
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	t := &Table{names: sorted, index: make(map[string]int, len(sorted))}
	for i, name := range sorted {
		t.index[name] = i
	}
	return t
}

// Len returns the number of dimensions.
func (t *Table) Len() int { return len(t.names) }

// Name returns the resource of a dimension, which must be below Len.
func (t *Table) Name(dimension int) string { return t.names[dimension] }

// Dimension returns the dimension of a resource, and whether the table has it.
func (t *Table) Dimension(name string) (int, bool) {
	i, ok := t.index[name]
	return i, ok
}

// Vector returns the given amounts as a new vector of the table; resources
// that are not named are zero. It fails on a name that the table lacks.
func (t *Table) Vector(amounts map[string]int64) (Vector, error) {
	v := make(Vector, len(t.names))
	for name, amount := range amounts {
		i, ok := t.index[name]
		if !ok {
			return nil, fmt.Errorf("making a resource vector: resource %q is not one of %q", name, t.names)
		}
		v[i] = amount
	}
	return v, nil
}

// Vector holds one amount per dimension of its Table. Operations on two
// vectors need both to be of one table; they panic if the second is shorter.
type Vector []int64

// Fits reports whether free has room for v. A dimension of which v asks
// nothing always fits, even where free is negative there, as in kube-scheduler's
// NodeResourcesFit.
func (v Vector) Fits(free Vector) bool {
	for d, amount := range v {
		if amount > 0 && amount > free[d] {
			return false
		}
	}
	return true
}

// Times returns how many times v fits into free: 0 where it does not fit at
// all, Unlimited where v asks nothing.
func (v Vector) Times(free Vector) int64 {
	times := int64(Unlimited)
	for d, amount := range v {
		if amount > 0 {
			times = min(times, max(free[d], 0)/amount)
		}
	}
	return times
}

// Add adds w to v in place.
func (v Vector) Add(w Vector) {
	for d := range v {
		v[d] = Sum(v[d], w[d])
	}
}

// Sub subtracts w from v in place. The result may be negative.
func (v Vector) Sub(w Vector) {
	for d := range v {
		v[d] = Difference(v[d], w[d])
	}
}

// Sum returns a+b, saturated.
func Sum(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// Difference returns a-b, saturated.
func Difference(a, b int64) int64 {
	switch {
	case b < 0 && a > math.MaxInt64+b:
		return math.MaxInt64
	case b > 0 && a < math.MinInt64+b:
		return math.MinInt64
	}
	return a - b
}

// Product returns a*b, saturated.
func Product(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	p := a * b
	if p/b == a && (a != math.MinInt64 || b != -1) && (b != math.MinInt64 || a != -1) {
		return p
	}
	if (a > 0) == (b > 0) {
		return math.MaxInt64
	}
	return math.MinInt64
}
