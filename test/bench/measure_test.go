package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary one of its own children, as main does.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == childCommand {
		if err := runChild(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestMeasure measures a small workload, of which less than half fits, on every system.
func TestMeasure(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	w := workload{name: "tiny", nodes: 4, gpusPerNode: 2, gangs: 5, size: 4, fit: 2, shuffled: true}
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			r := measure(t.Context(), w, system, 1, 1, 2*time.Minute)
			if !r.complete || r.broken || r.note != "" {
				t.Fatalf("complete %v, broken %v: %s", r.complete, r.broken, r.note)
			}
			for name, want := range map[string]float64{"whole_gangs": 2, "bound_pods": 8, "partial_gangs": 0} {
				if got := r.values[name]; got != want {
					t.Errorf("%s = %v, want %v", name, got, want)
				}
			}
			for _, m := range metrics {
				_, measured := r.values[m.name]
				if slices.Contains(ofPlays, m.name) || strings.HasPrefix(m.name, "plan_") || strings.HasPrefix(m.name, "jobs_") || strings.HasPrefix(m.name, "pack_") || strings.HasPrefix(m.name, "webhook_") {
					continue
				}
				if ofScheduler := strings.HasPrefix(m.name, "scheduler_"); measured == (ofScheduler && system == "raw") {
					t.Errorf("%s: measured %v", m.name, measured)
				}
			}
		})
	}
	left, err := filepath.Glob(os.Getenv("TMPDIR") + "/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

// ofPlays are the metrics that only plays measure, as are those that begin with jobs_; plan_, pack_ and webhook_ are those of
// measurements without a cluster.
var ofPlays = []string{
	"waiting_gangs", "start_s", "start_worst_s", "job_cpu_ms", "job_cpu_alone_ms", "job_cpu_added_ms", "idle_cpu_ms",
	"running_jobs", "proof_cluster_s", "proof_guarantee_s", "proof_budget_s", "reclaim_s", "evicted_pods", "first_evicted_s", "claim_s",
	"split_gangs",
}

// TestPlays goes through small plays, and through gangs in queues.
func TestPlays(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, tt := range []struct {
		workload
		want map[string]float64
	}{
		{workload{name: "queues", nodes: 4, gangs: 7, size: 2, fit: 7, queues: 6}, map[string]float64{"whole_gangs": 7}},
		{workload{name: "crowd", nodes: 4, gpusPerNode: 8, gangs: 30, size: 1, play: joinCrowd}, map[string]float64{"waiting_gangs": 30}},
		{
			workload{name: "take back", nodes: 4, gpusPerNode: 2, size: 2, play: takeBack},
			map[string]float64{"running_jobs": 8, "evicted_pods": 4},
		},
		{
			workload{name: "jobs", nodes: 2, gangs: 10, size: 3, play: createJobs, manager: true, idle: time.Second},
			map[string]float64{"jobs_idle_writes": 0},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := measure(t.Context(), tt.workload, "muster", 1, 1, 2*time.Minute)
			if !r.complete || r.broken || r.note != "" {
				t.Fatalf("complete %v, broken %v: %s", r.complete, r.broken, r.note)
			}
			for name, want := range tt.want {
				if got := r.values[name]; got != want {
					t.Errorf("%s = %v, want %v", name, got, want)
				}
			}
			t.Log(r.line())
		})
	}
}

func TestChildThatFails(t *testing.T) {
	c, err := startChild(t.TempDir(), "nobody", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.waitReady(t.Context()); err == nil || !strings.Contains(err.Error(), `there is no child "nobody"`) {
		t.Errorf("error %v, want what the child's log ends with", err)
	}
	if err := c.stop(); err != nil {
		t.Errorf("stopping a child that is gone: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--workloads W9":    `there is no "W9"`,
		"--systems kueue":   `there is no "kueue"`,
		"--rounds 0":        "must be at least 1",
		"W1":                `unexpected argument "W1"`,
		"--deadline yester": "invalid value",
	} {
		var usage bytes.Buffer
		if _, err := parse(strings.Fields(args), &usage); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}

func TestReadAgain(t *testing.T) {
	file := t.TempDir() + "/bench.csv"
	if err := writeFile(file, machine{cpu: "a CPU", cores: 2}, measured()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), options{read: file}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a CPU, 2 cores", "### W1", "| W3: whole gangs"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if err := run(t.Context(), options{read: file, check: true}, &out); err == nil || !strings.Contains(err.Error(), "target") {
		t.Errorf("error %v, want that a target is not met", err)
	}
}

func TestParseProc(t *testing.T) {
	stat := "42 (a (b) c) S 1 42 42 0 -1 4194304 1 2 3 4 250 75 0 0 20 0 9 0 1 2 3"
	if got, err := parseStat([]byte(stat)); err != nil || got != 3.25 {
		t.Errorf("parseStat = %v, %v; want 3.25", got, err)
	}
	if got, err := parseStatus([]byte("Name:\tx\nVmHWM:\t   2048 kB\n")); err != nil || got != 2 {
		t.Errorf("parseStatus = %v, %v; want 2", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) found a CPU time", bad)
		}
	}
	if _, err := parseStatus([]byte("Name:\tx\n")); err == nil {
		t.Error("parseStatus found a peak that is not there")
	}
}
