package gang

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// On small instances there is a plan exactly when trying everything finds one, and it has as many members as possible.
func TestPlanIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 4, 10)
		o, err := Plan(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkOutcome(t, p, o, nil, mostByTrying(p))
	})
}

func TestPlanInSpaceIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 4, 5)
		newRules := drawRules(t, p)
		space := newRules()
		o, err := Plan(p, space)
		if err != nil {
			t.Fatal(err)
		}
		if len(space.log) > 0 {
			t.Fatalf("%d placements were not taken back", len(space.log))
		}
		checkOutcome(t, p, o, newRules(), mostInSpace(p, newRules))
	})
}

func checkOutcome(t *rapid.T, p Problem, o Outcome, r *rules, most int) {
	t.Helper()
	switch o.Result {
	case Placed:
		if wrong := unsound(p, o, r); wrong != "" {
			t.Fatalf("the plan %+v is not sound: %s", o, wrong)
		}
		if o.Total() != most && !p.Need.Met() {
			t.Fatalf("the plan has %d members, %d are possible: %+v", o.Total(), most, o)
		}
	case Impossible:
		if most >= 0 {
			t.Fatalf("said to be impossible, but %d members can be placed: %+v", most, o)
		}
		if o.Runs != nil {
			t.Fatalf("no plan, but runs: %+v", o)
		}
	default:
		t.Fatalf("result %v on a small instance", o.Result)
	}
}

func TestPlanIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 8, 12)
		p.Budget = rapid.IntRange(1, 1<<10).Draw(t, "budget")
		newRules := drawRules(t, p)
		var first [2]Outcome
		for try := range 3 {
			plain, err := Plan(p, nil)
			if err != nil {
				t.Fatal(err)
			}
			simulated, err := Plan(p, newRules())
			if err != nil {
				t.Fatal(err)
			}
			if try == 0 {
				first = [2]Outcome{plain, simulated}
			}
			if diff := cmp.Diff(first, [2]Outcome{plain, simulated}); diff != "" {
				t.Fatalf("the same question, another answer: %s", diff)
			}
		}
	})
}
