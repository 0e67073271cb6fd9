package reservation

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

func TestSpare(t *testing.T) {
	gpus := resource.NewTable("gpu")
	hold := func(start, end time.Time, amount int64) Hold {
		return Hold{Start: start, End: end, Amount: map[string]resource.Amounts{"a": {"gpu": amount, "fpga": 1}, "gone": {"gpu": 8}}}
	}
	never := time.Time{}
	for name, test := range map[string]struct {
		uses  []Use
		holds []Hold
		until time.Time
		want  int64
	}{
		"nothing there":                      {nil, nil, never, 8},
		"ends before the hold starts":        {nil, []Hold{hold(after(10), never, 6)}, after(10), 8},
		"ends after it starts":               {nil, []Hold{hold(after(10), never, 6)}, after(11), 2},
		"runs for ever":                      {nil, []Hold{hold(after(10), after(20), 6)}, never, 2},
		"what ends first does no harm":       {[]Use{{Amount: resource.Vector{4}, Until: after(10)}}, []Hold{hold(after(10), never, 4)}, never, 4},
		"what ends later takes away":         {[]Use{{Amount: resource.Vector{4}, Until: after(12)}}, []Hold{hold(after(10), never, 4)}, never, 0},
		"a hold that can not be kept":        {[]Use{{Amount: resource.Vector{4}}}, []Hold{hold(after(10), never, 8)}, never, -4},
		"a start that nobody knows":          {nil, []Hold{hold(never, after(5), 6)}, after(3), 2},
		"a start that has passed":            {nil, []Hold{hold(after(-7), never, 6)}, after(1), 2},
		"an end that has passed too":         {nil, []Hold{hold(after(-7), after(-2), 6)}, after(1), 2},
		"two holds, one after the other":     {nil, []Hold{hold(after(5), after(10), 6), hold(after(10), after(15), 7)}, never, 1},
		"two holds side by side":             {nil, []Hold{hold(after(5), after(10), 3), hold(after(8), after(15), 3)}, never, 2},
		"a pod that should have ended":       {[]Use{{Amount: resource.Vector{5}, Until: after(-3)}}, nil, after(9), 3},
		"a pod that ends right now":          {nil, []Hold{hold(never, never, 8)}, noon, 0},
		"overcommitted":                      {[]Use{{Amount: resource.Vector{9}}}, nil, after(9), -1},
		"absurd amounts":                     {[]Use{{Amount: resource.Vector{math.MaxInt64}}}, []Hold{hold(never, never, math.MaxInt64)}, never, math.MinInt64},
		"a hold can not give":                {nil, []Hold{hold(never, never, -5)}, never, 8},
		"an end that is not after its start": {nil, []Hold{hold(after(10), after(10), 6)}, never, 2},
	} {
		t.Run(name, func(t *testing.T) {
			node := Node{Name: "a", Allocatable: resource.Vector{8}, Uses: test.uses}
			if got := Spare(gpus, node, test.holds, noon, test.until); got[0] != test.want {
				t.Errorf("%d, want %d", got[0], test.want)
			}
		})
	}
}

// Spare is the least room in any minute until the end.
func TestSpareAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, rapid.IntRange(0, 4).Draw(t, "holds"))
		to := rapid.IntRange(1, horizon).Draw(t, "until")
		until := after(to)
		if to == horizon {
			until = time.Time{}
		}
		for i, node := range p.Nodes {
			if diff := cmp.Diff(oracleSpare(p, i, 0, to), Spare(p.Table, node, p.Holds, p.Now, until)); diff != "" {
				t.Fatalf("node %s until %v (-oracle +Spare):\n%s", node.Name, until, diff)
			}
		}
	})
}
