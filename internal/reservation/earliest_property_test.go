package reservation

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Earliest finds what looking at every minute and every placement finds.
func TestEarliestAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, rapid.IntRange(0, 3).Draw(t, "holds"))
		start, err := Earliest(p)
		if err != nil {
			t.Fatal(err)
		}
		want := oracleEarliest(p)
		switch {
		case want >= 0:
			if !start.Known || !start.At.Equal(after(want)) {
				t.Fatalf("%+v, want minute %d", start, want)
			}
			checkRuns(t, p, start, want)
		case start.Known:
			t.Fatalf("%+v, but it never fits", start)
		default:
			checkUnknown(t, p, start)
		}
	})
}

// With more stretches of time than are looked at, the answer is safe, and there is one if the oracle has one.
func TestEarliestWithManyHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 0)
		for i := range 60 {
			hold := drawHold(t, i)
			hold.Start, hold.End = after(i+2), after(i+3)
			p.Holds = append(p.Holds, hold)
		}
		start, err := Earliest(p)
		if err != nil {
			t.Fatal(err)
		}
		want := oracleEarliest(p)
		if want < 0 {
			if start.Known {
				t.Fatalf("%+v, but it never fits", start)
			}
			return
		}
		minute := int(start.At.Sub(p.Now) / time.Minute)
		if !start.Known || minute < want {
			t.Fatalf("%+v, want minute %d or later", start, want)
		}
		checkRuns(t, p, start, minute)
	})
}

// oracleEarliest is the first minute at which the gang fits, or -1.
func oracleEarliest(p Problem) int {
	for minute := range 2 * horizon {
		if oracleFits(p, minute) {
			return minute
		}
	}
	return -1
}

// checkRuns checks that the runs place exactly what is needed, into the room that there is from that minute on.
func checkRuns(t *rapid.T, p Problem, start Start, minute int) {
	to := 3 * horizon
	if p.Runtime > 0 {
		to = minute + int(p.Runtime/time.Minute)
	}
	placed := make([]int, len(p.Gang.Classes))
	for _, run := range start.Runs {
		placed[run.Class] += run.Count
	}
	checkNeed(t, p, placed)
	hold := p.Hold(Hold{Gang: "g"}, start)
	for i, node := range p.Nodes {
		if asked := amounts(p.Table, hold.Amount[node.Name]); !asked.Fits(oracleSpare(p, i, minute, to)) {
			t.Fatalf("%v on %s does not fit into %v", asked, node.Name, oracleSpare(p, i, minute, to))
		}
	}
	ends := start.Known && p.Runtime > 0
	if ends && !hold.End.Equal(start.At.Add(p.Runtime)) || !ends && !hold.End.IsZero() {
		t.Fatalf("the hold ends at %v", hold.End)
	}
}

func checkNeed(t *rapid.T, p Problem, placed []int) {
	sum := 0
	for c, n := range placed {
		sum += n
		if n > p.Gang.Classes[c].Count {
			t.Fatalf("%d placed of class %d, which has %d", n, c, p.Gang.Classes[c].Count)
		}
	}
	if sum != p.Gang.Need.Total || !oracleMet(p.Gang, placed) {
		t.Fatalf("placed %v, needed %+v", placed, p.Gang.Need)
	}
}

// checkUnknown checks an answer without a time: as few endless uses per node have to go as can be.
func checkUnknown(t *rapid.T, p Problem, start Start) {
	gone := -1
	for n := 0; n <= 4 && gone < 0; n++ {
		if oracleFits(withoutLargest(p, n), 2*horizon) {
			gone = n
		}
	}
	if gone < 0 {
		empty := withoutLargest(p, 4)
		empty.Holds = nil
		want := gang.Impossible
		if oracleFits(empty, 2*horizon) {
			want = gang.Placed
		}
		if start.Result != want || start.Runs != nil {
			t.Fatalf("%+v, want %v without runs", start, want)
		}
		return
	}
	if start.Result != gang.Placed || !start.At.IsZero() {
		t.Fatalf("%+v, want it placed without a time", start)
	}
	checkRuns(t, withoutLargest(p, gone), start, 2*horizon)
}

// withoutLargest lets everything end that has an expected end, and on each node the largest n of the other uses that take
// what the gang asks for; the older of two equal ones.
func withoutLargest(p Problem, n int) Problem {
	p.Nodes = append([]Node{}, p.Nodes...)
	for i, node := range p.Nodes {
		uses := append([]Use{}, node.Uses...)
		for range n {
			largest, most := -1, 0.0
			for j, use := range uses {
				share := oracleShare(p, node, use)
				if older := largest >= 0 && use.Since.Before(uses[largest].Since); use.Until.IsZero() && (share > most || share == most && older) {
					largest, most = j, share
				}
			}
			if largest >= 0 {
				uses = append(uses[:largest], uses[largest+1:]...)
			}
		}
		p.Nodes[i].Uses = uses
	}
	return p
}

func oracleShare(p Problem, node Node, use Use) float64 {
	share := 0.0
	for d, amount := range use.Amount {
		for _, class := range p.Gang.Classes {
			if class.Request[d] > 0 && class.Count > 0 && amount > 0 {
				share = math.Max(share, float64(amount)/math.Max(1, float64(node.Allocatable[d])))
			}
		}
	}
	return share
}
