package reservation

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

var gpus = resource.NewTable("gpu")

// ask is the problem of placing count members of one GPU number each.
func ask(count int, gpu int64, runtime time.Duration, nodes ...Node) Problem {
	class := gang.Class{Count: count, Request: resource.Vector{gpu}}
	for i := range nodes {
		class.Nodes = append(class.Nodes, int32(i))
	}
	return Problem{
		Table: gpus, Nodes: nodes, Now: noon, Runtime: runtime,
		Gang: gang.Problem{Classes: []gang.Class{class}, Need: gang.Need{Total: count}},
	}
}

func node(name string, allocatable int64, uses ...Use) Node {
	return Node{Name: name, Allocatable: resource.Vector{allocatable}, Uses: uses}
}

// until is a use that ends; since one that does not.
func until(minute int, gpu int64) Use { return Use{Amount: resource.Vector{gpu}, Until: after(minute)} }
func since(minute int, gpu int64) Use { return Use{Amount: resource.Vector{gpu}, Since: after(minute)} }

func keep(from, to int, gpu int64, nodes ...string) Hold {
	hold := Hold{Start: after(from), End: after(to), Amount: map[string]resource.Amounts{}}
	for _, name := range nodes {
		hold.Amount[name] = resource.Amounts{"gpu": gpu}
	}
	return hold
}

func TestEarliest(t *testing.T) {
	const hour = time.Hour
	with := func(p Problem, holds ...Hold) Problem {
		p.Holds = holds
		return p
	}
	for name, test := range map[string]struct {
		p      Problem
		result gang.Result
		minute int // -1: unknown
		nodes  []string
	}{
		"fits now":             {ask(2, 8, hour, node("a", 8), node("b", 8)), gang.Placed, 0, []string{"a", "b"}},
		"waits for the second": {ask(2, 8, hour, node("a", 8, until(5, 1)), node("b", 8, until(9, 8)), node("c", 8, until(30, 1))), gang.Placed, 9, []string{"a", "b"}},
		"overdue":              {ask(1, 8, hour, node("a", 8, until(-5, 1))), gang.Placed, 1, []string{"a"}},
		"overcommitted":        {ask(1, 1, hour, node("a", 8, until(5, 8), until(7, 8))), gang.Placed, 7, []string{"a"}},
		"never fits":           {ask(2, 8, hour, node("a", 8), node("b", 7)), gang.Impossible, -1, nil},
		"before a hold":        {with(ask(1, 8, 10*time.Minute, node("a", 8)), keep(10, 20, 8, "a")), gang.Placed, 0, []string{"a"}},
		"too long, so after it": {
			with(ask(1, 8, 11*time.Minute, node("a", 8)), keep(10, 20, 8, "a")), gang.Placed, 20, []string{"a"}},
		"beside it":               {with(ask(1, 2, hour, node("a", 8)), keep(10, 20, 6, "a")), gang.Placed, 0, []string{"a"}},
		"between two":             {with(ask(1, 8, 5*time.Minute, node("a", 8, until(3, 1))), keep(2, 4, 7, "a"), keep(9, 20, 8, "a")), gang.Placed, 4, []string{"a"}},
		"for ever, so after both": {with(ask(1, 8, 0, node("a", 8, until(3, 1))), keep(2, 4, 7, "a"), keep(9, 20, 8, "a")), gang.Placed, 20, []string{"a"}},
		"a hold that is late":     {with(ask(1, 8, hour, node("a", 8)), keep(-30, -10, 8, "a")), gang.Placed, 20, []string{"a"}},
		"a hold on nodes that are gone": {
			with(ask(1, 8, hour, node("a", 8)), keep(0, 20, 8, "gone")), gang.Placed, 0, []string{"a"}},
		"behind a hold for ever": {with(ask(1, 8, hour, node("a", 8)), keep(5, 5, 8, "a")), gang.Placed, -1, nil},
		"fewest have to go":      {ask(1, 4, hour, node("a", 4, since(-9, 2), since(-9, 2)), node("b", 4, since(-1, 4))), gang.Placed, -1, []string{"b"}},
		"the oldest has to go":   {ask(1, 4, hour, node("a", 4, since(-5, 4)), node("b", 4, since(-8, 1)), node("c", 4, since(-6, 2))), gang.Placed, -1, []string{"b"}},
		"of which the start is unknown comes last": {
			ask(1, 4, hour, node("a", 4, Use{Amount: resource.Vector{1}}), node("b", 4, since(-8, 1))), gang.Placed, -1, []string{"b"}},
		"nobody has to go where there is room": {
			ask(2, 4, hour, node("a", 4, since(-9, 4)), node("b", 4, since(-8, 4)), node("c", 4, until(9, 1))), gang.Placed, -1, []string{"a", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			start, err := Earliest(test.p)
			if err != nil {
				t.Fatal(err)
			}
			var nodes []string
			for _, run := range start.Runs {
				nodes = append(nodes, test.p.Nodes[run.Node].Name)
			}
			slices.Sort(nodes)
			known := test.minute >= 0
			if start.Result != test.result || start.Known != known || known && !start.At.Equal(after(test.minute)) || !slices.Equal(nodes, test.nodes) {
				t.Errorf("%+v on %v, want %+v", start, nodes, test)
			}
		})
	}
}

// Members beyond what is needed are not waited for, and nothing is kept for them.
func TestEarliestTakesWhatIsNeeded(t *testing.T) {
	p := ask(0, 0, time.Hour, node("a", 8, until(5, 4)))
	p.Gang.Classes = []gang.Class{
		{Role: "ps", Count: 3, Request: resource.Vector{1}, Nodes: []int32{0}},
		{Role: "worker", Count: 9, Request: resource.Vector{2}, Nodes: []int32{0}},
	}
	p.Gang.Need = gang.Need{Total: 3, Role: map[string]int{"ps": 1, "worker": 1}}
	start, err := Earliest(p)
	if err != nil || !start.At.Equal(noon) {
		t.Fatalf("%+v, %v", start, err)
	}
	if held := p.Hold(Hold{Gang: "g"}, start).Amount["a"]["gpu"]; held > 4 {
		t.Errorf("%d GPUs held, 4 are free", held)
	}
	p.Gang.Need = gang.Need{}
	if start, err = Earliest(p); err != nil || !start.At.Equal(noon) || len(start.Runs) > 0 {
		t.Errorf("who needs nothing starts at once: %+v, %v", start, err)
	}
}

// Beyond 31 stretches of time only the last is looked at. As time goes by the gap in between comes into sight.
func TestEarliestBeyondTheBound(t *testing.T) {
	p := ask(1, 8, 2*time.Minute, node("a", 8))
	for minute := 1; minute < 60; minute++ {
		if minute < 50 || minute > 51 {
			p.Holds = append(p.Holds, keep(minute, minute+1, 8, "a"))
		}
	}
	for _, test := range []struct{ now, want int }{{0, 60}, {15, 60}, {30, 50}} {
		t.Run(fmt.Sprint("minute ", test.now), func(t *testing.T) {
			p.Now = after(test.now)
			p.Holds = slices.DeleteFunc(p.Holds, func(h Hold) bool { return !h.End.After(p.Now) })
			start, err := Earliest(p)
			if err != nil || !start.At.Equal(after(test.want)) {
				t.Errorf("%+v, %v; want minute %d", start, err, test.want)
			}
		})
	}
}
