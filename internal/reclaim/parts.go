package reclaim

import (
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// likeLine answers for a claimant whose parts ask for domains of their own. The shortest part of the line (line.go) that lets it
// in shows a domain for each part that is cheap to clear; victims are then chosen for the parts to be in these.
func (d *decider) likeLine() (Decision, error) {
	l := d.lineUp()
	end, err := d.shortest(l)
	if err != nil || end < 0 {
		return Decision{}, err
	}
	l.moveTo(end)
	if _, err := d.plan(l.s); err != nil || d.answer.Result != gang.Placed {
		return Decision{}, err
	}
	fixed, ok := d.assigned(d.answer)
	if !ok {
		return Decision{}, nil
	}
	fixed.Budget = d.p.Budget - d.steps
	sub := newDecider(fixed)
	decision, err := sub.first(sub.asItIs, sub.atMost, sub.bounded, sub.greedy)
	d.steps += sub.steps
	if err != nil || decision.Result != gang.Placed || decision.Why == "" {
		return Decision{}, err
	}
	s := newScene(&d.p)
	for _, u := range decision.Victims {
		s.take(u)
	}
	if fits, err := d.judge(s); err != nil || !fits {
		return Decision{}, err
	}
	if done, err := d.prune(s, nil, true); err != nil || !done {
		return Decision{}, err
	}
	return d.placed(s)
}

// cell is the members of a class that are to be in one domain.
type cell struct {
	class int
	tree  *topology.Tree
	level int
	at    int32
}

// assigned is the problem of placing what is needed with each part in the domain in which an answer has it, which asks for
// nothing else.
func (d *decider) assigned(answer topology.Answer) (Problem, bool) {
	r, p := d.p.Topology, d.p
	p.Topology, p.Verify = nil, nil
	whole, ok := d.around(answer)
	if !ok {
		return p, false
	}
	counts := map[cell]int{}
	var cells []cell
	for i, member := range r.Members[:min(r.Needed, len(r.Members))] {
		if answer.At[i] < 0 {
			return p, false
		}
		c := cell{class: member.Class, at: -1}
		if member.Unit >= 0 && r.Units[member.Unit].Want.Required != "" {
			if c.tree, c.level, c.at, ok = d.domainOf(member.Unit, answer); !ok {
				return p, false
			}
		}
		if counts[c] == 0 {
			cells = append(cells, c)
		}
		counts[c]++
	}
	p.Gang.Classes = nil
	p.Gang.Need = gang.Need{}
	for _, c := range cells {
		class := only(d.p.Gang.Classes[c.class], func(node int32) (int32, bool) {
			return node, whole[node] && (c.at < 0 || c.tree.Domain(c.level, node) == c.at)
		})
		class.Count = counts[c]
		p.Gang.Classes = append(p.Gang.Classes, class)
		p.Gang.Need.Total += class.Count
	}
	return p, true
}

// around marks the nodes of the domain in which an answer has the whole gang.
func (d *decider) around(answer topology.Answer) (nodes []bool, ok bool) {
	for _, set := range d.p.Topology.Domains(d.p.Gang) {
		nodes = make([]bool, len(d.p.Gang.Nodes))
		for _, node := range set {
			nodes[node] = true
		}
		if !slices.ContainsFunc(answer.At, func(at int32) bool { return at >= 0 && !nodes[at] }) {
			return nodes, true
		}
	}
	return nil, false
}

// domainOf is the domain of the level that a unit requires in which an answer has it.
func (d *decider) domainOf(unit int, answer topology.Answer) (tree *topology.Tree, level int, domain int32, ok bool) {
	r := d.p.Topology
	for _, tree := range r.Trees {
		if tree == nil {
			continue
		}
		level, known := tree.Level(r.Units[unit].Want.Required)
		if !known {
			continue
		}
		domain := int32(-1)
		together := true
		for i, member := range r.Members {
			if member.Unit != unit || answer.At[i] < 0 {
				continue
			}
			at := tree.Domain(level, answer.At[i])
			together = together && at >= 0 && (domain < 0 || at == domain)
			domain = at
		}
		if together && domain >= 0 {
			return tree, level, domain, true
		}
	}
	return nil, 0, 0, false
}

// alike are parts that all have to start and do not differ: so many members of one class each, in one domain of a level.
type alike struct {
	class, size int
	level       string
	parts       int
}

// partsAlike counts the parts of the claimant of which only members of one class have to start.
func partsAlike(p Problem) []alike {
	r := p.Topology
	sizes := make([]int, len(r.Units))
	classes := make([]int, len(r.Units))
	for _, member := range r.Members[:min(r.Needed, len(r.Members))] {
		if u := member.Unit; u >= 0 {
			if sizes[u] > 0 && classes[u] != member.Class {
				classes[u] = -1
			} else if sizes[u] == 0 {
				classes[u] = member.Class
			}
			sizes[u]++
		}
	}
	var groups []alike
	for u, unit := range r.Units {
		if sizes[u] == 0 || classes[u] < 0 || !asksMore(r, unit) {
			continue
		}
		i := slices.IndexFunc(groups, func(g alike) bool {
			return g.class == classes[u] && g.size == sizes[u] && g.level == unit.Want.Required
		})
		if i < 0 {
			i = len(groups)
			groups = append(groups, alike{class: classes[u], size: sizes[u], level: unit.Want.Required})
		}
		groups[i].parts++
	}
	return groups
}

// partsMayFit is a necessary condition for parts to fit: in each domain there is room for so many whole ones of a kind, if they
// have it to themselves. It spares the planner most questions about victims that can not be spared.
func (d *decider) partsMayFit(s *scene) bool {
	for _, group := range d.alike {
		tree, level := d.onlyTree(group.level)
		if tree == nil {
			continue
		}
		room := make([]int, tree.Domains(level))
		for node, slots := range s.slots[group.class] {
			if domain := tree.Domain(level, int32(node)); domain >= 0 {
				room[domain] += slots
			}
		}
		parts := 0
		for _, slots := range room {
			parts += slots / group.size
		}
		d.steps += len(s.free)
		if parts < group.parts {
			return false
		}
	}
	return true
}

// onlyTree is the Topology that has a level, nil if several do.
func (d *decider) onlyTree(name string) (only *topology.Tree, level int) {
	for _, tree := range d.p.Topology.Trees {
		if tree == nil {
			continue
		}
		if at, known := tree.Level(name); known && only != nil {
			return nil, 0
		} else if known {
			only, level = tree, at
		}
	}
	return only, level
}
