package main

import (
	"fmt"
	"strings"
)

// target is something that Muster must hold on any machine, because it compares systems on the same one.
type target struct {
	text     string
	workload string
	// measure gives the number that must be at least, or at most, the bound; it says false if nothing was measured.
	measure func([]result) (float64, bool)
	bound   float64
	atLeast bool
}

// targets are the promises that docs/benchmarks.md makes.
var targets = []target{
	{"W1: share of raw", "W1", rateOf("W1", "raw"), 0.6, true},
	{"W1: times native", "W1", rateOf("W1", "native"), 2, true},
	{"W2: share of raw", "W2", rateOf("W2", "raw"), 0.6, true},
	{"W2: times native", "W2", rateOf("W2", "native"), 2, true},
	{"W2: last create of a gang → all bound, share of native", "W2", medianRatio("W2", "gang_s", "native"), 0.2, false},
	{"W3: last create → last bind, seconds", "W3", worst("W3", "last_create_to_last_bind_s"), 3, false},
	{"W1: gangs partly bound", "W1", worst("W1", "partial_gangs"), 0, false},
	{"W2: gangs partly bound", "W2", worst("W2", "partial_gangs"), 0, false},
	{"W3: gangs partly bound", "W3", worst("W3", "partial_gangs"), 0, false},
	{"W3: whole gangs", "W3", fewest("W3", "whole_gangs"), 12, true},
}

func rateOf(workload, base string) func([]result) (float64, bool) {
	return medianRatio(workload, rate, base)
}

func medianRatio(workload, metric, base string) func([]result) (float64, bool) {
	return func(results []result) (float64, bool) {
		s, ok := spreadOf(ratios(results, workload, metric, "muster", base))
		return s.median, ok
	}
}

func worst(workload, metric string) func([]result) (float64, bool) {
	return func(results []result) (float64, bool) {
		s, ok := spreadOf(numbers(results, workload, "muster", metric))
		return s.high, ok
	}
}

func fewest(workload, metric string) func([]result) (float64, bool) {
	return func(results []result) (float64, bool) {
		s, ok := spreadOf(numbers(results, workload, "muster", metric))
		return s.low, ok
	}
}

// judge writes one line for each target and says whether all of them are met. A target is not met either if muster
// did not complete one of its rounds of the target's workload.
func judge(results []result) (report string, met bool) {
	var rows [][]string
	met = true
	for _, t := range targets {
		verdict := t.verdict(results)
		if verdict == "not met" {
			met = false
		}
		measured, sign := "–", "≤"
		if v, ok := t.measure(results); ok {
			measured = fmt.Sprintf("%.2f", v)
		}
		if t.atLeast {
			sign = "≥"
		}
		rows = append(rows, []string{t.text, measured, strings.TrimRight(fmt.Sprintf("%s %g", sign, t.bound), " "), verdict})
	}
	return pipeTable([]string{"target for muster", "measured", "bound", "verdict"}, rows), met
}

// verdict is "met", "not met", or "not measured" where the measurements that it needs were left out.
func (t target) verdict(results []result) string {
	complete, all := rounds(results, t.workload, "muster")
	if all == 0 {
		return "not measured"
	}
	if complete < all {
		return "not met"
	}
	v, ok := t.measure(results)
	switch {
	case !ok:
		return "not measured"
	case t.atLeast && v >= t.bound, !t.atLeast && v <= t.bound:
		return "met"
	default:
		return "not met"
	}
}
