package gang

import "slices"

// Candidate is a set of pods that may be evicted together without leaving a gang half alive: one member beyond a gang's
// minimum, all the rest of a gang, or a pod of no gang.
type Candidate struct {
	// Requires lists candidates, by index, that have to go as well when this one goes: the rest of a gang takes the
	// members beyond its minimum with it. They stand before it.
	Requires []int
}

// Victims chooses which candidates to evict so that something fits, or none if it does not fit even without all of them.
// Candidates stand cheapest first. fits reports whether the thing fits when exactly the marked candidates are gone; it
// is asked at most about tries times, and when these are spent the answer is none.
//
// First the shortest prefix that suffices is searched by halving, which needs fits to be monotone in the prefix: more
// evictions never make less room. Then every victim is spared whose eviction turns out not to be needed, the dearest
// first, so that no victim can be left out of the result.
func Victims(candidates []Candidate, tries int, fits func(gone []bool) (bool, error)) ([]int, error) {
	gone := make([]bool, len(candidates))
	ask := func() (bool, error) {
		if tries--; tries < 0 {
			return false, nil
		}
		return fits(gone)
	}
	mark := func(prefix int) {
		for i := range gone {
			gone[i] = i < prefix
		}
	}
	mark(len(candidates))
	if ok, err := ask(); !ok || err != nil {
		return nil, err
	}
	low, high := 0, len(candidates) // low does not suffice, high does
	for high-low > 1 && tries > 0 {
		middle := (low + high) / 2
		mark(middle)
		ok, err := ask()
		if err != nil {
			return nil, err
		}
		if ok {
			high = middle
		} else {
			low = middle
		}
	}
	mark(high)
	for i := high - 1; i >= 0; i-- {
		if !gone[i] || required(candidates, gone, i) {
			continue
		}
		gone[i] = false
		ok, err := ask()
		if err != nil {
			return nil, err
		}
		gone[i] = !ok
	}
	if tries < 0 {
		return nil, nil
	}
	var victims []int
	for i, g := range gone {
		if g {
			victims = append(victims, i)
		}
	}
	return victims, nil
}

// required reports whether a candidate has to go because of one that goes.
func required(candidates []Candidate, gone []bool, candidate int) bool {
	for i, other := range candidates {
		if gone[i] && slices.Contains(other.Requires, candidate) {
			return true
		}
	}
	return false
}
