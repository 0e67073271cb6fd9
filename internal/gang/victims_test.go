package gang

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The thing needs some amount of room; every candidate frees some. Whatever is chosen suffices, nothing in it can be
// spared, and nothing is chosen only where all candidates together do not suffice.
func TestVictimsAreNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frees := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 8).Draw(t, "frees")
		need := rapid.IntRange(1, 12).Draw(t, "need")
		candidates := make([]Candidate, len(frees))
		for i := range candidates {
			if i > 0 && rapid.Bool().Draw(t, "requires") {
				candidates[i].Requires = []int{rapid.IntRange(0, i-1).Draw(t, "which")}
			}
		}
		room := func(gone []bool) int {
			sum := 0
			for i, g := range gone {
				if g {
					sum += frees[i]
				}
			}
			return sum
		}
		victims, err := Victims(candidates, 1000, func(gone []bool) (bool, error) { return room(gone) >= need, nil })
		if err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, f := range frees {
			all += f
		}
		if (len(victims) > 0) != (all >= need) {
			t.Fatalf("victims %v of %v for %d", victims, frees, need)
		}
		gone := make([]bool, len(frees))
		for _, v := range victims {
			gone[v] = true
		}
		for _, v := range victims {
			for _, r := range candidates[v].Requires {
				if !gone[r] {
					t.Fatalf("victim %d goes without %d", v, r)
				}
			}
			if required(candidates, gone, v) {
				continue
			}
			gone[v] = false
			if room(gone) >= need {
				t.Fatalf("victim %d of %v could be spared", v, victims)
			}
			gone[v] = true
		}
	})
}

func TestVictimsStopsWhenTriesAreSpent(t *testing.T) {
	asked := 0
	victims, err := Victims(make([]Candidate, 1000), 20, func(gone []bool) (bool, error) {
		asked++
		return !slices.Contains(gone, false), nil
	})
	if err != nil || victims != nil || asked > 20 {
		t.Errorf("asked %d times, chose %d victims (%v): want none within 20", asked, len(victims), err)
	}
}
