package ledger

import (
	"maps"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

const day = 24 * time.Hour

func decaying(queues ...Queue) (*Ledger, time.Time) {
	l := ledgerOf(queues...)
	l.SetHalfLife(day)
	start := time.Unix(1000000, 0)
	l.Advance(start)
	return l, start
}

func TestDecayHalves(t *testing.T) {
	l, now := decaying(Queue{Name: "top"}, Queue{Name: "a", Parent: "top"})
	l.Charge("a", gpus(1024), false)
	for i, want := range []int64{512, 768, 896} {
		now = now.Add(day)
		l.Advance(now)
		if got, asOf := l.Decayed("a"); got["nvidia.com/gpu"] != want || !asOf.Equal(now) {
			t.Errorf("after %d half-lives of use the average is %v at %v, want %d", i+1, got, asOf, want)
		}
	}
	l.Release("a", gpus(1024), false)
	now = now.Add(2 * day)
	l.Advance(now)
	for _, queue := range []string{"a", "top"} {
		if got, _ := l.Decayed(queue); got["nvidia.com/gpu"] != 224 {
			t.Errorf("after two half-lives without use the average of %s is %v, want 224", queue, got)
		}
	}
}

// TestDecayDoesNotDependOnSteps: many small steps are as good as one.
func TestDecayDoesNotDependOnSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, start := decaying(Queue{Name: "a"})
		l.Charge("a", gpus(rapid.Int64Range(0, 1<<40).Draw(t, "used")), false)
		steps := rapid.SliceOfN(rapid.Int64Range(0, int64(day)), 1, 50).Draw(t, "steps")
		other, now := l.Clone(), start
		for _, step := range steps {
			now = now.Add(time.Duration(step))
			l.Advance(now)
		}
		other.Advance(now)
		got, _ := l.Decayed("a")
		want, _ := other.Decayed("a")
		if diff := got["nvidia.com/gpu"] - want["nvidia.com/gpu"]; diff < -1 || diff > 1 {
			t.Fatalf("in %d steps the average is %v, in one %v", len(steps), got, want)
		}
	})
}

func TestClockJumps(t *testing.T) {
	l, now := decaying(Queue{Name: "a"})
	l.Charge("a", gpus(8), false)
	now = now.Add(day)
	l.Advance(now)
	l.Advance(now.Add(-1000 * day))
	if got, _ := l.Decayed("a"); got["nvidia.com/gpu"] != 4 {
		t.Errorf("after a clock was set back the average is %v, want 4", got)
	}
	l.Advance(now.Add(-999 * day))
	if got, _ := l.Decayed("a"); got["nvidia.com/gpu"] != 6 {
		t.Errorf("a half-life after a clock was set back the average is %v, want 6", got)
	}
	for _, far := range []time.Time{now.Add(math.MaxInt64), time.Unix(1<<40, 0), {}, now} {
		l.Advance(far)
		if got, _ := l.Decayed("a"); got["nvidia.com/gpu"] < 6 || got["nvidia.com/gpu"] > 8 {
			t.Errorf("after a jump to %v the average is %v, want it between 6 and the present 8", far, got)
		}
	}
}

func TestRestore(t *testing.T) {
	l, now := decaying(Queue{Name: "a"})
	amounts := resource.Amounts{"nvidia.com/gpu": 8, "cpu": 64000, "absurd": -5}
	for _, test := range []struct {
		asOf time.Time
		want resource.Amounts
	}{
		{now, resource.Amounts{"nvidia.com/gpu": 8, "cpu": 64000}},
		{now.Add(-2 * day), resource.Amounts{"nvidia.com/gpu": 2, "cpu": 16000}},
		{now.Add(day), resource.Amounts{"nvidia.com/gpu": 8, "cpu": 64000}},
		{now.Add(-10000 * day), resource.Amounts{}},
		{time.Time{}, resource.Amounts{}},
	} {
		l.Restore("a", amounts, test.asOf, now)
		if got, _ := l.Decayed("a"); !maps.Equal(got, test.want) {
			t.Errorf("restored as of %v the average is %v, want %v", test.asOf, got, test.want)
		}
	}
	l.Restore("nobody", amounts, now, now)
	l.SetHalfLife(0)
	l.Restore("a", amounts, now, now)
	if got, _ := l.Decayed("a"); len(got) != 0 {
		t.Errorf("without a half-life the average is %v", got)
	}
}

func TestANewQueueHasNoPast(t *testing.T) {
	l, now := decaying(Queue{Name: "a"})
	l.Charge("a", gpus(8), false)
	l.Advance(now.Add(day))
	l.DeleteQueue("a")
	l.SetQueue(Queue{Name: "a", Weight: 1})
	if got, _ := l.Decayed("a"); len(got) != 0 {
		t.Errorf("the average of a queue that was deleted and made anew is %v", got)
	}
	if got := l.Usage("a"); !maps.Equal(got, gpus(8)) {
		t.Errorf("its usage is %v, want what still runs", got)
	}
}

// TestHugeUsage: averages near the end of int64 are neither negative nor lost.
func TestHugeUsage(t *testing.T) {
	l, now := decaying(Queue{Name: "a"}, Queue{Name: "b"})
	l.SetCapacity(gpus(math.MaxInt64))
	for range 3 {
		l.Charge("a", gpus(math.MaxInt64), false)
	}
	l.Charge("b", gpus(math.MaxInt64-1), false)
	l.Advance(now.Add(1000 * day))
	if got, _ := l.Decayed("a"); got["nvidia.com/gpu"] != math.MaxInt64 {
		t.Errorf("the average is %v, want it saturated", got)
	}
	if got := l.First([]Head{{Queue: "a"}, {Queue: "b"}}); got != 1 {
		t.Errorf("the first is %d, want the queue that uses a little less", got)
	}
	l.Release("a", gpus(math.MaxInt64), false)
	if got := l.Usage("a"); !maps.Equal(got, gpus(math.MaxInt64)) {
		t.Errorf("usage is %v, want two thirds of what is too much to count", got)
	}
}
