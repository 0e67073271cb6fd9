package topology

import (
	"slices"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Four racks of one node with two GPUs cannot hold a gang of four in one rack, though together they have eight.
func TestRequiredRackFragmented(t *testing.T) {
	r := &Request{Trees: []*Tree{racks(1, 1, 1, 1)}, Gang: Want{Required: "rack"}}
	a := mustPlan(t, equal(4, 2, 2, 2, 2), r)
	if a.Result != gang.Impossible || a.At != nil {
		t.Fatalf("%+v, want it to be impossible", a)
	}
	if len(a.Domains) == 0 || a.Domains[0].String() != "rack r1 can take 2 of 4" {
		t.Errorf("said %v, want that rack r1 can take 2 of 4", a.Domains)
	}
	if a.Total() != 2 {
		t.Errorf("the best attempt has %d members, want 2", a.Total())
	}
}

// Of two racks that both do, the gang goes where less is left.
func TestRequiredRackInUse(t *testing.T) {
	r := &Request{Trees: []*Tree{racks(1, 1)}, Gang: Want{Required: "rack"}}
	for _, free := range [][]int64{{2, 3}, {3, 2}} {
		a := mustPlan(t, equal(2, free...), r)
		if want := int32(slices.Index(free, 2)); a.Result != gang.Placed || !slices.Equal(a.At, []int32{want, want}) {
			t.Errorf("%v free: %+v, want both on node %d", free, a, want)
		}
	}
}
