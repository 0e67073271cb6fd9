package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
	"github.com/muster-scheduling/muster/internal/simulate"
)

var start = time.Unix(0, 0).UTC()

func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// result is 100 seconds of 8 GPUs. Queue a uses 6 of them all the time and wants more, b uses 2 from the middle on and
// wants more too; each is entitled to 4.
func result() simulate.Result {
	table := resource.NewTable(simulate.GPU)
	outcome := func(name, queue string, pods int, waited int) simulate.Outcome {
		return simulate.Outcome{
			Gang:       simulate.Gang{Name: name, Queue: queue, Arrival: start, Pods: pods, Request: resource.Amounts{simulate.GPU: 1}},
			FirstStart: after(waited), Waited: time.Duration(waited) * time.Second, Bound: pods,
		}
	}
	r := simulate.Result{
		Start: start, End: after(100), Table: table, Queues: []string{"a", "b"},
		Gangs: []simulate.Outcome{outcome("x", "a", 6, 0), outcome("y", "b", 1, 50), outcome("z", "b", 1, 50)},
		Changes: []simulate.Change{
			{At: start, Queue: 0, Used: resource.Vector{6}, Waiting: 1},
			{At: start, Queue: 1, Waiting: 3},
			{At: after(50), Queue: 1, Used: resource.Vector{2}, Waiting: -2},
		},
		Shares: []simulate.Shares{{At: start, Capacity: resource.Amounts{simulate.GPU: 8}, Fair: []resource.Amounts{{simulate.GPU: 4}, {simulate.GPU: 4}}}},
		Evictions: []simulate.Eviction{
			{At: after(50), Gang: 0, For: 1, Decision: 1, Pods: 2, Used: resource.Amounts{simulate.GPU: 2}, Asked: resource.Amounts{simulate.GPU: 1}, LostGPUSeconds: 100},
			{At: after(50), Gang: 0, For: 2, Decision: 2, Pods: 1, Whole: true, Used: resource.Amounts{simulate.GPU: 1}, Asked: resource.Amounts{simulate.GPU: 1}, LostGPUSeconds: 50},
		},
	}
	r.Gangs = append(r.Gangs, simulate.Outcome{
		Gang:    simulate.Gang{Name: "never", Queue: "b", Arrival: start, Pods: 9, Request: resource.Amounts{simulate.GPU: 1}},
		Verdict: gang.Verdict{Reason: gang.ExceedsCluster, Message: "it is too big"},
	})
	return r
}

func TestReport(t *testing.T) {
	r := New(result(), 4)
	want := Waiting{Of: "all", Gangs: 4, Started: 3, Mean: 100.0 / 3, P50: 50, P90: 50, P99: 50, Max: 50}
	if diff := cmp.Diff(want, r.Waiting); diff != "" {
		t.Error(diff)
	}
	if len(r.WaitingByQueue) != 2 || r.WaitingByQueue[1].Gangs != 3 || len(r.WaitingBySize) != 3 {
		t.Errorf("by queue %v, by size %v", r.WaitingByQueue, r.WaitingBySize)
	}
	if diff := cmp.Diff([]Use{{Resource: simulate.GPU, Mean: 7, Share: 7.0 / 8}}, r.Use); diff != "" {
		t.Error(diff)
	}
	// The first half is as unfair as can be for two queues, the second has 1.5 and 0.5 of what is fair.
	for i, want := range []float64{0.5, 0.5, 0.8, 0.8} {
		if got := r.Series.Points[i].Jain; got == nil || math.Abs(*got-want) > 1e-9 {
			t.Errorf("interval %d: fairness %v, want %v", i, got, want)
		}
	}
	if q := r.Fairness.Queues[1]; math.Abs(q.Share-1.0/8) > 1e-9 || math.Abs(q.Fair-0.5) > 1e-9 {
		t.Errorf("queue b: %+v", q)
	}
	wantEvictions := Evictions{Gangs: 1, Pods: 3, LostGPUSeconds: 150, DoneGPUSeconds: 550, Ratio: 1.5, WorstRatio: 2}
	if diff := cmp.Diff(wantEvictions, r.Evictions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Pending{{Reason: "ExceedsCluster", Gangs: 1, Message: "never: it is too big"}}, r.Pending); diff != "" {
		t.Error(diff)
	}
}

// Whatever happened, each form can be read by who is to read it.
func TestForms(t *testing.T) {
	empty := simulate.Result{Start: start, End: start, Table: resource.NewTable(), Shares: []simulate.Shares{{At: start}}}
	for name, result := range map[string]simulate.Result{"empty": empty, "full": result()} {
		for _, points := range []int{1, 3, 240} {
			t.Run(fmt.Sprint(name, points), func(t *testing.T) {
				r := New(result, points)
				checkText(t, r)
				checkSVG(t, r)
				checkCSV(t, r)
				if _, err := json.Marshal(r); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func checkText(t *testing.T, r Report) {
	for _, width := range []int{0, 60, 100} {
		var ascii, unicode bytes.Buffer
		if err := errors.Join(Text(&ascii, r, width, false), Text(&unicode, r, width, true)); err != nil {
			t.Fatal(err)
		}
		if text := ascii.String(); len(text) != utf8.RuneCountInString(text) {
			t.Errorf("not only ASCII:\n%s", text)
		}
		for line := range strings.Lines(unicode.String()) {
			chart := strings.Contains(line, "|") || strings.ContainsAny(line, "▁▂▃▄▅▆▇█")
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); chart && n > max(width, 40) {
				t.Errorf("%d columns where there are %d: %s", n, width, line)
			}
		}
	}
}

func checkSVG(t *testing.T, r Report) {
	var svg bytes.Buffer
	if err := SVG(&svg, r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(svg.String(), "NaN") || strings.Contains(svg.String(), "Inf") {
		t.Error("the picture has points that are nowhere")
	}
	for decoder := xml.NewDecoder(&svg); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func checkCSV(t *testing.T, r Report) {
	var file bytes.Buffer
	if err := CSV(&file, r); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(r.Series.Points)*(1+len(r.Series.Queues)); len(rows) != want {
		t.Errorf("%d lines, want %d", len(rows), want)
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 59.4: "59s", 59.6: "1m00s", 3599: "59m59s", 3600: "1h00m", 200000: "2d7h"} {
		if got := span(seconds); got != want {
			t.Errorf("%v seconds are written %q, want %q", seconds, got, want)
		}
	}
}
