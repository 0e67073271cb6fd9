package reclaim

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// randomQueues draws a tree of two levels, with the leaves a1, a2, b1 and c.
func randomQueues(t *rapid.T) *ledger.Ledger {
	books := ledger.New()
	for _, q := range [][2]string{{"a", ""}, {"b", ""}, {"c", ""}, {"a1", "a"}, {"a2", "a"}, {"b1", "b"}} {
		queue := ledger.Queue{Name: q[0], Parent: q[1], Weight: 1, Reclaimable: rapid.IntRange(0, 7).Draw(t, "reclaimable") > 0}
		if q[0] == "b" || q[0] == "b1" || rapid.IntRange(0, 5).Draw(t, "poor") == 0 {
			queue.Guarantee = randomAmounts(t, "guarantee", 0, 6)
		} else {
			queue.Guarantee = resource.Amounts{gpu: rapid.Int64Range(2, 12).Draw(t, "guarantee")}
		}
		if rapid.IntRange(0, 7).Draw(t, "limited") == 0 {
			queue.Limit = randomAmounts(t, "limit", 2, 9)
		}
		books.SetQueue(queue)
	}
	return books
}

func randomAmounts(t *rapid.T, label string, low, high int64) resource.Amounts {
	amounts := resource.Amounts{}
	for _, name := range rapid.SampledFrom([][]string{{gpu}, {gpu}, {gpu}, {"cpu", gpu}, {"cpu"}, {}}).Draw(t, label) {
		amounts[name] = rapid.Int64Range(low, high).Draw(t, name)
	}
	return amounts
}

// randomProblem draws up to 8 units on up to 4 nodes. Vectors are {cpu, gpu}.
func randomProblem(t *rapid.T) Problem {
	nodes := rapid.IntRange(1, 4).Draw(t, "nodes")
	p := Problem{Ledger: randomQueues(t), Queue: rapid.SampledFrom([]string{"a1", "a1", "c"}).Draw(t, "queue")}
	for range nodes {
		p.Gang.Nodes = append(p.Gang.Nodes, gang.Node{Free: resource.Vector{rapid.Int64Range(-1, 2).Draw(t, "cpu"), rapid.Int64Range(0, 1).Draw(t, "gpu")}})
	}
	if rapid.IntRange(0, 3).Draw(t, "protected") == 0 {
		p.Disruptions = rapid.SliceOfN(rapid.IntRange(0, 4), 1, 2).Draw(t, "disruptions")
	}
	for i := 0; len(p.Units) < 8 && i < rapid.IntRange(3, 6).Draw(t, "gangs"); i++ {
		randomGang(t, &p, fmt.Sprint("g", i))
	}
	for c := range rapid.IntRange(1, 2).Draw(t, "classes") {
		class := gang.Class{
			Role: fmt.Sprint("role", c), Count: rapid.IntRange(1, 3).Draw(t, "count"),
			Request: resource.Vector{rapid.Int64Range(0, 2).Draw(t, "cpu"), rapid.Int64Range(1, 3).Draw(t, "gpu")},
		}
		for node := range nodes {
			if rapid.IntRange(0, 5).Draw(t, "allowed") > 0 {
				class.Nodes = append(class.Nodes, int32(node))
			}
		}
		p.Gang.Classes = append(p.Gang.Classes, class)
		minimum := rapid.IntRange(0, class.Count).Draw(t, "minimum")
		p.Gang.Need.Total += max(minimum, 1-c)
		if minimum > 0 && rapid.Bool().Draw(t, "needed") {
			p.Gang.Need.Role = map[string]int{class.Role: minimum}
		}
	}
	request := p.Gang.Classes[0].Request
	p.Asked = resource.Amounts{"cpu": request[0], gpu: request[1]}.Times(int64(p.Gang.Need.Total))
	p.Firm = rapid.IntRange(0, 15).Draw(t, "firm") == 0
	return p
}

// randomGang adds a gang that runs, as far as there is place for its units.
func randomGang(t *rapid.T, p *Problem, name string) {
	unit := Unit{
		Gang: name, Queue: rapid.SampledFrom([]string{"a1", "a2", "b1", "b1", "c"}).Draw(t, "victim"),
		Priority: rapid.Int32Range(0, 2).Draw(t, "priority"), Lost: rapid.Int64Range(0, 3).Draw(t, "lost"), Started: epoch,
	}
	unit.Preempt = unit.Queue == p.Queue
	request := resource.Vector{rapid.Int64Range(0, 3).Draw(t, "cpu"), rapid.SampledFrom([]int64{0, 1, 1, 2, 3}).Draw(t, "gpu")}
	add := func(rest bool, members int) {
		if members == 0 || len(p.Units) == 8 {
			return
		}
		u := unit
		u.Rest = rest
		u.Usage = resource.Amounts{"cpu": request[0], gpu: request[1]}.Times(int64(members))
		for range members {
			u.Pods = append(u.Pods, Pod{Node: rapid.Int32Range(-1, int32(len(p.Gang.Nodes)-1)).Draw(t, "node"), Amount: request})
			if budget := rapid.IntRange(0, 4).Draw(t, "budget"); budget < len(p.Disruptions) {
				u.Budgets = append(u.Budgets, budget)
			}
		}
		p.Ledger.Charge(u.Queue, u.Usage, false)
		p.Units = append(p.Units, u)
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "surplus") {
		add(false, 1)
	}
	add(true, rapid.IntRange(0, 3).Draw(t, "minimum"))
}

func check(t *rapid.T, p Problem) {
	before := p.Ledger.Clone()
	units := slices.Clone(p.Units)
	d, err := Decide(p)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := newOracle(p).wrong(d); wrong != "" {
		t.Fatalf("%s\n%+v", wrong, d)
	}
	if !reflect.DeepEqual(before, p.Ledger.Clone()) || !reflect.DeepEqual(units, p.Units) {
		t.Fatal("the problem was changed")
	}
	if again, err := Decide(p); err != nil || !reflect.DeepEqual(d, again) {
		t.Fatalf("asked again: %+v, error %v, after %+v", again, err, d)
	}
}

// Compared with going through all sets of units: victims are found exactly when there are some, each may be taken in its
// turn, none can be spared, and the claimant fits afterwards.
func TestDecideIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			check(t, randomProblem(t))
		}
	})
}

func TestDecideIsExactWithinRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			p := randomProblem(t)
			p.MaxRatio = rapid.SampledFrom([]float64{0.5, 1, 1.5, 2, 3}).Draw(t, "ratio")
			check(t, p)
		}
	})
}

// Verify here wants one unit of each of some sets gone.
func TestDecideIsExactWithVerify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomProblem(t)
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
