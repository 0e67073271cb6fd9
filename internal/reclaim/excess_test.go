package reclaim

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

func TestExcess(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	gpus := func(gang string, n, lost int64, rest bool) Unit {
		return Unit{Gang: gang, Rest: rest, Queue: "q", Usage: resource.Amounts{"gpu": n, "pods": 1}, Lost: lost, Started: start}
	}
	for _, test := range []struct {
		name  string
		limit int64
		units []Unit
		want  []int
	}{
		{"within the limit", 8, []Unit{gpus("a", 4, 0, true), gpus("b", 4, 0, true)}, nil},
		{"the least lost work", 4, []Unit{gpus("a", 4, 900, true), gpus("b", 4, 100, true)}, []int{1}},
		{"members beyond a minimum first", 6, []Unit{gpus("a", 2, 900, false), gpus("a", 2, 900, true), gpus("b", 4, 0, true)}, []int{0}},
		{"the rest takes them along", 0, []Unit{gpus("a", 2, 0, false), gpus("a", 2, 0, true)}, []int{0, 1}},
		{"nobody who can be spared", 3, []Unit{gpus("a", 1, 0, true), gpus("b", 4, 100, true)}, []int{1}},
		{"all there is", 0, []Unit{gpus("a", 1, 0, true)}, []int{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			books := ledger.New()
			books.SetQueue(ledger.Queue{Name: "q", Weight: 1, Limit: resource.Amounts{"gpu": test.limit}})
			for _, unit := range test.units {
				books.Charge("q", unit.Usage, false)
			}
			got := Excess("q", test.units, books)
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("chose %v, want %v", got, test.want)
			}
		})
	}
}

// With the chosen gone the queue is within its limit, if that is possible at all, and nobody among them can be spared.
func TestExcessIsEnoughAndNotMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		books := ledger.New()
		limit := resource.Amounts{"gpu": rapid.Int64Range(0, 12).Draw(t, "limit")}
		books.SetQueue(ledger.Queue{Name: "q", Weight: 1, Limit: limit})
		var units []Unit
		for g := range rapid.IntRange(0, 5).Draw(t, "gangs") {
			gang := string(rune('a' + g))
			for range rapid.IntRange(0, 2).Draw(t, "surplus") {
				units = append(units, Unit{Gang: gang, Usage: resource.Amounts{"gpu": rapid.Int64Range(0, 3).Draw(t, "gpus")}})
			}
			units = append(units, Unit{Gang: gang, Rest: true, Usage: resource.Amounts{"gpu": rapid.Int64Range(0, 6).Draw(t, "gpus")}})
		}
		for _, unit := range units {
			books.Charge("q", unit.Usage, false)
		}
		chosen := Excess("q", units, books)
		left := func(gone []int) int64 {
			used := books.Usage("q")["gpu"]
			for _, u := range gone {
				used -= units[u].Usage["gpu"]
			}
			return used
		}
		if left(chosen) > limit["gpu"] {
			t.Fatalf("%d are in use after evicting %v, the limit is %d", left(chosen), chosen, limit["gpu"])
		}
		for _, u := range chosen {
			needed := slices.ContainsFunc(chosen, func(other int) bool { return other != u && units[other].Rest && units[other].Gang == units[u].Gang })
			without := slices.DeleteFunc(slices.Clone(chosen), func(other int) bool { return other == u })
			if !needed && left(without) <= limit["gpu"] {
				t.Fatalf("unit %d of %v could be spared", u, chosen)
			}
		}
	})
}
