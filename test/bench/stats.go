package main

import "slices"

// spread is the median of some numbers, and between what they lie.
type spread struct{ median, low, high float64 }

// spreadOf summarises numbers; it says false if there are none.
func spreadOf(numbers []float64) (spread, bool) {
	if len(numbers) == 0 {
		return spread{}, false
	}
	s := slices.Sorted(slices.Values(numbers))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return spread{median: median, low: s[0], high: s[len(s)-1]}, true
}
