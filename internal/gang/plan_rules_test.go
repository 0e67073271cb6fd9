package gang

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/internal/resource"
)

// rules is a Space with made-up constraints between members, of the kinds that pods have. A domain is a zone or a node.
type rules struct {
	problem Problem
	domain  [][]int // of each node, by kind of domain
	list    []rule
	members [][]int // number of members by node and class
	free    []resource.Vector
	log     []Run
	calls   int
}

// rule constrains the members of one class by how many members of another class there are in the same domain.
type rule struct {
	kind   string // "apart", "with", "spread", "most"
	class  int
	other  int
	domain int // kind of domain
	limit  int
}

func newRules(p Problem, domain [][]int, list []rule) *rules {
	r := &rules{problem: p, domain: domain, list: list, members: make([][]int, len(p.Nodes)), free: freeOf(p)}
	for node := range r.members {
		r.members[node] = make([]int, len(p.Classes))
	}
	return r
}

func (r *rules) hasRoom(class int, node int32) bool {
	return r.problem.Classes[class].Request.Fits(r.free[node])
}

func (r *rules) Place(class int, node int32) (bool, error) {
	r.calls++
	if !r.hasRoom(class, node) || !slices.Contains(r.problem.Classes[class].Nodes, node) {
		return false, fmt.Errorf("asked to place class %d on node %d, which has no room or is not allowed", class, node)
	}
	for _, rule := range r.list {
		if rule.class == class && !r.allows(rule, node) {
			return false, nil
		}
	}
	r.members[node][class]++
	r.free[node].Sub(r.problem.Classes[class].Request)
	r.log = append(r.log, Run{Class: class, Node: node, Count: 1})
	return true, nil
}

func (r *rules) Undo() error {
	if len(r.log) == 0 {
		return fmt.Errorf("nothing to undo")
	}
	last := r.log[len(r.log)-1]
	r.log = r.log[:len(r.log)-1]
	r.members[last.Node][last.Class]--
	r.free[last.Node].Add(r.problem.Classes[last.Class].Request)
	return nil
}

func (r *rules) allows(rule rule, node int32) bool {
	byDomain := map[int]int{}
	sum := 0
	for n := range r.problem.Nodes {
		byDomain[r.domain[n][rule.domain]] += r.members[n][rule.other]
		sum += r.members[n][rule.other]
	}
	here := byDomain[r.domain[node][rule.domain]]
	switch rule.kind {
	case "apart": // anti-affinity
		return here == 0
	case "with": // affinity; the first of a class that wants to be with its own kind may go anywhere
		return here > 0 || sum == 0 && rule.class == rule.other
	case "most": // a number of ports, volumes or claims
		return here < rule.limit
	case "spread": // topology spread with a maximum skew
		least := here
		for _, n := range byDomain {
			least = min(least, n)
		}
		return here+1-least <= rule.limit
	}
	panic("unknown rule " + rule.kind)
}

// drawRules makes zones and up to three rules.
func drawRules(t *rapid.T, p Problem) func() *rules {
	domain := make([][]int, len(p.Nodes))
	for node := range domain {
		domain[node] = []int{node, rapid.IntRange(0, 2).Draw(t, "zone")}
	}
	var list []rule
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		list = append(list, rule{
			kind:   rapid.SampledFrom([]string{"apart", "with", "spread", "most"}).Draw(t, "kind"),
			class:  rapid.IntRange(0, len(p.Classes)-1).Draw(t, "class"),
			other:  rapid.IntRange(0, len(p.Classes)-1).Draw(t, "other"),
			domain: rapid.IntRange(0, 1).Draw(t, "domain"),
			limit:  rapid.IntRange(1, 2).Draw(t, "limit"),
		})
	}
	return func() *rules { return newRules(p, domain, list) }
}
