package explain

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is the time of the tests.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

var (
	fine  = Look{Width: 100, Unicode: true}
	plain = Look{}
)

// golden compares text with the file of that name in testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

func TestGangText(t *testing.T) {
	waiting := Gang{
		Namespace: "team-a", Name: "llm", Kind: KindPodGroup, Queue: "nlp", Chain: []string{"nlp", "research"}, Priority: 100,
		Reason:  gang.Unschedulable,
		Message: "5 of 8 pods have room at once: rack r2 has room for 5, rack r1 for 3; no node has 8 nvidia.com/gpu free beyond those.",
		Since:   noon.Add(-12 * time.Minute), Created: noon.Add(-20 * time.Minute), ExpectedRuntimeSeconds: 5400,
		MinMember: 8, Members: 8, Asked: resource.Amounts{"nvidia.com/gpu": 64, "cpu": 256000, "memory": 2 << 40, "pods": 8},
		Position: 1, WaitingInQueue: 17,
		Reservation: &Reservation{
			Known: true, Start: noon.Add(25 * time.Minute), Nodes: []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"},
		},
		Hints: []string{"24 more nvidia.com/gpu free on nodes of 8", "a run time on team-b/sweep, which says none and holds 16 GPUs"},
	}
	quota := Gang{
		Namespace: "team-a", Name: "bert-0", Kind: KindPod, Queue: "nlp", Chain: []string{"nlp", "research"},
		Reason: "QuotaExceeded", Message: "queue research: 60 of 64 nvidia.com/gpu in use, 8 more asked",
		Since: noon.Add(-30 * time.Second), MinMember: 1, Members: 1, Asked: resource.Amounts{"nvidia.com/gpu": 8, "pods": 1},
		Position: 3, WaitingInQueue: 17, Hints: []string{"queue research gives back 4 nvidia.com/gpu"},
	}
	room := Gang{
		Namespace: "team-a", Name: "big", Kind: KindPodGroup, Queue: "nlp", Reason: "MakingRoom", MinMember: 2, Members: 2,
		Since: noon.Add(-10 * time.Second),
		MakingRoom: &MakingRoom{Since: noon.Add(-10 * time.Second), Victims: []Victim{
			{Namespace: "team-b", Name: "x", Kind: KindPodGroup, Queue: "vision", Pods: 4, Whole: true, LostGPUSeconds: 9000},
			{Namespace: "team-b", Name: "y", Kind: KindPodGroup, Queue: "vision", Pods: 1},
		}},
	}
	unknown := waiting
	unknown.Reservation = &Reservation{Nodes: []string{"n1"}}
	running := Gang{
		Namespace: "team-a", Name: "llm", Kind: KindPodGroup, Queue: "default", MinMember: 8, Members: 10, Running: 9,
		Started: noon.Add(-26 * time.Hour), ExpectedEnd: noon.Add(14 * time.Hour),
	}
	for _, test := range []struct {
		name string
		gang Gang
		look Look
	}{
		{"gang-reserved", waiting, fine},
		{"gang-reserved-plain", waiting, plain},
		{"gang-reserved-narrow", waiting, Look{Width: 60}},
		{"gang-unknown-start", unknown, fine},
		{"gang-quota", quota, fine},
		{"gang-making-room", room, fine},
		{"gang-running", running, fine},
	} {
		t.Run(test.name, func(t *testing.T) { golden(t, test.name, test.gang.Text(test.gang.Title(), noon, test.look)) })
	}
}

func TestAnswerText(t *testing.T) {
	spread := []Placement{
		{Role: "master", Node: "n1", Count: 1},
		{Role: "worker", Node: "n1", Count: 1}, {Role: "worker", Node: "n2", Count: 1}, {Role: "worker", Node: "n3", Count: 1},
		{Role: "worker", Node: "n4", Count: 1}, {Role: "worker", Node: "n5", Count: 1}, {Role: "worker", Node: "n6", Count: 1},
	}
	base := Answer{Queue: "nlp", Chain: []string{"nlp", "research"}}
	now, evictions, later, unknown, never := base, base, base, base, base
	now.Verdict, now.Known, now.Start, now.Placement = StartsNow, true, noon, spread
	evictions.Verdict, evictions.Ratio = AfterEvictions, 1.125
	evictions.Placement = []Placement{{Node: "n1", Count: 4}, {Node: "n2", Count: 3}}
	evictions.Victims = []Victim{
		{Namespace: "team-b", Name: "sweep", Kind: KindPodGroup, Queue: "vision", Pods: 8, Whole: true, LostGPUSeconds: 100000},
		{Namespace: "team-b", Name: "elastic", Kind: KindPodGroup, Queue: "vision", Priority: 10, Pods: 1, LostGPUSeconds: 30},
	}
	later.Verdict, later.Known, later.Start = Later, true, noon.Add(15*time.Hour)
	later.Reason, later.Message, later.Position = gang.Unschedulable, "5 of 8 pods have room.", 2
	later.Placement = []Placement{{Node: "n1", Count: 8}}
	unknown.Verdict, unknown.Reason, unknown.Position = Later, "QuotaExceeded", 3
	unknown.Message = "queue research: 60 of 64 nvidia.com/gpu in use, 8 more asked"
	never.Verdict, never.Reason = Never, "ExceedsCluster"
	never.Message, never.Hints = "no node has 16 nvidia.com/gpu, the largest has 8", []string{"8 nvidia.com/gpu in each pod instead of 16"}
	for _, test := range []struct {
		name   string
		answer Answer
	}{
		{"whatif-now", now}, {"whatif-evictions", evictions}, {"whatif-later", later},
		{"whatif-unknown", unknown}, {"whatif-never", never},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden(t, test.name, test.answer.Text("PyTorchJob team-a/llm", noon, fine))
		})
	}
}

// office is a tree of three levels in which all signs of a bar occur.
func office() Queues {
	gpus := func(n int64) resource.Amounts { return resource.Amounts{"nvidia.com/gpu": n} }
	return Queues{
		Capacity: resource.Amounts{"nvidia.com/gpu": 512, "cpu": 2048000, "memory": 16 << 40},
		Queues: []Queue{
			{Name: "research", Weight: 3, Guarantee: gpus(128), Limit: gpus(384), FairShare: gpus(256), Admitted: 41, Pending: 18,
				Usage: resource.Amounts{"nvidia.com/gpu": 300, "cpu": 1200500, "memory": 9 << 40}},
			{Name: "nlp", Parent: "research", Weight: 2, Guarantee: gpus(64), FairShare: gpus(150), Usage: gpus(200), Admitted: 25,
				Pending: 17, Reasons: map[gang.Reason]int{"Unschedulable": 12, "QuotaExceeded": 5},
				Head: &Head{Namespace: "team-a", Name: "llm", Kind: KindPodGroup, Reason: "Unschedulable", Message: "5 of 8 pods have room at once"}},
			{Name: "vision", Parent: "research", Weight: 1, Guarantee: gpus(64), FairShare: gpus(106), Usage: gpus(32), Admitted: 16,
				Pending: 1, Reasons: map[gang.Reason]int{"WaitingForMembers": 1}},
			{Name: "production", Weight: 1, Guarantee: gpus(128), Limit: gpus(128), FairShare: gpus(128), Usage: gpus(16), Admitted: 2},
			{Name: "old", Weight: 1, FairShare: gpus(64), Stopped: "Drain"},
			{Name: "lost", Parent: "gone", Weight: 1, Fault: "its parent gone does not exist"},
			{Name: "egg", Parent: "hen", Weight: 1, Fault: "egg, hen: the parents are a cycle"},
			{Name: "hen", Parent: "egg", Weight: 1, Fault: "egg, hen: the parents are a cycle"},
		},
	}
}

func TestQueuesText(t *testing.T) {
	for _, test := range []struct {
		name, resource string
		look           Look
	}{
		{"queues", office().DefaultResource(), fine},
		{"queues-plain", "nvidia.com/gpu", plain},
		{"queues-narrow", "nvidia.com/gpu", Look{Width: 60, Unicode: true}},
		{"queues-cpu", "cpu", fine},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := office().Text(test.resource, test.look)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, test.name, text)
		})
	}
	if text, err := office().Text("fpga", fine); err == nil {
		t.Errorf("bars of a resource that nobody has:\n%s", text)
	}
}

func TestQueueText(t *testing.T) {
	for _, test := range []struct{ name, queue string }{
		{"queue-inner", "research"}, {"queue-leaf", "nlp"}, {"queue-stopped", "old"}, {"queue-cycle", "hen"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := office().QueueText(test.queue, "nvidia.com/gpu", fine)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, test.name, text)
		})
	}
	if text, err := office().QueueText("gone", "cpu", fine); err == nil {
		t.Errorf("a text about a queue that does not exist:\n%s", text)
	}
}
