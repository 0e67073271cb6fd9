package gang

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// problemsPerCheck makes up for rapid's modest default of 100 checks: one in fifty problems needs exact search.
const problemsPerCheck = 20

// On small instances there is a plan exactly when trying everything finds one, and it has as many members as possible.
func TestPlanIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range problemsPerCheck {
			p := drawProblem(t, 4, 10)
			checkOutcome(t, p, mustPlan(t, p, nil), nil, mostByTrying(p))
		}
	})
}

func TestPlanInSpaceIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range problemsPerCheck {
			p := drawProblem(t, 4, 5)
			newRules := drawRules(t, p)
			space := newRules()
			o := mustPlan(t, p, space)
			if len(space.log) > 0 {
				t.Fatalf("%d placements were not taken back", len(space.log))
			}
			checkOutcome(t, p, o, newRules(), mostInSpace(p, newRules))
		}
	})
}

func mustPlan(t *rapid.T, p Problem, space Space) Outcome {
	o, err := Plan(p, space)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func checkOutcome(t *rapid.T, p Problem, o Outcome, r *rules, most int) {
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

// With hardly any budget fewer plans are found, but what is said is still true.
func TestPlanNeverLies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range problemsPerCheck {
			p := drawProblem(t, 4, 10)
			p.Budget = rapid.IntRange(1, 100).Draw(t, "budget")
			o := mustPlan(t, p, nil)
			if wrong := unsound(p, o, nil); o.Result == Placed && wrong != "" {
				t.Fatalf("the plan %+v is not sound: %s", o, wrong)
			}
			if most := mostByTrying(p); o.Result == Impossible && most >= 0 {
				t.Fatalf("said to be impossible, but %d members can be placed", most)
			}
			if o.Steps > p.Budget {
				t.Fatalf("%d steps with a budget of %d", o.Steps, p.Budget)
			}
		}
	})
}

func TestPlanIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 8, 12)
		p.Budget = rapid.IntRange(1, 1<<14).Draw(t, "budget")
		newRules := drawRules(t, p)
		plain, simulated := mustPlan(t, p, nil), mustPlan(t, p, newRules())
		for range 3 {
			if diff := cmp.Diff(plain, mustPlan(t, p, nil)); diff != "" {
				t.Fatalf("the same question, another answer: %s", diff)
			}
			if diff := cmp.Diff(simulated, mustPlan(t, p, newRules())); diff != "" {
				t.Fatalf("the same question, another answer: %s", diff)
			}
		}
	})
}

// More room or a smaller gang never makes impossible what was possible.
func TestPlanIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 5, 12)
		if mustPlan(t, p, nil).Result != Placed {
			return
		}
		larger := p
		larger.Nodes = append(slices.Clone(p.Nodes), Node{Free: make(resource.Vector, len(p.Nodes[0].Free))})
		larger.Classes = slices.Clone(p.Classes)
		for c, class := range p.Classes {
			larger.Classes[c].Nodes = append(slices.Clone(class.Nodes), int32(len(p.Nodes)))
			larger.Classes[c].Score, larger.Classes[c].Cost = nil, nil
		}
		if o := mustPlan(t, larger, nil); o.Result != Placed {
			t.Fatalf("one more node, and it is %v", o.Result)
		}
		for c, class := range p.Classes {
			if class.Count == 0 {
				continue
			}
			smaller := p
			smaller.Classes = slices.Clone(p.Classes)
			smaller.Classes[c].Count--
			smaller.Need = Need{Total: max(0, p.Need.Total-1), Role: map[string]int{}}
			for role, need := range p.Need.Role {
				if role == class.Role {
					need--
				}
				smaller.Need.Role[role] = need
			}
			if o := mustPlan(t, smaller, nil); o.Result != Placed {
				t.Fatalf("one member of class %d less, and it is %v", c, o.Result)
			}
		}
	})
}

// A single class opens an idle node only when those in use do not suffice, and then as few as possible.
func TestPlanPacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 12, 20)
		p.Classes = p.Classes[:1]
		class := &p.Classes[0]
		class.Score, class.Cost, class.Spread = nil, nil, false
		for d := range class.Request {
			class.Request[d]++ // so that no node has anything that the class has no use for
		}
		p.Need = Need{Total: 0}
		used, idle := 0, []int{}
		for _, node := range class.Nodes {
			if slots := int(class.Request.Times(p.Nodes[node].Free)); p.Nodes[node].Idle {
				idle = append(idle, slots)
			} else {
				used += slots
			}
		}
		slices.Sort(idle)
		slices.Reverse(idle)
		fewest := 0
		for left := class.Count - used; left > 0 && fewest < len(idle) && idle[fewest] > 0; fewest++ {
			left -= idle[fewest]
		}
		opened := 0
		for _, run := range mustPlan(t, p, nil).Runs {
			if p.Nodes[run.Node].Idle {
				opened++
			}
		}
		if opened != fewest {
			t.Fatalf("%d idle nodes opened, %d suffice", opened, fewest)
		}
	})
}

// No node gets two members of a class that is to be spread while another with room has none.
func TestPlanSpreads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProblem(t, 12, 20)
		p.Classes = p.Classes[:1]
		class := &p.Classes[0]
		class.Score, class.Spread = nil, true
		p.Need = Need{Total: 0}
		members := map[int32]int{}
		most := 0
		for _, run := range mustPlan(t, p, nil).Runs {
			members[run.Node] += run.Count
			most = max(most, members[run.Node])
		}
		for _, node := range class.Nodes {
			if n := members[node]; n < most-1 && class.Request.Times(p.Nodes[node].Free) > int64(n) {
				t.Fatalf("node %d has %d members and room, another has %d", node, n, most)
			}
		}
	})
}

// Gangs that fill the cluster to the last unit are placed too.
func TestPlanFillsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := filled(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 6).Draw(t, "nodes"), rapid.IntRange(1, 6).Draw(t, "classes"), 0)
		p.Budget = 1 << 24
		o := mustPlan(t, p, nil)
		if o.Result != Placed || o.Total() != p.Need.Total {
			t.Fatalf("%v with %d of %d members", o.Result, o.Total(), p.Need.Total)
		}
		if wrong := unsound(p, o, nil); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

// Where fronts are too large to keep, most plans are found within the budget, and none is said to be impossible.
func TestPlanWidens(t *testing.T) {
	results := map[Result]int{}
	for seed := range uint64(100) {
		o, err := Plan(filled(seed, 20, 4, 2), nil)
		if err != nil {
			t.Fatal(err)
		}
		results[o.Result]++
	}
	if results[Impossible] > 0 || results[Placed] < 95 {
		t.Errorf("of 100 gangs that can be placed %v", results)
	}
}

// filled makes a gang by putting up to four members on each node, which is made as large as they need it, and up to spare
// units of each resource larger.
func filled(seed uint64, nodes, classes int, spare int64) Problem {
	random := rand.New(rand.NewPCG(seed, 1))
	p := Problem{}
	for range classes {
		p.Classes = append(p.Classes, Class{Request: resource.Vector{1 + random.Int64N(6), random.Int64N(6), random.Int64N(6)}})
	}
	for node := range nodes {
		free := make(resource.Vector, 3)
		for range 1 + random.IntN(4) {
			class := &p.Classes[random.IntN(classes)]
			class.Count++
			free.Add(class.Request)
			p.Need.Total++
		}
		for d := range free {
			free[d] += random.Int64N(spare + 1)
		}
		p.Nodes = append(p.Nodes, Node{Free: free})
		for c := range p.Classes {
			p.Classes[c].Nodes = append(p.Classes[c].Nodes, int32(node))
		}
	}
	return p
}

type failingSpace struct{ err error }

func (s failingSpace) Place(int, int32) (bool, error) { return false, s.err }
func (s failingSpace) Undo() error                    { return s.err }

func TestPlanReturnsTheErrorOfItsSpace(t *testing.T) {
	broken := errors.New("the filter is broken")
	p := Problem{
		Nodes:   []Node{{Free: resource.Vector{1}}},
		Classes: []Class{{Count: 1, Request: resource.Vector{1}, Nodes: []int32{0}}},
		Need:    Need{Total: 1},
	}
	if _, err := Plan(p, failingSpace{broken}); !errors.Is(err, broken) {
		t.Errorf("error %v, want one that wraps %v", err, broken)
	}
}

func TestPlanOfNothing(t *testing.T) {
	for _, need := range []int{0, 1} {
		o, err := Plan(Problem{Nodes: []Node{{Free: resource.Vector{1}}}, Need: Need{Total: need}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := []Result{Placed, Impossible}[need]; o.Result != want || o.Total() != 0 {
			t.Errorf("no member, %d needed: %+v, want %v", need, o, want)
		}
	}
}
