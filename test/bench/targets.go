package main

import (
	"fmt"
	"slices"
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
	{"W1Q: share of W1, which has no queues", "W1Q", shareOf("W1Q", "W1"), 0.9, true},
	{"W1Q: gangs partly bound", "W1Q", worst("W1Q", "partial_gangs"), 0, false},
	{"W1T: share of W1, which knows no racks", "W1T", shareOf("W1T", "W1"), 0.9, true},
	{"W1T: gangs in more than one rack", "W1T", worst("W1T", "split_gangs"), 0, false},
	{"W2T: share of W2, which knows no racks", "W2T", shareOf("W2T", "W2"), 0.9, true},
	{"W2T: gangs in more than one rack", "W2T", worst("W2T", "split_gangs"), 0, false},
	{"W4: scheduler CPU that 10,000 waiting gangs add to each further job, ms", "W4", typical("W4", "job_cpu_added_ms"), 1, false},
	{"W4: create → bound of the slowest job, seconds", "W4", worst("W4", "start_worst_s"), 1, false},
	{"W5: decision whom to evict, seconds (KAI, July 2026: 102)", "W5", worst("W5", "reclaim_s"), 2, false},
	{"W5: proof that none can be evicted, seconds (KAI, July 2026: 249)", "W5", slowestProof, 1, false},
	{"W5: jobs evicted", "W5", worst("W5", "evicted_pods"), 2000, false},
	{"JOBS: first create → every job has its objects, seconds", "JOBS", worst("JOBS", "jobs_objects_s"), 120, false},
	{"JOBS: API writes of the manager for each job", "JOBS", worst("JOBS", "jobs_writes"), 24, false},
	{"JOBS: … times those with a tenth of the jobs", "JOBS", worst("JOBS", "jobs_writes_ratio"), 1.1, false},
	{"JOBS: API writes in a minute in which nothing happens", "JOBS", worst("JOBS", "jobs_idle_writes"), 0, false},
	{"TAS: times native", "TAS", rateOf("TAS", "native"), 3, true},
	{"TAS: gangs in more than one rack", "TAS", worst("TAS", "split_gangs"), 0, false},
	{"TASL: times native", "TASL", rateOf("TASL", "native"), 3, true},
	{"TASL: gangs in more than one rack", "TASL", worst("TASL", "split_gangs"), 0, false},
	{"PLAN: the slowest plan of a gang of 512 on 5,000 nodes, ms on one core", "PLAN", worst("PLAN", "plan_slowest_ms"), 150, false},
	{"WEBHOOK: answer about a pod with 1,000 policies, 99th percentile, ms", "WEBHOOK", worst("WEBHOOK", "webhook_p99_all_ms"), 5, false},
	{"PACK: GPUs allocated once 100 % are asked for, times FGD", "PACK", timesFGD("100"), 1, true},
	{"PACK: GPUs allocated once 130 % are asked for, times FGD", "PACK", timesFGD("130"), 1, true},
}

// shareOf compares the throughput of a workload with that of another, round by round.
func shareOf(workload, base string) func([]result) (float64, bool) {
	return func(results []result) (float64, bool) {
		bases := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.workload != base || r.system != "muster" })
		var shares []float64
		for _, r := range results {
			at := slices.IndexFunc(bases, func(b result) bool { return b.round == r.round && b.values[rate] > 0 })
			if v, ok := r.values[rate]; ok && r.workload == workload && at >= 0 {
				shares = append(shares, v/bases[at].values[rate])
			}
		}
		s, ok := spreadOf(shares)
		return s.median, ok
	}
}

// slowestProof is the longest that any of the proofs took in any round.
func slowestProof(results []result) (float64, bool) {
	var all []float64
	for _, metric := range []string{"proof_cluster_s", "proof_guarantee_s", "proof_budget_s"} {
		all = append(all, numbers(results, "W5", "muster", metric)...)
	}
	s, ok := spreadOf(all)
	return s.high, ok
}

func typical(workload, metric string) func([]result) (float64, bool) {
	return func(results []result) (float64, bool) {
		s, ok := spreadOf(numbers(results, workload, "muster", metric))
		return s.median, ok
	}
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
