package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/witness"
)

func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := workload{gangs: rapid.IntRange(1, 9).Draw(t, "gangs"), size: rapid.IntRange(1, 9).Draw(t, "size")}
		w.shuffled = rapid.Bool().Draw(t, "shuffled")
		seed := rapid.Uint64().Draw(t, "seed")
		order := w.order(seed)
		seen := map[member]bool{}
		for _, m := range order {
			seen[m] = true
		}
		if len(order) != w.gangs*w.size || len(seen) != len(order) {
			t.Fatalf("%d pods, %d of them different, want %d", len(order), len(seen), w.gangs*w.size)
		}
		if diff := cmp.Diff(order, w.order(seed), cmp.AllowUnexported(member{})); diff != "" {
			t.Fatalf("the same seed gave another order:\n%s", diff)
		}
	})
	w3, err := named("W3")
	if err != nil {
		t.Fatal(err)
	}
	if w3.order(1)[0] == w3.order(2)[0] && w3.order(1)[1] == w3.order(2)[1] {
		t.Error("two seeds gave the same start of the order")
	}
}

func TestSpreadOf(t *testing.T) {
	tests := []struct {
		in   []float64
		want spread
		ok   bool
	}{
		{nil, spread{}, false},
		{[]float64{4}, spread{4, 4, 4}, true},
		{[]float64{9, 1, 4}, spread{4, 1, 9}, true},
		{[]float64{9, 1, 4, 5}, spread{4.5, 1, 9}, true},
	}
	for _, tt := range tests {
		if got, ok := spreadOf(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("spreadOf(%v) = %v, %v; want %v, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }

func bound(s float64, gang int, pod string) witness.Event {
	return witness.Event{At: at(s), Gang: gangName(gang), Pod: pod, Kind: witness.Bound}
}

func TestFigures(t *testing.T) {
	w := workload{gangs: 3, size: 2, fit: 2}
	created := []time.Time{at(1), at(2), at(4)}
	whole := []witness.Event{bound(2, 0, "a"), bound(2.5, 0, "b"), bound(3, 1, "a"), bound(5, 1, "b")}

	values, complete := figures(w, trace{begin: at(0), end: at(9), created: created, events: whole})
	want := map[string]float64{
		"submit_s": 4, "bound_pods": 4, "whole_gangs": 2, "partial_gangs": 0, "longest_burst_s": 2, "longest_pause_s": 2,
		"pods_per_s": 0.8, "gang_s": 2.25, "first_create_to_last_bind_s": 5, "last_create_to_last_bind_s": 1,
	}
	if diff := cmp.Diff(want, values, cmpopts.EquateApprox(0, 1e-9)); diff != "" || !complete {
		t.Errorf("complete %v, figures (-want +got):\n%s", complete, diff)
	}

	stuck := append(whole[:3:3], bound(4, 2, "a"))
	values, complete = figures(w, trace{begin: at(0), end: at(10), created: created, events: stuck})
	want = map[string]float64{
		"submit_s": 4, "bound_pods": 4, "whole_gangs": 1, "partial_gangs": 2, "longest_burst_s": 7, "longest_pause_s": 7,
	}
	if diff := cmp.Diff(want, values, cmpopts.EquateApprox(0, 1e-9)); diff != "" || complete {
		t.Errorf("complete %v, figures (-want +got):\n%s", complete, diff)
	}
}

// measured are two rounds of W1 and one of W3: enough for every kind of cell.
func measured() []result {
	one := func(round int, workload, system string, values map[string]float64) result {
		return result{round: round, workload: workload, system: system, complete: true, values: values}
	}
	return []result{
		one(1, "W1", "raw", map[string]float64{"pods_per_s": 800, "apiserver_cpu_s": 4}),
		one(1, "W1", "native", map[string]float64{"pods_per_s": 200, "scheduler_cpu_s": 8, "partial_gangs": 0}),
		one(1, "W1", "muster", map[string]float64{"pods_per_s": 600, "scheduler_cpu_s": 3, "partial_gangs": 0}),
		one(2, "W1", "raw", map[string]float64{"pods_per_s": 400}),
		one(2, "W1", "muster", map[string]float64{"pods_per_s": 200, "scheduler_cpu_s": 5, "partial_gangs": 0}),
		{round: 1, workload: "W3", system: "muster", note: "9 of 12 gangs whole", values: map[string]float64{"whole_gangs": 9}},
	}
}

func TestRatiosPairRounds(t *testing.T) {
	if diff := cmp.Diff([]float64{0.75, 0.5}, ratios(measured(), "W1", "pods_per_s", "muster", "raw")); diff != "" {
		t.Errorf("muster by raw (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float64{3}, ratios(measured(), "W1", "pods_per_s", "muster", "native")); diff != "" {
		t.Errorf("muster by native, which has one round only (-want +got):\n%s", diff)
	}
}

func TestSummary(t *testing.T) {
	got := summary(measured())
	squeezed := strings.Join(strings.Fields(got), " ")
	for _, want := range []string{
		"### W1: 500 nodes, 300 gangs of 10 pods",
		"### W3: 100 nodes of 8 GPUs, 60 gangs of 64 one-GPU pods in random order, 12 fit",
		"| median (min–max) | raw | native | muster |",
		"| rounds complete | 2 of 2 | 1 of 1 | 2 of 2 |",
		"| pods bound per second | 600 (400–800) | 200 | 400 (200–600) |",
		"| … of raw | 1.00 | 0.25 | 0.62 (0.50–0.75) |",
		"| … of native | 4.00 | 1.00 | 3.00 |",
		"| gangs whole | 9 |",
		"round 1, muster: 9 of 12 gangs whole",
	} {
		if !strings.Contains(squeezed, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "W2") {
		t.Errorf("W2 was not measured, but is in\n%s", got)
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name    string
		results []result
		met     bool
		lines   []string
	}{
		{
			name: "met, and what was not measured does not count", results: measured()[:5], met: true,
			lines: []string{"| W1: share of raw | 0.62 | ≥ 0.6 | met |", "| not measured |"},
		},
		{name: "a round that is not complete is not met", results: measured(), lines: []string{"| ≥ 12 | not met |"}},
		{
			name: "too slow",
			results: []result{
				{round: 1, workload: "W1", system: "raw", complete: true, values: map[string]float64{"pods_per_s": 100}},
				{round: 1, workload: "W1", system: "muster", complete: true, values: map[string]float64{"pods_per_s": 59}},
			},
			lines: []string{"| 0.59 | ≥ 0.6 | not met |"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, met := judge(tt.results)
			if met != tt.met {
				t.Errorf("met = %v, want %v", met, tt.met)
			}
			for _, want := range tt.lines {
				if !strings.Contains(strings.Join(strings.Fields(report), " "), want) {
					t.Errorf("no %q in\n%s", want, report)
				}
			}
		})
	}
}

func TestShareOf(t *testing.T) {
	results := append(measured(),
		result{round: 1, workload: "W1Q", system: "muster", complete: true, values: map[string]float64{"pods_per_s": 540}},
		result{round: 2, workload: "W1Q", system: "muster", complete: true, values: map[string]float64{"pods_per_s": 210}},
		result{round: 3, workload: "W1Q", system: "muster", complete: true, values: map[string]float64{"pods_per_s": 500}},
	)
	if got, ok := shareOf("W1Q", "W1")(results); !ok || math.Abs(got-0.975) > 1e-9 {
		t.Errorf("share %v, %v; want the median of 0.9 and 1.05", got, ok)
	}
	if _, ok := shareOf("W1Q", "W1")(measured()); ok {
		t.Error("W1Q was not measured, but has a share")
	}
}

func TestQueueTree(t *testing.T) {
	parents, level := map[string]string{}, map[int]int{}
	for _, q := range queueTree(100) {
		parents[q.Name] = q.Spec.Parent
	}
	for name := range parents {
		depth := 0
		for ; name != ""; name = parents[name] {
			if _, exists := parents[name]; !exists {
				t.Fatalf("queue %s does not exist", name)
			}
			depth++
		}
		level[depth]++
	}
	if diff := cmp.Diff(map[int]int{1: 4, 2: 20, 3: 100}, level); diff != "" {
		t.Errorf("queues by level (-want +got):\n%s", diff)
	}
	if tree := queueTree(0); tree != nil {
		t.Errorf("%d queues, want none", len(tree))
	}
}

func TestParseMetrics(t *testing.T) {
	text := "# HELP a_sum words\na_sum{outcome=\"x\"} 0.5\na_sum{outcome=\"y z\"} 1e-1\na_summary 7\nb 3\n"
	got, err := parseMetrics(strings.NewReader(text))
	if err != nil || got.sum("a_sum") != 0.6 || got.sum("b") != 3 || got.sum("c") != 0 || got[`a_sum{outcome="x"}`] != 0.5 {
		t.Errorf("parsed %v, %v", got, err)
	}
	if _, err := parseMetrics(strings.NewReader("a b\n")); err == nil {
		t.Error("parsed a value that is no number")
	}
}

func TestCSVRoundTrip(t *testing.T) {
	m := machine{date: "2026-01-01T00:00:00Z", cpu: "a, \"fast\" one", cores: 2, memory: "24 GiB", rev: "abc"}
	want := measured()
	want[0].broken, want[0].note = true, "the API server went away,\n\"again\""
	var b bytes.Buffer
	if err := writeCSV(&b, m, want); err != nil {
		t.Fatal(err)
	}
	gotMachine, got, err := readCSV(&b)
	if err != nil {
		t.Fatal(err)
	}
	if gotMachine != m {
		t.Errorf("machine %+v, want %+v", gotMachine, m)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestReadCSVRefusesOtherFiles(t *testing.T) {
	for _, text := range []string{"", "a,b\n1,2\n", strings.Join(fixed, ",") + "\n"} {
		if _, _, err := readCSV(strings.NewReader(text)); err == nil {
			t.Errorf("read %q as a file of measurements", text)
		}
	}
}
