package resource

import "maps"

// Amounts holds amounts of resources by name, in the units of the package: what a queue is allowed, uses or is asked for.
// A resource that is absent has the amount zero. Amounts may be read concurrently; Add and Sub change them in place. All
// arithmetic saturates.
type Amounts map[string]int64

// Add adds b to a in place.
func (a Amounts) Add(b Amounts) {
	for name, amount := range b {
		a[name] = Sum(a[name], amount)
	}
}

// Sub subtracts b from a in place; what becomes zero is dropped. The result may be negative.
func (a Amounts) Sub(b Amounts) {
	for name, amount := range b {
		if left := Difference(a[name], amount); left != 0 {
			a[name] = left
		} else {
			delete(a, name)
		}
	}
}

// Times returns a, n times, as a new value.
func (a Amounts) Times(n int64) Amounts {
	product := make(Amounts, len(a))
	for name, amount := range a {
		product[name] = Product(amount, n)
	}
	return product
}

// Clone returns a copy that shares nothing with a. It is never nil.
func (a Amounts) Clone() Amounts {
	if a == nil {
		return Amounts{}
	}
	return maps.Clone(a)
}

// Fits reports whether free has room for a. As with Vector.Fits, a resource of which nothing is asked always fits.
func (a Amounts) Fits(free Amounts) bool {
	for name, amount := range a {
		if amount > 0 && amount > free[name] {
			return false
		}
	}
	return true
}
