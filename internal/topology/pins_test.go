package topology

import (
	"fmt"
	"slices"
	"testing"

	"github.com/muster-scheduling/muster/internal/gang"
)

// threeLevels are two zones of two blocks of two racks of two nodes: nodes 0 and 1 are in z1/b1/r1, 14 and 15 in z2/b2/r2.
func threeLevels() *Tree {
	levels := []Level{{"zone", "zone"}, block, rack}
	var labels []map[string]string
	for node := range 16 {
		labels = append(labels, place(levels, fmt.Sprintf("z%d", node/8+1), fmt.Sprintf("b%d", node/4%2+1), fmt.Sprintf("r%d", node/2%2+1)))
	}
	return New("default", levels, labels)
}

// sixteen is a gang on 16 nodes of 2 GPUs each.
func sixteen(members int) gang.Problem { return equal(members, slices.Repeat([]int64{2}, 16)...) }

// A member that runs decides on the domain of the others, at whichever level one domain is required.
func TestMembersThatRunDecide(t *testing.T) {
	for _, test := range []struct {
		name    string
		w       Want
		runs    []int32
		members int
		where   string // empty: there is no room
	}{
		{"rack", Want{Required: "rack"}, []int32{10}, 3, "rack z2/b1/r2"},
		{"rack is full", Want{Required: "rack"}, []int32{10}, 5, ""},
		{"two in one rack", Want{Required: "rack"}, []int32{10, 11}, 4, "rack z2/b1/r2"},
		{"block", Want{Required: "block"}, []int32{10}, 8, "block z2/b1"},
		{"block, two racks run", Want{Required: "block"}, []int32{8, 10}, 8, "block z2/b1"},
		{"zone", Want{Required: "zone"}, []int32{10}, 16, "zone z2"},
		{"zone is full", Want{Required: "zone"}, []int32{10}, 17, ""},
		{"prefers the rack", Want{Preferred: "rack"}, []int32{10}, 4, "rack z2/b1/r2"},
		{"prefers the rack, and its block", Want{Preferred: "rack"}, []int32{10}, 6, "block z2/b1"},
		{"prefers the rack, and its zone", Want{Preferred: "rack"}, []int32{10}, 12, "zone z2"},
		{"prefers the rack in its block", Want{Required: "block", Preferred: "rack"}, []int32{14}, 3, "rack z2/b2/r2"},
		{"a node that is gone", Want{Required: "rack"}, []int32{99, -1}, 4, "rack z1/b1/r1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := mustPlan(t, sixteen(test.members), &Request{Trees: []*Tree{threeLevels()}, Gang: test.w, Runs: test.runs})
			if a.Fault != "" || a.Where != test.where || (a.Result == gang.Placed) != (test.where != "") {
				t.Errorf("%+v, want all in %q", a, test.where)
			}
		})
	}
}

// Constraints at several levels at a time: the gang in a block, its roles in racks of their own.
func TestUnitsInDomains(t *testing.T) {
	unit := func(name string, w Want, runs ...int32) Unit { return Unit{Name: name, Want: w, Runs: runs} }
	four := func(units ...int) (members []Member) {
		for _, u := range units {
			members = append(members, Member{Unit: u}, Member{Unit: u}, Member{Unit: u}, Member{Unit: u})
		}
		return members
	}
	tree := threeLevels()
	for _, test := range []struct {
		name    string
		r       Request
		where   string
		refused string // the first domain that is named
		fault   string
	}{
		{name: "two roles, a rack each, one block", where: "block z1/b1",
			r: Request{Gang: Want{Required: "block"}, Members: four(0, 1), Needed: 8, Units: []Unit{unit("a", Want{Required: "rack"}), unit("b", Want{Required: "rack"})}}},
		{name: "one runs elsewhere", where: "block z2/b1",
			r: Request{Gang: Want{Required: "block"}, Members: four(0, 1), Needed: 8, Units: []Unit{unit("a", Want{Required: "rack"}), unit("b", Want{Required: "rack"}, 9)}}},
		{name: "one runs in another block", fault: "members of the gang run in block z1/b1 and in block z2/b1, but one block has to hold all members",
			r: Request{Gang: Want{Required: "block"}, Members: four(0, 1), Needed: 8, Units: []Unit{unit("a", Want{Required: "rack"}, 0), unit("b", Want{Required: "rack"}, 9)}}},
		{name: "three roles, two racks in a block", refused: "block z1/b1 can take 8 of 12",
			r: Request{Gang: Want{Required: "block"}, Members: four(0, 1, 2), Needed: 12, Units: []Unit{unit("a", Want{Required: "rack"}), unit("b", Want{Required: "rack"}), unit("c", Want{Required: "rack"})}}},
		{name: "a role that is too large for any rack", refused: "rack z1/b1/r1 can take 4 of 8 of a",
			r: Request{Members: four(0, 0), Needed: 8, Units: []Unit{unit("a", Want{Required: "rack"})}}},
		{name: "a role that prefers a rack", where: "block z1/b1",
			r: Request{Members: four(0, 0), Needed: 8, Units: []Unit{unit("a", Want{Preferred: "rack"})}}},
		{name: "segments prefer racks of one zone", where: "zone z1",
			r: Request{Gang: Want{Preferred: "zone"}, Members: four(0, 1, 2), Needed: 12, Units: []Unit{unit("a", Want{Required: "rack"}), unit("b", Want{Required: "rack"}), unit("c", Want{Required: "rack"})}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.r.Trees = []*Tree{tree}
			a := mustPlan(t, sixteen(len(test.r.Members)), &test.r)
			if a.Where != test.where || a.Fault != test.fault || (a.Result == gang.Placed) != (test.where != "") {
				t.Errorf("%+v, want it in %q, fault %q", a, test.where, test.fault)
			}
			if test.refused != "" && (len(a.Domains) == 0 || a.Domains[0].String() != test.refused) {
				t.Errorf("refused with %v, want %q", a.Domains, test.refused)
			}
		})
	}
}

// A gang that can do with less goes where all of it fits; if that is nowhere, where most of it does.
func TestElasticGangs(t *testing.T) {
	r := &Request{Trees: []*Tree{racks(1, 1, 1)}, Gang: Want{Required: "rack"}}
	for _, test := range []struct {
		free []int64
		want int32 // the node
		fit  int
	}{
		{[]int64{3, 9, 6}, 2, 6}, // all fit, and less is left than in the other rack
		{[]int64{3, 4, 5}, 2, 5}, // most
		{[]int64{3, 2, 2}, 0, 3},
		{[]int64{2, 2, 2}, -1, 2},
	} {
		p := equal(6, test.free...)
		p.Need.Total = 3
		a := mustPlan(t, p, r)
		if a.Total() != test.fit || (a.Result == gang.Placed) != (test.want >= 0) {
			t.Errorf("%v free: %+v, want %d members", test.free, a, test.fit)
			continue
		}
		if test.want >= 0 && (a.At[0] != test.want || a.At[test.fit-1] != test.want || test.fit < 6 && a.At[test.fit] != -1) {
			t.Errorf("%v free: members on %v, want the first %d on node %d", test.free, a.At, test.fit, test.want)
		}
	}
}

// Of segments that must start and segments that may, the first ones are placed.
func TestElasticSegments(t *testing.T) {
	r := &Request{Trees: []*Tree{racks(1, 1, 1)}, Needed: 4}
	for i := range 4 {
		r.Units = append(r.Units, Unit{Want: Want{Required: "rack"}})
		r.Members = append(r.Members, Member{Unit: i}, Member{Unit: i})
	}
	a := mustPlan(t, equal(8, 3, 1, 3), r)
	if a.Result != gang.Placed || a.Total() != 5 || !slices.Equal(a.At, []int32{0, 0, 2, 2, 1, -1, -1, -1}) && a.At[4] < 0 {
		t.Errorf("%+v, want the first five", a)
	}
}
