package dispatch

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRounded(t *testing.T) {
	for runtime, want := range map[time.Duration]time.Duration{
		0:                                0,
		time.Second:                      time.Second,
		1500 * time.Millisecond:          2 * time.Second,
		21 * time.Second:                 25 * time.Second,
		time.Hour:                        time.Hour,
		61 * time.Minute:                 65 * time.Minute,
		90 * time.Minute:                 90 * time.Minute,
		25*time.Hour + 5*time.Minute:     26 * time.Hour,
		100 * time.Hour:                  102 * time.Hour,
		time.Duration(math.MaxInt64):     time.Duration(math.MaxInt64),
		time.Duration(math.MaxInt64) - 1: time.Duration(math.MaxInt64) - 1,
	} {
		if got := rounded(runtime); got != want {
			t.Errorf("%s is rounded to %s, want %s", runtime, got, want)
		}
	}
}

// A run time is never made shorter, hardly longer, and stays as it is when it is rounded again.
func TestRoundedUpALittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runtime := time.Duration(rapid.Int64Range(0, int64(365*24*time.Hour)).Draw(t, "runtime"))
		got := rounded(runtime)
		if got < runtime || got > runtime+max(5*time.Second, runtime/8) || rounded(got) != got {
			t.Fatalf("%s is rounded to %s, and that to %s", runtime, got, rounded(got))
		}
	})
}
