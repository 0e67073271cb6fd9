package ledger

import (
	"fmt"
	"maps"
	"math"
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

func TestFairShare(t *testing.T) {
	l := ledgerOf(
		Queue{Name: "research", Weight: 3, Guarantee: gpus(32)},
		Queue{Name: "production", Weight: 1, Guarantee: gpus(16), Limit: gpus(18)},
		Queue{Name: "team-a", Parent: "research", Guarantee: gpus(16), Weight: 2},
		Queue{Name: "team-b", Parent: "research"},
		Queue{Name: "orphan", Parent: "nowhere"},
	)
	l.SetQueue(Queue{Name: Default})
	l.SetQueue(Queue{Name: "rest", Parent: "research"})
	l.SetCapacity(resource.Amounts{"nvidia.com/gpu": 64, "cpu": 4000})
	for queue, want := range map[string]resource.Amounts{
		"production": {"nvidia.com/gpu": 18, "cpu": 1000}, // 16 + 4, but for the limit
		"research":   {"nvidia.com/gpu": 46, "cpu": 3000},
		"team-a":     {"nvidia.com/gpu": 36, "cpu": 2000}, // 16 + 2/3 of 30
		"team-b":     {"nvidia.com/gpu": 10, "cpu": 1000},
		"rest":       {},
		Default:      {},
		"orphan":     {},
		"nobody":     {},
	} {
		if got := l.FairShare(queue); !maps.Equal(got, want) {
			t.Errorf("the fair share of %s is %v, want %v", queue, got, want)
		}
	}
	l.SetQueue(Queue{Name: "production", Guarantee: gpus(16), Limit: gpus(4)})
	if got := l.FairShare("production")["nvidia.com/gpu"]; got != 4 {
		t.Errorf("the fair share of production is %d, above its limit of 4", got)
	}
	l.SetQueue(Queue{Name: "production", Weight: 1, Guarantee: gpus(16)})
	l.SetCapacity(gpus(24)) // half of what is guaranteed
	for queue, want := range map[string]int64{"production": 8, "research": 16, "team-a": 16, "team-b": 0} {
		if got := l.FairShare(queue)["nvidia.com/gpu"]; got != want {
			t.Errorf("in the small cluster the fair share of %s is %d, want %d", queue, got, want)
		}
	}
}

// TestSplit checks what makes a split fair, for amounts and weights of any size.
func TestSplit(t *testing.T) {
	amount := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, math.MaxInt64), rapid.Just(int64(math.MaxInt64)))
	rapid.Check(t, func(t *rapid.T) {
		total := amount.Draw(t, "total")
		claims := make([]claim, rapid.IntRange(1, 6).Draw(t, "claims"))
		var guaranteed, limits int64
		weighted := false
		for i := range claims {
			limit := amount.Draw(t, fmt.Sprint("limit ", i))
			claims[i] = claim{limit: limit, guarantee: min(amount.Draw(t, fmt.Sprint("guarantee ", i)), limit),
				weight: rapid.Int64Range(0, 1000000).Draw(t, fmt.Sprint("weight ", i))}
			guaranteed = resource.Sum(guaranteed, claims[i].guarantee)
			if claims[i].weight > 0 {
				limits, weighted = resource.Sum(limits, claims[i].limit), true
			} else {
				limits = resource.Sum(limits, claims[i].guarantee)
			}
		}
		shares := split(total, claims)
		var all int64
		for i, share := range shares {
			all = resource.Sum(all, share)
			if share > claims[i].limit {
				t.Fatalf("share %d is %d, above its limit", i, share)
			}
			if guaranteed <= total && share < claims[i].guarantee {
				t.Fatalf("share %d is %d, below its guarantee", i, share)
			}
		}
		switch {
		case guaranteed > total || weighted && limits >= total:
			if all != total {
				t.Fatalf("%v of %v add up to %d, not to %d", shares, claims, all, total)
			}
		case all > total || all < min(limits, total):
			t.Fatalf("%v of %v add up to %d of %d", shares, claims, all, total)
		}
		if guaranteed <= total {
			checkProportions(t, claims, shares)
		}
	})
}

// checkProportions: of two that did not reach their limits, what each got above its guarantee is as its weight, within a unit.
func checkProportions(t *rapid.T, claims []claim, shares []int64) {
	for i, a := range claims {
		for j, b := range claims {
			if shares[i] >= a.limit-1 || shares[j] >= b.limit-1 || a.weight == 0 || b.weight == 0 {
				continue
			}
			partA, partB := uint64(shares[i]-a.guarantee), uint64(shares[j]-b.guarantee)
			leftHigh, leftLow := bits.Mul64(partA, uint64(b.weight))
			rightHigh, rightLow := bits.Mul64(partB+1, uint64(a.weight)) // at most a unit less than due
			slack, carry := bits.Add64(rightLow, uint64(b.weight), 0)    // at most a unit more
			if leftHigh > rightHigh+carry || leftHigh == rightHigh+carry && leftLow > slack {
				t.Fatalf("%d and %d get %d and %d above their guarantees, for weights %d and %d", i, j, partA, partB, a.weight, b.weight)
			}
		}
	}
}
