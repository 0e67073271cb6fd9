package witness

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

func bound(ms int, pod string) Event { return Event{At: at(ms), Gang: "g", Pod: pod, Kind: Bound} }
func gone(ms int, pod string) Event  { return Event{At: at(ms), Gang: "g", Pod: pod, Kind: Gone} }
func done(ms int, pod string) Event  { return Event{At: at(ms), Gang: "g", Pod: pod, Kind: Succeeded} }
func ended(ms int) Event             { return Event{At: at(ms), Gang: "g", Kind: Ended} }

func TestJudge(t *testing.T) {
	ms := time.Millisecond
	tests := []struct {
		name   string
		min    int
		events []Event
		want   Verdict
	}{
		{name: "nothing was seen", min: 2},
		{
			name: "all at once", min: 3,
			events: []Event{bound(10, "a"), bound(12, "b"), bound(20, "c")},
			want:   Verdict{Placed: 3, FirstBound: at(10), Whole: at(20), Bursts: []time.Duration{10 * ms}, Pause: 8 * ms},
		},
		{
			name: "a minimum of one is never partly bound", min: 1,
			events: []Event{bound(10, "a"), bound(900, "b")},
			want:   Verdict{Placed: 2, FirstBound: at(10), Whole: at(10), Bursts: []time.Duration{0}},
		},
		{
			name: "members above the minimum may come late", min: 2,
			events: []Event{bound(10, "a"), bound(11, "b"), bound(900, "c")},
			want:   Verdict{Placed: 3, FirstBound: at(10), Whole: at(11), Bursts: []time.Duration{1 * ms}, Pause: 1 * ms},
		},
		{
			name: "stuck at the end", min: 3,
			events: []Event{bound(10, "a"), bound(20, "b")},
			want:   Verdict{Placed: 2, FirstBound: at(10), Bursts: []time.Duration{990 * ms}, Pause: 980 * ms, Stuck: true},
		},
		{
			name: "given back before it was whole", min: 2,
			events: []Event{bound(10, "a"), gone(200, "a")},
			want:   Verdict{FirstBound: at(10), Bursts: []time.Duration{190 * ms}, Pause: 190 * ms},
		},
		{
			name: "each of two attempts counts", min: 2,
			events: []Event{bound(10, "a"), gone(200, "a"), bound(300, "b"), bound(310, "c")},
			want:   Verdict{Placed: 2, FirstBound: at(10), Whole: at(310), Bursts: []time.Duration{190 * ms, 10 * ms}, Pause: 190 * ms},
		},
		{
			name: "members that succeeded are still there", min: 2,
			events: []Event{bound(10, "a"), bound(11, "b"), done(50, "a"), gone(60, "a")},
			want:   Verdict{Placed: 2, FirstBound: at(10), Whole: at(11), Bursts: []time.Duration{1 * ms}, Pause: 1 * ms},
		},
		{
			name: "a lost member is no start in parts, but at the end it is missing", min: 2,
			events: []Event{bound(10, "a"), bound(11, "b"), gone(50, "a")},
			want:   Verdict{Placed: 1, FirstBound: at(10), Whole: at(11), Bursts: []time.Duration{1 * ms}, Pause: 1 * ms, Stuck: true},
		},
		{
			name: "what goes after the end is not missed", min: 2,
			events: []Event{bound(10, "a"), bound(11, "b"), ended(40), gone(50, "a")},
			want:   Verdict{Placed: 2, FirstBound: at(10), Whole: at(11), Bursts: []time.Duration{1 * ms}, Pause: 1 * ms},
		},
		{
			name: "seen twice counts once", min: 2,
			events: []Event{bound(10, "a"), bound(11, "a")},
			want:   Verdict{Placed: 1, FirstBound: at(10), Bursts: []time.Duration{990 * ms}, Pause: 990 * ms, Stuck: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := Gang{Name: "g", Min: tt.min}
			tt.want.Gang = g
			strangers := []Event{{At: at(15), Gang: "other", Pod: "x", Kind: Bound}}
			got := Judge([]Gang{g}, append(strangers, tt.events...), at(1000))
			if diff := cmp.Diff([]Verdict{tt.want}, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPartial(t *testing.T) {
	verdicts := []Verdict{
		{Bursts: []time.Duration{1, 5 * time.Second}, Pause: time.Millisecond},
		{Bursts: []time.Duration{3 * time.Second}, Pause: 3 * time.Second},
		{Stuck: true},
	}
	if got := Partial(verdicts, 2*time.Second); got != 2 {
		t.Errorf("Partial = %d, want 2: the one that paused and the one that is stuck", got)
	}
	if got := LongestBurst(verdicts...); got != 5*time.Second {
		t.Errorf("LongestBurst = %v, want 5s", got)
	}
	if got := LongestBurst(); got != 0 {
		t.Errorf("LongestBurst of nothing = %v, want 0", got)
	}
}

// TestJudgeAgainstReplay compares with an oracle that asks, millisecond by millisecond, how much the gang holds.
func TestJudgeAgainstReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const end = 60
		g := Gang{Name: "g", Min: rapid.IntRange(1, 4).Draw(t, "min")}
		var events []Event
		for ms := 1; ms < end; ms++ {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1:
				events = append(events, bound(ms, fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "pod"))))
			case 2:
				events = append(events, gone(ms, fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "pod"))))
			}
		}
		held, next, start, starting, burst := map[string]bool{}, 0, 0, false, 0
		for ms := 0; ms <= end; ms++ {
			for ; next < len(events) && events[next].At.Equal(at(ms)); next++ {
				if events[next].Kind == Bound {
					held[events[next].Pod] = true
				} else {
					delete(held, events[next].Pod)
				}
			}
			before := starting
			starting = len(held) > 0 && len(held) < g.Min && (starting || wasEmpty(events, ms))
			if starting && !before {
				start = ms
			}
			if starting || before {
				burst = max(burst, ms-start)
			}
		}
		got := Judge([]Gang{g}, events, at(end))[0]
		if want := time.Duration(burst) * time.Millisecond; LongestBurst(got) != want {
			t.Fatalf("bursts %v, want at most %v", got.Bursts, want)
		}
		if want := len(held) > 0 && len(held) < g.Min; got.Stuck != want || got.Placed != len(held) {
			t.Fatalf("stuck %v with %d placed, want %v with %d", got.Stuck, got.Placed, want, len(held))
		}
	})
}

// wasEmpty replays the events to say whether the gang held nothing just before the given millisecond.
func wasEmpty(events []Event, ms int) bool {
	held := map[string]bool{}
	for _, e := range events {
		if !e.At.Before(at(ms)) {
			break
		}
		if e.Kind == Bound {
			held[e.Pod] = true
		} else {
			delete(held, e.Pod)
		}
	}
	return len(held) == 0
}
