package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// systems are what can be measured, in the order in which a round goes through them.
var systems = []string{"raw", "native", "muster"}

// numbers collects a metric of one system under one workload over all rounds in which it was measured.
func numbers(results []result, workload, system, metric string) []float64 {
	var out []float64
	for _, r := range results {
		if v, ok := r.values[metric]; ok && r.workload == workload && r.system == system {
			out = append(out, v)
		}
	}
	return out
}

// ratios divides a metric of one system by the same of another, round by round, so that what slows the machine down
// for a while weighs on both.
func ratios(results []result, workload, metric, system, base string) []float64 {
	byRound := map[int]float64{}
	for _, r := range results {
		if v, ok := r.values[metric]; ok && r.workload == workload && r.system == base {
			byRound[r.round] = v
		}
	}
	var out []float64
	for _, r := range results {
		v, ok := r.values[metric]
		if below := byRound[r.round]; ok && r.workload == workload && r.system == system && below != 0 {
			out = append(out, v/below)
		}
	}
	return out
}

// nothing is the cell of a metric that was not measured.
const nothing = "–"

// cell writes numbers as their median and, if they differ, between what they lie.
func cell(numbers []float64, decimals int) string {
	s, ok := spreadOf(numbers)
	if !ok {
		return nothing
	}
	f := func(x float64) string { return strconv.FormatFloat(x, 'f', decimals, 64) }
	if f(s.low) == f(s.high) {
		return f(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", f(s.median), f(s.low), f(s.high))
}

// summary writes one table for each workload that was measured, as Markdown that a terminal shows well too.
func summary(results []result) string {
	var b strings.Builder
	for _, w := range measuredWorkloads(results) {
		fmt.Fprintf(&b, "### %s\n\n", w)
		b.WriteString(table(w, results))
		b.WriteString("\n")
		for _, r := range results {
			if r.workload == w.name && r.note != "" {
				fmt.Fprintf(&b, "round %d, %s: %s\n\n", r.round, r.system, r.note)
			}
		}
	}
	return b.String()
}

// measuredWorkloads are the workloads of some results, in the order in which they were first measured.
func measuredWorkloads(results []result) []workload {
	var list []workload
	for _, r := range results {
		if slices.ContainsFunc(list, func(w workload) bool { return w.name == r.workload }) {
			continue
		}
		w, err := named(r.workload)
		if err != nil {
			w = workload{name: r.workload, title: "a workload of another version"}
		}
		list = append(list, w)
	}
	return list
}

func table(w workload, results []result) string {
	var measured []string
	for _, system := range systems {
		if _, all := rounds(results, w.name, system); all > 0 {
			measured = append(measured, system)
		}
	}
	var rows [][]string
	add := func(title string, cellOf func(system string) string) {
		row, measuredAny := []string{title}, false
		for _, system := range measured {
			c := cellOf(system)
			row, measuredAny = append(row, c), measuredAny || c != nothing
		}
		if measuredAny {
			rows = append(rows, row)
		}
	}
	add("rounds complete", func(system string) string {
		complete, all := rounds(results, w.name, system)
		return fmt.Sprintf("%d of %d", complete, all)
	})
	for _, m := range metrics {
		if m.name == rate && w.fit < w.gangs {
			continue // most of the time goes into creating pods that are not bound
		}
		add(m.title, func(system string) string {
			return cell(numbers(results, w.name, system, m.name), m.decimals)
		})
		if m.name != rate {
			continue
		}
		for _, base := range systems[:2] {
			add("… of "+base, func(system string) string {
				return cell(ratios(results, w.name, m.name, system, base), 2)
			})
		}
	}
	return pipeTable(append([]string{"median (min–max)"}, measured...), rows)
}

// rounds counts the measurements of a system under a workload, and how many of them were complete.
func rounds(results []result, workload, system string) (complete, all int) {
	for _, r := range results {
		if r.workload == workload && r.system == system {
			all++
			if r.complete {
				complete++
			}
		}
	}
	return complete, all
}

// pipeTable writes a Markdown table whose columns are padded to line up: the first to the left, the others right.
func pipeTable(header []string, rows [][]string) string {
	width := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)), 3)
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			if i == 0 {
				fmt.Fprintf(&b, "| %s%s ", c, pad)
			} else {
				fmt.Fprintf(&b, "| %s%s ", pad, c)
			}
		}
		b.WriteString("|\n")
	}
	line(header)
	rule := make([]string, len(header))
	for i := range rule {
		rule[i] = strings.Repeat("-", width[i]-1) + ":"
		if i == 0 {
			rule[i] = strings.Repeat("-", width[i])
		}
	}
	line(rule)
	for _, row := range rows {
		line(row)
	}
	return b.String()
}
