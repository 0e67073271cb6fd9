package topology

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Equal members cross from one domain into the next as seldom as the nodes that were chosen allow, at every level: once
// for each further domain.
func TestRanksFollowTheTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInstance(t, 10, 12)
		in.r.Trees, in.r.Units = in.r.Trees[:1], nil
		for i := range in.r.Members {
			in.r.Members[i] = Member{Class: 0, Unit: -1}
		}
		in.p.Classes = in.p.Classes[:1]
		in.p.Classes[0].Count = len(in.r.Members)
		in.p.Need.Role = nil
		a, err := Plan(in.p, in.r, nil)
		if err != nil || a.Result != gang.Placed {
			return
		}
		order := make([]int, len(in.r.Members))
		for i := range order {
			order[i] = i
		}
		if in.r.Ranks != nil {
			slices.SortStableFunc(order, func(a, b int) int { return in.r.Ranks[a] - in.r.Ranks[b] })
		}
		var ring []int32
		for _, member := range order {
			if a.At[member] >= 0 {
				ring = append(ring, a.At[member])
			}
		}
		tree := in.r.Trees[0]
		for level := range tree.domains {
			crossings, seen := 0, map[int32]bool{}
			for i, node := range ring {
				d := tree.Domain(level, node)
				if d < 0 {
					return // nodes in no domain have no place in the tree at this level
				}
				if i > 0 && d != tree.Domain(level, ring[i-1]) {
					crossings++
				}
				seen[d] = true
			}
			if crossings > max(0, len(seen)-1) {
				t.Fatalf("%d crossings between %d domains of level %d: %v", crossings, len(seen), level, ring)
			}
		}
	})
}

// Segments that are alike are laid out in the order of their ranks, whichever was placed first.
func TestSegmentsFollowTheTree(t *testing.T) {
	tree := racks(1, 1, 1, 1)
	p := equal(8, 5, 2, 4, 3)
	r := &Request{Trees: []*Tree{tree}, Needed: 8}
	for i := range 4 {
		r.Units = append(r.Units, Unit{Want: Want{Required: "rack"}})
		r.Members = append(r.Members, Member{Unit: i}, Member{Unit: i})
	}
	a := mustPlan(t, p, r)
	if a.Result != gang.Placed || !slices.IsSorted(a.At) {
		t.Errorf("%+v, want segments in the order of the racks", a)
	}
	r.Ranks = []int{7, 6, 5, 4, 3, 2, 1, 0}
	if a = mustPlan(t, p, r); !slices.IsSortedFunc(a.At, func(a, b int32) int { return int(b - a) }) {
		t.Errorf("%+v, want the opposite order with opposite ranks", a)
	}
}
