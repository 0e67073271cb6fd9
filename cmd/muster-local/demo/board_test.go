package demo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }

func twoNodes() []Node {
	return []Node{{Name: "node-0", Rack: "rack-0", GPUs: 4}, {Name: "node-1", Rack: "rack-1", GPUs: 4}}
}

func job(name string, pods, minimum, gpus int) Job {
	return Job{Kind: "PyTorchJob", Name: name, Pods: pods, Min: minimum, GPUs: gpus, Shape: "some workers"}
}

// pod is the i-th pod of a job with two GPUs, in the state after its node was chosen.
func pod(job string, i int, node string, phase corev1.PodPhase) PodSeen {
	name := fmt.Sprintf("%s-worker-%d", job, i)
	return PodSeen{UID: name, Name: name, Job: job, Node: node, GPUs: 2, Phase: phase}
}

// story plays steps on a board and writes down what it tells.
func story(b *Board, steps ...func(*Board) []Line) []string {
	var told []string
	for _, step := range steps {
		for _, l := range step(b) {
			told = append(told, fmt.Sprintf("%.1f %s %s: %s", l.At.Seconds(), l.Verb, l.Job, l.Text))
		}
	}
	return told
}

func applied(s float64, j Job) func(*Board) []Line {
	return func(b *Board) []Line { return b.Apply(at(s), j) }
}

func see(s float64, p PodSeen) func(*Board) []Line {
	return func(b *Board) []Line { return b.Pod(at(s), p) }
}

func tick(s float64) func(*Board) []Line {
	return func(b *Board) []Line { return b.Tick(at(s)) }
}

func finish(s float64, job string) func(*Board) []Line {
	return func(b *Board) []Line { return b.Finish(at(s), job, true, "") }
}

func TestStory(t *testing.T) {
	full := pod("big", 0, "", corev1.PodPending)
	full.Waits = "0/2 nodes are available: 1 of the 4 members that have to start together fit. 2/2 nodes cannot take even one."
	failed := pod("small", 1, "node-0", corev1.PodFailed)
	failed.ExitCode = 137
	back := pod("small", 1, "node-0", corev1.PodRunning)
	back.UID = "another"
	tests := []struct {
		name  string
		steps []func(*Board) []Line
		want  []string
	}{
		{
			name: "waits, starts whole, ends",
			steps: []func(*Board) []Line{
				applied(0, job("big", 2, 2, 4)), tick(0.2), see(1, full), tick(1.2),
				see(3, pod("big", 0, "node-0", corev1.PodPending)), see(3.1, pod("big", 1, "node-1", corev1.PodPending)), tick(3.2),
				see(9, pod("big", 0, "node-0", corev1.PodSucceeded)), see(9.1, pod("big", 1, "node-1", corev1.PodSucceeded)),
				finish(9.2, "big"), tick(9.4),
			},
			want: []string{
				"0.0 apply big: 2 pods: some workers",
				"1.2 wait big: needs 4 GPUs, 8 of 8 free: 1 of the 4 members that have to start together fit",
				"3.2 start big: all 2 pods on 2 nodes, bound within 100 ms, after waiting 3.0 s",
				"9.2 finish big: ran 6.1 s; 4 GPUs free again",
			},
		},
		{
			name: "nobody says why it waits",
			steps: []func(*Board) []Line{
				applied(0, job("big", 2, 2, 4)), tick(4.9), tick(5), tick(5.2),
			},
			want: []string{"0.0 apply big: 2 pods: some workers", "5.0 wait big: needs 4 GPUs, 8 of 8 free"},
		},
		{
			name: "starts with its minimum and grows",
			steps: []func(*Board) []Line{
				applied(0, job("some", 3, 2, 6)),
				see(0.1, pod("some", 0, "node-0", "")), see(0.2, pod("some", 1, "node-0", "")), tick(0.3), tick(0.6),
				see(4, pod("some", 2, "node-1", "")), tick(4),
			},
			want: []string{
				"0.0 apply some: 3 pods: some workers; elastic, 2 are enough to start",
				"0.6 start some: 2 of 3 pods on 1 node, bound within 100 ms",
				"4.0 grow some: 1 more found room: 3 of 3 pods on 2 nodes",
			},
		},
		{
			name: "a pod fails and is replaced",
			steps: []func(*Board) []Line{
				applied(0, job("small", 2, 2, 4)), see(0.1, pod("small", 0, "node-0", "")), see(0.1, pod("small", 1, "node-0", "")), tick(0.2),
				see(3, failed), tick(3.2), see(3.5, back), tick(3.6),
			},
			want: []string{
				"0.0 apply small: 2 pods: some workers",
				"0.2 start small: all 2 pods on 1 node, bound within 1 ms",
				"3.0 lose small: worker-1 failed with exit code 137; the others go on, and a new one is placed",
				"3.6 heal small: worker-1 is back: 2 of 2 pods on 1 node",
			},
		},
		{
			name: "partly bound",
			steps: []func(*Board) []Line{
				applied(0, job("big", 2, 2, 4)), see(1, pod("big", 0, "node-0", "")), tick(2.9), tick(3.1), tick(3.3),
			},
			want: []string{
				"0.0 apply big: 2 pods: some workers",
				"3.1 PARTIAL big: 1 of 2 pods hold their nodes and wait for the others",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, story(NewBoard(begin, twoNodes()), tt.steps...)); diff != "" {
				t.Errorf("story (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFault(t *testing.T) {
	whole := []func(*Board) []Line{
		applied(0, job("big", 2, 2, 4)), see(1, pod("big", 0, "node-0", "")), see(1.1, pod("big", 1, "node-0", "")),
	}
	tests := []struct {
		name  string
		steps []func(*Board) []Line
		want  string // part of the fault; empty: there is none
	}{
		{name: "started whole and succeeded", steps: append(whole[:3:3], finish(9, "big"))},
		{name: "not ended", steps: whole, want: "big has not succeeded: not ended"},
		{name: "never started", steps: whole[:1], want: "big has not succeeded: never started"},
		{
			name: "failed", want: "big has not succeeded: Failed",
			steps: append(whole[:3:3], func(b *Board) []Line { return b.Finish(at(5), "big", false, "") }),
		},
		{
			name: "partly started for long, though it succeeded in the end", want: "big was partly started, for 3.0 s",
			steps: append(whole[:2:2], see(4, pod("big", 1, "node-0", "")), finish(9, "big")),
		},
		{
			name: "partly bound in the end", want: "big was partly started",
			steps: whole[:2],
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBoard(begin, twoNodes())
			story(b, tt.steps...)
			err := b.Fault(at(10))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("fault %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProgressAndMap(t *testing.T) {
	b := NewBoard(begin, twoNodes())
	story(b, applied(0, job("one", 2, 2, 4)), applied(0, job("two", 4, 4, 8)),
		see(1, pod("one", 0, "node-1", "")), see(1, pod("one", 1, "node-0", "")))
	if got, want := b.Progress(at(2)), "████████████░░░░░░░░░░░░ 4 of 8 GPUs, 1 running, 0 done, 1 waiting: two"; got != want {
		t.Errorf("progress %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"rack-0   AA··", "rack-1   AA··"}, b.Map()); diff != "" {
		t.Errorf("map (-want +got):\n%s", diff)
	}
	if got := b.Legend(); got != "A one" {
		t.Errorf("legend %q, want %q", got, "A one")
	}
}

func TestTable(t *testing.T) {
	b := NewBoard(begin, twoNodes())
	story(b, applied(0, job("one", 2, 1, 4)), applied(0, job("two", 2, 2, 4)),
		see(1, pod("one", 0, "node-1", "")), see(1, pod("one", 1, "node-0", "")), finish(4, "one"),
		see(2, pod("two", 0, "node-0", "")))
	want := "" +
		"JOB  KIND        PODS  GPUS  WAITED  STARTED WITHIN    RAN  TIMES PARTIALLY STARTED  RESULT\n" +
		"one  PyTorchJob   1–2     4   1.0 s            1 ms  3.0 s                        0  Succeeded\n" +
		"two  PyTorchJob     2     4  10.0 s               –      –                        1  never started\n"
	if diff := cmp.Diff(want, b.Table(at(10))); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}
