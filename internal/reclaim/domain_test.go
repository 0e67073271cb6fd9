package reclaim

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// With domains too, compared with going through all sets of units and all places for the members: victims are found exactly when
// there are some, each may be taken in its turn, none can be spared, and the claimant fits afterwards where it asks to be.
func TestDecideIsExactWithDomains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 5 {
			p := randomProblem(t)
			randomLayout(t, &p)
			p.Budget = 1 << 24
			check(t, p)
		}
	})
}

func TestDecideIsExactWithDomainsAndRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 5 {
			p := randomProblem(t)
			randomLayout(t, &p)
			p.MaxRatio = rapid.SampledFrom([]float64{0.5, 1, 1.5, 2, 3}).Draw(t, "ratio")
			p.Budget = 1 << 24
			check(t, p)
		}
	})
}

func TestDecideIsExactWithDomainsAndVerify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomProblem(t)
		randomLayout(t, &p)
		clauses := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 7), 1, 4), 0, 3).Draw(t, "clauses")
		p.Verify = func(gone []int) (bool, error) {
			for _, clause := range clauses {
				if !slices.ContainsFunc(clause, func(u int) bool { return slices.Contains(gone, u) }) {
					return false, nil
				}
			}
			return true, nil
		}
		p.Budget = 1 << 24
		check(t, p)
	})
}
