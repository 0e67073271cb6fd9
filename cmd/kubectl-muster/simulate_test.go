package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-scheduling/muster/internal/simulate/report"
)

const (
	exampleFolder = "../../examples/simulate/"
	exampleFiles  = "--nodes=" + exampleFolder + "nodes.yaml --queues=" + exampleFolder + "queues.yaml --trace=" + exampleFolder + "trace.csv"
)

// muster runs the command with arguments that are separated by spaces.
func muster(t *testing.T, arguments string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs(strings.Fields(arguments))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestSimulateExample(t *testing.T) {
	folder := t.TempDir()
	svg, csv := filepath.Join(folder, "picture.svg"), filepath.Join(folder, "series.csv")
	text, err := muster(t, "simulate "+exampleFiles+" --svg="+svg+" --csv="+csv)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"400 gangs, 400 started, 400 finished", "p90", "language", "nvidia.com/gpu used", "fairness (Jain)"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
	for file, want := range map[string]string{svg: "<svg", csv: "time,seconds,queue"} {
		content, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(content, []byte(want)) {
			t.Errorf("%s begins %.20q, error %v", file, content, err)
		}
	}
}

// The same simulation tells the same, and one that is cut off tells what there was.
func TestSimulateJSON(t *testing.T) {
	first, err := muster(t, "simulate -o json --points=10 --until=2h "+exampleFiles)
	if err != nil {
		t.Fatal(err)
	}
	second, err := muster(t, "simulate -o json --points=10 --until=2h "+exampleFiles)
	if err != nil || first != second {
		t.Fatalf("the same simulation tells something else, error %v", err)
	}
	var r report.Report
	if err := json.Unmarshal([]byte(first), &r); err != nil {
		t.Fatal(err)
	}
	if r.MakespanSeconds != 7200 || r.Started == 0 || r.Finished >= r.Gangs || len(r.Series.Points) != 10 || len(r.Outcomes) != r.Gangs {
		t.Errorf("after 2 h of a day: %+v", r.Waiting)
	}
}

func TestSimulateErrors(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	trace := write("trace.csv", "arrival,pods,duration,queue\n0,1,60,nowhere\n")
	broken := write("broken.csv", "arrival,pods\n")
	scenarios := write("bad.yaml", "- {name: a, nodes: [{name: node, capacity: {cpu: 1}}], gangs: [{name: job, request: {cpu: 1}}], expect: [{bound: {}}]}")
	for arguments, want := range map[string]string{
		"":                                 "needs --nodes and --trace",
		exampleFiles + " -o yaml":          "unknown output format",
		exampleFiles + " --points=0":       "--points",
		exampleFiles + " --grace=-1s":      "can not be negative",
		"--nodes=nothing --trace=" + trace: "reading what to simulate",
		"--nodes=" + exampleFolder + "nodes.yaml --trace=" + trace:  `gang "job-1" of the trace: `,
		"--nodes=" + exampleFolder + "nodes.yaml --trace=" + broken: broken + `: line 1: column "duration" is missing`,
		"--scenario=" + scenarios:                                   "1 of 1 scenarios failed",
		"--scenario=" + folder + "/nothing":                         "looking for scenarios",
		"--scenario=" + t.TempDir():                                 "has no file *.yaml",
	} {
		text, err := muster(t, "simulate "+arguments)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("simulate %s: error %v, want %q in it\n%s", arguments, err, want, text)
		}
	}
	if text, _ := muster(t, "simulate --scenario="+scenarios); !strings.Contains(text, "FAIL "+scenarios+": 0 of 1") || !strings.Contains(text, "job: bound is 1, want 0") {
		t.Errorf("a scenario that fails is told as\n%s", text)
	}
}

// Jobs of a trace may ask for levels of the Topologies that are given.
func TestSimulateTopology(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	nodes := file("nodes.yaml", "groups:\n- {name: a, count: 2, capacity: {cpu: 1}, labels: {rack: r1}}\n- {name: b, count: 3, capacity: {cpu: 1}, labels: {rack: r2}}\n")
	layout := file("topologies.yaml", "apiVersion: scheduling.muster.dev/v1alpha1\nkind: Topology\nmetadata: {name: default}\nspec: {levels: [{name: rack, nodeLabel: rack}]}\n")
	trace := file("trace.csv", "name,arrival,pods,cpu,duration,topology_required\nfits,0,3,1,60,rack\nlarge,0,4,1,60,rack\n")
	arguments := "simulate -o json --nodes=" + nodes + " --trace=" + trace
	text, err := muster(t, arguments+" --topologies="+layout)
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Finished != 1 || !strings.Contains(text, "ExceedsCluster") || !strings.Contains(text, "rack r2 can take 3 of 4") {
		t.Errorf("%d jobs have finished, in\n%s", r.Finished, text)
	}
	if text, err := muster(t, arguments); err == nil || !strings.Contains(err.Error(), `no Topology has a level "rack"`) {
		t.Errorf("without Topologies: error %v\n%s", err, text)
	}
}

func TestSimulateScenarios(t *testing.T) {
	text, err := muster(t, "simulate --scenario=../../test/scenarios/queues/lifecycle.yaml")
	if err != nil || !strings.HasPrefix(text, "pass ") {
		t.Errorf("error %v\n%s", err, text)
	}
}
