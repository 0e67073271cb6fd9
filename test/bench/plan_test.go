package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/topology"
)

func TestPlanGang(t *testing.T) {
	w, err := named("PLAN/5")
	if err != nil {
		t.Fatal(err)
	}
	r := measure(t.Context(), w, "muster", 1, 1, time.Minute)
	if !r.complete || r.broken {
		t.Fatalf("complete %v, broken %v: %s", r.complete, r.broken, r.note)
	}
	for _, m := range metrics {
		if _, measured := r.values[m.name]; measured != strings.HasPrefix(m.name, "plan_") {
			t.Errorf("%s: measured %v", m.name, measured)
		}
	}
	if got := r.values["plan_idle_racks"]; got != 1 { // 102 pods, 20 nodes of 8 GPUs in a rack
		t.Errorf("%v racks on the idle cluster, want 1", got)
	}
}

// TestCheckPlan spoils a right answer in every way that the check is to find.
func TestCheckPlan(t *testing.T) {
	w, err := named("PLAN/5")
	if err != nil {
		t.Fatal(err)
	}
	w.size = 300 // more than a rack has room for
	f := emptyFloor(w).fragment(1)
	right, _, _, err := f.plan(w)
	if err != nil {
		t.Fatal(err)
	}
	if racks, err := f.check(w, right, true); err != nil || racks < 2 {
		t.Fatalf("%d racks, %v; want several, so that the order in them matters", racks, err)
	}
	if _, err := f.check(w, right, false); err == nil {
		t.Error("an answer passed where there is no room")
	}
	last := len(right.At) - 1
	for want, spoil := range map[string]func(*topology.Answer){
		"though there is room": func(a *topology.Answer) { a.At = a.At[:last] },
		"has no node":          func(a *topology.Answer) { a.At[3] = -1 },
		"free GPUs":            func(a *topology.Answer) { copy(a.At, slices.Repeat(a.At[:1], 9)) },
		"blocks":               func(a *topology.Answer) { a.At[0] = f.free(func(i int) bool { return i/500 != int(a.At[0])/500 }) },
		"suffice":              func(a *topology.Answer) { a.At[0] = f.free(f.unusedRack(*a)) },
		"neighbours":           func(a *topology.Answer) { a.At[0], a.At[last] = a.At[last], a.At[0] },
	} {
		spoiled := right
		spoiled.At = slices.Clone(right.At)
		spoil(&spoiled)
		if _, err := f.check(w, spoiled, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// free is the first node with a free GPU of which something holds.
func (f *floor) free(holds func(node int) bool) int32 {
	for i, n := range f.nodes {
		if n.Free[1] > 0 && holds(i) {
			return int32(i)
		}
	}
	return -1
}

// unusedRack tells the nodes in the block of an answer whose racks it leaves alone.
func (f *floor) unusedRack(a topology.Answer) func(node int) bool {
	return func(node int) bool {
		used := func(at int32) bool { return int(at)/20 == node/20 }
		return node/500 == int(a.At[0])/500 && !slices.ContainsFunc(a.At, used)
	}
}
