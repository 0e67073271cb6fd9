package gang

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/internal/resource"
)

// scenario is one case of the files in test/scenarios/planner; the README there explains the fields.
type scenario struct {
	Name    string
	Nodes   []scenarioNodes
	Members []scenarioMembers
	Need    struct {
		Total int
		Roles map[string]int
	}
	Budget int
	Rules  []scenarioRule
	Expect struct {
		Result string
		Fit    []int
		Plan   []string
	}
}

type scenarioNodes struct {
	Name  string
	Count int
	Free  map[string]int64
	Used  bool
	Zone  int
}

type scenarioMembers struct {
	Role    string
	Count   int
	Request map[string]int64
	Nodes   []string
	Score   map[string]int64
	Cost    map[string]int64
	Spread  bool
}

type scenarioRule struct {
	Kind, Of, To, In string
	Limit            int
}

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../test/scenarios/planner/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario files, error %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var scenarios []scenario
		if err := yaml.UnmarshalStrict(content, &scenarios); err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		for _, sc := range scenarios {
			t.Run(filepath.Base(file)+"/"+sc.Name, func(t *testing.T) { sc.run(t) })
		}
	}
}

func (sc scenario) run(t *testing.T) {
	p, names, zones := sc.problem(t)
	var space Space
	if len(sc.Rules) > 0 {
		space = sc.space(t, p, zones)
	}
	o, err := Plan(p, space)
	if err != nil {
		t.Fatal(err)
	}
	members := map[[2]int]int{} // by class and node
	for _, run := range o.Runs {
		members[[2]int{run.Class, int(run.Node)}] += run.Count
	}
	plan := []string{}
	for at, n := range members {
		plan = append(plan, fmt.Sprintf("%d %s on %s", n, sc.Members[at[0]].Role, names[at[1]]))
	}
	slices.Sort(plan)
	if o.Result.String() != sc.Expect.Result {
		t.Errorf("result %v with %v, want %s", o.Result, plan, sc.Expect.Result)
	}
	if diff := cmp.Diff(sc.Expect.Fit, o.Fit); diff != "" {
		t.Errorf("members that fit (-want +got): %s", diff)
	}
	if sc.Expect.Plan != nil {
		slices.Sort(sc.Expect.Plan)
		if diff := cmp.Diff(sc.Expect.Plan, plan); diff != "" {
			t.Errorf("plan (-want +got): %s", diff)
		}
	}
}

// problem also returns the name and the zone of each node.
func (sc scenario) problem(t *testing.T) (Problem, []string, []int) {
	var resources []string
	for _, nodes := range sc.Nodes {
		for name := range nodes.Free {
			resources = append(resources, name)
		}
	}
	table := resource.NewTable(resources...)
	vector := func(amounts map[string]int64) resource.Vector {
		v, err := table.Vector(amounts)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	p := Problem{Need: Need{Total: sc.Need.Total, Role: sc.Need.Roles}, Budget: sc.Budget}
	var names []string
	var zones []int
	for _, nodes := range sc.Nodes {
		for i := range max(nodes.Count, 1) {
			p.Nodes = append(p.Nodes, Node{Free: vector(nodes.Free), Idle: !nodes.Used})
			zones = append(zones, nodes.Zone)
			if nodes.Count > 1 {
				names = append(names, fmt.Sprintf("%s%d", nodes.Name, i+1))
			} else {
				names = append(names, nodes.Name)
			}
		}
	}
	for _, members := range sc.Members {
		p.Classes = append(p.Classes, members.class(vector(members.Request), names))
	}
	return p, names, zones
}

func (m scenarioMembers) class(request resource.Vector, names []string) Class {
	class := Class{Role: m.Role, Count: m.Count, Request: request, Spread: m.Spread}
	for node, name := range names {
		if m.Nodes != nil && !slices.Contains(m.Nodes, name) {
			continue
		}
		class.Nodes = append(class.Nodes, int32(node))
		if m.Score != nil {
			class.Score = append(class.Score, m.Score[name])
		}
		if m.Cost != nil {
			class.Cost = append(class.Cost, m.Cost[name])
		}
	}
	return class
}

func (sc scenario) space(t *testing.T, p Problem, zones []int) Space {
	domain := make([][]int, len(p.Nodes))
	for node, zone := range zones {
		domain[node] = []int{node, zone}
	}
	class := func(role string) int {
		return slices.IndexFunc(sc.Members, func(m scenarioMembers) bool { return m.Role == role })
	}
	var list []rule
	for _, r := range sc.Rules {
		in := slices.Index([]string{"node", "zone"}, r.In)
		if class(r.Of) < 0 || class(r.To) < 0 || in < 0 {
			t.Fatalf("rule %+v names what does not exist", r)
		}
		list = append(list, rule{kind: r.Kind, class: class(r.Of), other: class(r.To), domain: in, limit: r.Limit})
	}
	return newRules(p, domain, list)
}
