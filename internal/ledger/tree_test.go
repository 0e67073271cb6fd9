package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/resource"
)

// ledgerOf returns a ledger with the queues, of weight 1 where they say nothing.
func ledgerOf(queues ...Queue) *Ledger {
	l := New()
	for _, q := range queues {
		if q.Weight == 0 {
			q.Weight = 1
		}
		l.SetQueue(q)
	}
	return l
}

func gpus(n int64) resource.Amounts { return resource.Amounts{"nvidia.com/gpu": n} }

func TestFaults(t *testing.T) {
	l := ledgerOf(
		Queue{Name: "research", Guarantee: gpus(16)},
		Queue{Name: "team-a", Parent: "research", Guarantee: gpus(12)},
		Queue{Name: "team-b", Parent: "research", Guarantee: gpus(12)},
		Queue{Name: "team-c", Parent: "research", Guarantee: gpus(0)},
		Queue{Name: "sub-a", Parent: "team-a"},
		Queue{Name: "orphan", Parent: "nowhere"},
		Queue{Name: "child", Parent: "orphan"},
		Queue{Name: "chicken", Parent: "egg"},
		Queue{Name: "egg", Parent: "chicken"},
		Queue{Name: "feather", Parent: "chicken"},
		Queue{Name: "self", Parent: "self"},
	)
	for _, test := range []struct {
		queue string
		code  FaultCode
		at    string
		words string
	}{
		{"nobody", NotFound, "nobody", "queue nobody does not exist"},
		{"nowhere", NotFound, "nowhere", "queue nowhere does not exist"},
		{"research", NotALeaf, "research", "queue research has queues of its own (team-a, team-b, team-c): gangs go to one of those"},
		{"team-a", GuaranteeExceedsParent, "team-a", "queue research guarantees 16 nvidia.com/gpu, but the queues in it 24 together"},
		{"sub-a", GuaranteeExceedsParent, "team-a", "24 together"},
		{"team-c", "", "", ""},
		{"orphan", ParentNotFound, "orphan", "the parent of queue orphan, nowhere, does not exist"},
		{"child", ParentNotFound, "orphan", "nowhere"},
		{"chicken", Cycle, "chicken", "queue chicken is its own ancestor: chicken in egg in chicken"},
		{"feather", Cycle, "chicken", "chicken in egg"},
		{"self", Cycle, "self", "self in self"},
		{Default, "", "", ""},
	} {
		fault := l.Fault(test.queue)
		switch {
		case fault == nil && test.code == "":
		case fault == nil:
			t.Errorf("%s has no fault, want %s", test.queue, test.code)
		case fault.Code != test.code || fault.Queue != test.at || !strings.Contains(fault.Message, test.words):
			t.Errorf("the fault of %s is %+v, want %s at %s: %s", test.queue, *fault, test.code, test.at, test.words)
		}
	}
}

func TestFaultsGoAway(t *testing.T) {
	l := ledgerOf(Queue{Name: "a", Parent: "b"}, Queue{Name: "b", Parent: "a"})
	l.SetQueue(Queue{Name: "b"})
	if fault := l.Fault("a"); fault != nil {
		t.Errorf("the cycle is cut, but a has the fault %+v", *fault)
	}
	l.DeleteQueue("b")
	if fault := l.Fault("a"); fault == nil || fault.Code != ParentNotFound {
		t.Errorf("the parent is deleted, but the fault of a is %+v", fault)
	}
	l.SetQueue(Queue{Name: "b"})
	if fault := l.Fault("a"); fault != nil {
		t.Errorf("the parent is back, but a has the fault %+v", *fault)
	}
}

func TestShortfall(t *testing.T) {
	l := ledgerOf(Queue{Name: "a", Guarantee: gpus(6)}, Queue{Name: "b", Guarantee: gpus(6)}, Queue{Name: "c"})
	l.SetCapacity(gpus(8))
	fault := l.Shortfall("a")
	if want := "the cluster has 8 nvidia.com/gpu, but the top queues guarantee 12 together"; fault == nil || fault.Message != want {
		t.Errorf("the shortfall of a is %+v, want %q", fault, want)
	}
	if fault := l.Shortfall("c"); fault != nil {
		t.Errorf("c guarantees nothing and falls short: %+v", *fault)
	}
	if fault := l.Fault("a"); fault != nil {
		t.Errorf("a small cluster hinders a: %+v", *fault)
	}
	l.SetCapacity(gpus(12))
	if fault := l.Shortfall("a"); fault != nil {
		t.Errorf("12 are enough, but a falls short: %+v", *fault)
	}
}

func TestChain(t *testing.T) {
	l := ledgerOf(Queue{Name: "top"}, Queue{Name: "mid", Parent: "top"}, Queue{Name: "leaf", Parent: "mid"},
		Queue{Name: "x", Parent: "y"}, Queue{Name: "y", Parent: "x"}, Queue{Name: "z", Parent: "y"})
	for queue, want := range map[string][]string{
		"leaf":   {"leaf", "mid", "top"},
		"x":      {"x"},
		"z":      {"z", "y"},
		"nobody": {"nobody"},
	} {
		if got := l.Chain(queue); !slices.Equal(got, want) {
			t.Errorf("the chain of %s is %q, want %q", queue, got, want)
		}
	}
}

func TestStoppedAndMinRuntime(t *testing.T) {
	l := ledgerOf(
		Queue{Name: "top", Stop: Drain, MinRuntime: time.Hour},
		Queue{Name: "held", Parent: "top", Stop: Hold},
		Queue{Name: "open", Parent: "top", MinRuntime: time.Minute},
		Queue{Name: "free"})
	for queue, want := range map[string]struct {
		by      string
		how     Stop
		runtime time.Duration
	}{
		"held":   {"top", Drain, time.Hour},
		"open":   {"top", Drain, time.Minute},
		"free":   {"", None, 0},
		"nobody": {"", None, 0},
	} {
		if by, how := l.Stopped(queue); by != want.by || how != want.how {
			t.Errorf("%s is stopped by %q: %d, want %q: %d", queue, by, how, want.by, want.how)
		}
		if got := l.MinRuntime(queue); got != want.runtime {
			t.Errorf("the minimum run time of %s is %v, want %v", queue, got, want.runtime)
		}
	}
}
