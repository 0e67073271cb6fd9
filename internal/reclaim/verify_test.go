package reclaim

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// inOneRack agrees to what fits into nodes 0 and 1, or 2 and 3.
func inOneRack(p Problem) func([]int) (bool, error) {
	return func(gone []int) (bool, error) {
		for _, rack := range [][]int32{{0, 1}, {2, 3}} {
			room := roomWithout(p, gone)
			room.Classes = slices.Clone(room.Classes)
			room.Classes[0].Nodes = rack
			if outcome, err := gang.Plan(room, nil); err != nil || outcome.Result == gang.Placed {
				return err == nil, err
			}
		}
		return false, nil
	}
}

func TestVerifyRefusesWhatArithmeticAllows(t *testing.T) {
	p := cluster(4, 8).queue("q", "", 0).run(job{name: "low", queue: "q", minimum: 4, gpus: 4, at: []int32{0, 1, 2, 3}}).asks("q", 9, 3, 5)
	p.Verify = inOneRack(p)
	d, err := Decide(p)
	if err != nil || d.Result != gang.Impossible || len(d.Victims) > 0 || !strings.Contains(d.Why, "would not be allowed on these nodes together") {
		t.Errorf("%v, victims %v, error %v: %s", d.Result, d.Victims, err, d.Why)
	}
}

func TestVerifyDecidesWhereVictimsAre(t *testing.T) {
	w := cluster(4, 8).queue("q", "", 0).run(job{queue: "q", gpus: 1, at: []int32{0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3}, fixed: true})
	w.run(job{name: "low", queue: "q", minimum: 1, gpus: 1, at: []int32{0, 0, 1, 1, 2, 2, 3}})
	p := w.asks("q", 9, 2, 5)
	if d, err := Decide(p); err != nil || len(d.Victims) != 2 {
		t.Fatalf("victims %v, error %v: want one pod of node 0 and one of node 3", d.Victims, err)
	}
	p.Verify = inOneRack(p)
	d, err := Decide(p)
	if err != nil || d.Result != gang.Placed {
		t.Fatalf("%v, error %v: %s", d.Result, err, d.Why)
	}
	if wrong := newOracle(p).wrong(d); wrong != "" {
		t.Error(wrong)
	}
	if len(d.Victims) != 3 {
		t.Errorf("victims %v, want three of one rack", d.Victims)
	}
}

func TestVerifyFails(t *testing.T) {
	p := full(50).asks("a", 0, 8, 8)
	broken := errors.New("the snapshot is gone")
	for fails := 1; fails <= 20; fails++ {
		calls := 0
		p.Verify = func(gone []int) (bool, error) {
			if calls++; calls == fails {
				return false, broken
			}
			return len(gone) > 100, nil
		}
		if d, err := Decide(p); !errors.Is(err, broken) || d.Result == gang.Placed && len(d.Victims) > 0 {
			t.Fatalf("error %v, victims %v, when call %d fails", err, d.Victims, fails)
		}
	}
}

// Whatever Verify says, it is not asked more often than the budget allows, and nothing is evicted that was not found to be
// needed within it.
func TestVerifyStopsWhenTheBudgetIsSpent(t *testing.T) {
	p := full(50).asks("a", 0, 8, 8)
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 40).Draw(t, "calls")
		enough := rapid.IntRange(1, 500).Draw(t, "enough")
		p.Budget = limit * VerifySteps
		calls := 0
		p.Verify = func(gone []int) (bool, error) {
			calls++
			return len(gone) >= enough, nil
		}
		d, err := Decide(p)
		if err != nil {
			t.Fatal(err)
		}
		if calls > limit+3 {
			t.Fatalf("%d calls with a budget for %d", calls, limit)
		}
		if d.Result == gang.Placed && len(d.Victims) != max(enough, 64) || d.Result == gang.Impossible && enough <= 400 {
			t.Fatalf("%v with %d victims where %d are enough: %s", d.Result, len(d.Victims), enough, d.Why)
		}
	})
}

// The planner has the last word for a gang of two roles: nodes with room for a chief and workers side by side.
func TestRolesArePlannedTogether(t *testing.T) {
	p := eachNode(cluster(3, 8).queue("a", "", 24).queue("b", "", 0), func(w *world, node int32) {
		for i := range 4 {
			w.run(job{name: string(rune('a' + int(node)*4 + i)), queue: "b", minimum: 1, gpus: 2, at: []int32{node}})
		}
	}).asks("a", 0, 3, 3)
	p.Gang.Classes[0].Count = 5 // two of them are not needed
	p.Gang.Classes = append(p.Gang.Classes, gang.Class{Role: "chief", Count: 1, Request: resource.Vector{5}, Nodes: []int32{0, 1, 2}})
	p.Gang.Need = gang.Need{Total: 4, Role: map[string]int{"worker": 3, "chief": 1}}
	p.Asked = resource.Amounts{gpu: 3*3 + 5}
	d, err := Decide(p)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := newOracle(p).wrong(d); wrong != "" {
		t.Error(wrong)
	}
	if len(d.Victims) != 7 {
		t.Errorf("%d victims, want 7 of 2 GPUs for 14 asked: %s", len(d.Victims), d.Why)
	}
}
