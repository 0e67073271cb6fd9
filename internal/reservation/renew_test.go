package reservation

import (
	"testing"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// renew renews a hold and fails where that goes wrong.
func renew(t *testing.T, p Problem, old Hold, behind ...Hold) (Hold, Start) {
	t.Helper()
	hold, start, err := Renew(p, old, behind)
	if err != nil {
		t.Fatal(err)
	}
	if hold.Gang != old.Gang || hold.Made.IsZero() {
		t.Fatalf("the hold lost its name or age: %+v", hold)
	}
	return hold, start
}

// A gang of one asks for a whole node of 8 GPUs, of which two free up at minutes 10 and 20. Its hold is on a from minute
// 10; then something happens.
func TestRenew(t *testing.T) {
	cluster := func(now int, nodes ...Node) Problem {
		p := ask(1, 8, time.Hour, nodes...)
		p.Now = after(now)
		return p
	}
	b := node("b", 8, until(20, 1))
	hold, _ := renew(t, cluster(0, node("a", 8, until(10, 1)), b), Hold{Gang: "g"})
	if !hold.Start.Equal(after(10)) || !hold.Made.Equal(noon) || !hold.End.Equal(after(70)) || hold.Amount["a"]["gpu"] != 8 {
		t.Fatalf("made as %+v", hold)
	}
	for name, test := range map[string]struct {
		p      Problem
		ahead  []Hold
		behind []Hold
		node   string
		start  int // of the hold
		due    int // as forecast; -1: unknown
	}{
		"nothing":                       {p: cluster(5, node("a", 8, until(10, 1)), b), node: "a", start: 10, due: 10},
		"an equal node":                 {p: cluster(5, node("0", 8, until(10, 1)), node("a", 8, until(10, 1)), b), node: "a", start: 10, due: 10},
		"an earlier node":               {p: cluster(5, node("a", 8, until(10, 1)), node("c", 8, until(9, 1))), node: "c", start: 9, due: 9},
		"an earlier node, held behind":  {p: cluster(5, node("a", 8, until(10, 1)), node("c", 8, until(9, 1))), behind: []Hold{keep(9, 19, 8, "c")}, node: "a", start: 10, due: 10},
		"an early end":                  {p: cluster(5, node("a", 8), b), node: "a", start: 5, due: 5},
		"an early end, held behind":     {p: cluster(5, node("a", 8), b), behind: []Hold{keep(7, 10, 8, "a")}, node: "a", start: 10, due: 10},
		"an early end elsewhere":        {p: cluster(5, node("a", 8, until(10, 1)), node("b", 8)), node: "b", start: 5, due: 5},
		"an overdue pod":                {p: cluster(12, node("a", 8, until(14, 1)), b), node: "a", start: 10, due: 14},
		"a pod overdue for long":        {p: cluster(19, node("a", 8, until(28, 1)), b), node: "a", start: 10, due: 28},
		"a pod overdue for too long":    {p: cluster(20, node("a", 8, until(30, 1)), node("b", 8, until(25, 1))), node: "b", start: 25, due: 25},
		"late, and only those behind":   {p: cluster(12, node("a", 8), node("b", 8, until(90, 1))), behind: []Hold{keep(20, 30, 8, "a")}, node: "a", start: 12, due: 12},
		"its node is gone":              {p: cluster(5, b), node: "b", start: 20, due: 20},
		"its node shrank":               {p: cluster(5, node("a", 7), b), node: "b", start: 20, due: 20},
		"an intruder for ever":          {p: cluster(5, node("a", 8, since(4, 1)), b), node: "b", start: 20, due: 20},
		"an intruder with an end":       {p: cluster(5, node("a", 8, until(15, 1)), b), node: "a", start: 10, due: 15},
		"one ahead takes its room":      {p: cluster(5, node("a", 8, until(10, 1)), b), ahead: []Hold{keep(12, 30, 1, "a")}, node: "b", start: 20, due: 20},
		"one ahead leaves its room":     {p: cluster(5, node("a", 8, until(10, 1)), b), ahead: []Hold{keep(6, 10, 8, "a")}, node: "a", start: 10, due: 10},
		"nothing has an end any more":   {p: cluster(5, node("a", 8, since(1, 1)), node("b", 8, since(1, 2))), node: "a", start: -1, due: -1},
		"the clock was set back":        {p: cluster(-90, node("a", 8, until(10, 1)), b), node: "a", start: 10, due: 10},
		"the clock was set far forward": {p: cluster(9000, node("a", 8, until(9001, 1)), b), node: "a", start: 9001, due: 9001},
	} {
		t.Run(name, func(t *testing.T) {
			test.p.Holds = test.ahead
			now, start := renew(t, test.p, hold, test.behind...)
			if test.start < 0 && !now.Start.IsZero() || test.start >= 0 && !now.Start.Equal(after(test.start)) || len(now.Amount) != 1 || now.Amount[test.node] == nil {
				t.Errorf("hold %+v, want it on %s from minute %d", now, test.node, test.start)
			}
			if start.Result != gang.Placed || start.Known != (test.due >= 0) || start.Known && !start.At.Equal(after(test.due)) {
				t.Errorf("forecast %+v, want minute %d", start, test.due)
			}
		})
	}
}

// A hold without a time stays on its nodes until there is a time, or the nodes are gone.
func TestRenewUnknown(t *testing.T) {
	a, b := node("a", 8, since(-9, 8)), node("b", 8, since(-5, 8))
	hold, start := renew(t, ask(1, 8, time.Hour, a, b), Hold{Gang: "g"})
	if start.Known || !hold.Start.IsZero() || !hold.End.IsZero() || hold.Amount["a"] == nil {
		t.Fatalf("made as %+v", hold)
	}
	if kept, start := renew(t, ask(1, 8, time.Hour, node("0", 8, since(-10, 8)), a, b), hold); start.Known || kept.Amount["a"] == nil {
		t.Errorf("moved to another node: %+v", kept)
	}
	if moved, start := renew(t, ask(1, 8, time.Hour, a, node("b", 8, until(30, 8))), hold); !start.Known || !moved.Start.Equal(after(30)) {
		t.Errorf("a time is known now: %+v", moved)
	}
	if moved, _ := renew(t, ask(1, 8, time.Hour, b), hold); moved.Amount["b"] == nil {
		t.Errorf("its node is gone: %+v", moved)
	}
}

// A gang that is not what it was when its hold was made gets another.
func TestRenewAnotherGang(t *testing.T) {
	a := node("a", 8, until(10, 4))
	hold, _ := renew(t, ask(1, 6, time.Hour, a), Hold{Gang: "g"})
	if grown, _ := renew(t, ask(1, 7, time.Hour, a), hold); grown.Amount["a"]["gpu"] != 7 {
		t.Errorf("asks for 7 and gets %+v", grown)
	}
	if longer, _ := renew(t, ask(1, 6, 2*time.Hour, a), hold); !longer.End.Equal(after(130)) {
		t.Errorf("runs for two hours and is held %+v", longer)
	}
	if empty, start := renew(t, ask(1, 9, time.Hour, a), hold); start.Result != gang.Impossible || len(empty.Amount) > 0 {
		t.Errorf("can not be placed: %+v, %+v", empty, start)
	}
	cordoned := ask(1, 6, time.Hour, a)
	cordoned.Gang.Classes[0].Nodes = nil
	if empty, start := renew(t, cordoned, hold); start.Result != gang.Impossible || len(empty.Amount) > 0 {
		t.Errorf("may not go anywhere: %+v, %+v", empty, start)
	}
}

// Two nodes, and an endless line of jobs that say one minute and take ten. A forecast that is made anew each minute lets
// them pass for ever: whenever one of the nodes is free the other is overdue. A hold that is renewed does not.
func TestOverrunsDoNotStarve(t *testing.T) {
	uses := [2]Use{}
	started, ends := [2]int{-7, -2}, [2]int{3, 8}
	hold := Hold{Gang: "g"}
	for minute := range 60 {
		p := ask(2, 8, time.Hour, node("a", 8), node("b", 8))
		p.Now = after(minute)
		for i := range p.Nodes {
			if minute < ends[i] {
				uses[i] = Use{Amount: resource.Vector{8}, Until: ExpectedEnd(after(started[i]), time.Minute, p.Now)}
				p.Nodes[i].Uses = uses[i : i+1]
			}
		}
		var start Start
		if hold, start = renew(t, p, hold); start.At.Equal(p.Now) {
			return
		}
		for i, n := range p.Nodes {
			if spare := Spare(gpus, n, []Hold{hold}, p.Now, after(minute+1)); spare[0] == 8 {
				started[i], ends[i] = minute, minute+10
			}
		}
	}
	t.Errorf("the gang has not started after an hour: %+v", hold)
}
