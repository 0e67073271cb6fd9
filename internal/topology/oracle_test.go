package topology

import (
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// oracle answers a request by trying every node for every member, in one Topology.
type oracle struct {
	p       gang.Problem
	r       *Request
	t       *Tree
	members []Member
	rules   *rules

	free []resource.Vector
	at   []int32 // of the members so far, -1: not placed
	from map[Member]int32
}

// most is the largest number of members of a valid plan in any Topology, or -1 if there is none.
func most(p gang.Problem, r *Request, rules *rules) int {
	best := -1
	for _, t := range knowing(r) {
		o := &oracle{p: p, r: r, t: t, members: r.Members, rules: rules, from: map[Member]int32{}}
		for _, node := range p.Nodes {
			o.free = append(o.free, slices.Clone(node.Free))
		}
		if !o.settled() {
			continue
		}
		if !byPrefix(r, t) {
			best = max(best, o.subset())
			continue
		}
		for n := len(r.Members); n >= r.Needed && n > best; n-- {
			if o.members = r.Members[:n]; o.all() {
				best = n
			}
		}
	}
	return best
}

// knowing are the Topologies that know all levels, and have domains of those that are required.
func knowing(r *Request) []*Tree {
	var trees []*Tree
	for _, t := range r.Trees {
		known := true
		for _, w := range append(wants(r), r.Gang) {
			for _, name := range []string{w.Required, w.Preferred} {
				if _, has := t.Level(name); name != "" && !has {
					known = false
				}
			}
			if w.Required != "" && t.Domains(level(t, w.Required)) == 0 {
				known = false
			}
		}
		if known {
			trees = append(trees, t)
		}
	}
	return trees
}

func wants(r *Request) []Want {
	var list []Want
	for _, u := range r.Units {
		list = append(list, u.Want)
	}
	return list
}

// byPrefix reports whether a unit with members asks for more than the gang does. Then the first members have to be placed.
func byPrefix(r *Request, t *Tree) bool {
	above := level(t, r.Gang.Required)
	for _, m := range r.Members {
		if m.Unit < 0 {
			continue
		}
		w := r.Units[m.Unit].Want
		if w.Required != "" && !t.implies(above, level(t, w.Required)) || level(t, w.Preferred) > max(above, level(t, w.Required)) && t.Domains(level(t, w.Preferred)) > 0 {
			return true
		}
	}
	return false
}

func level(t *Tree, name string) int {
	if i, known := t.Level(name); known {
		return i
	}
	return -1
}

// settled reports whether the members that run keep what is required.
func (o *oracle) settled() bool {
	o.members = nil
	o.at = nil
	return o.kept()
}

// kept reports whether the members placed so far, and those that run, keep all that is required.
func (o *oracle) kept() bool {
	gangs := slices.Clone(o.r.Runs)
	units := make([][]int32, len(o.r.Units))
	for u, unit := range o.r.Units {
		gangs = append(gangs, unit.Runs...)
		units[u] = slices.Clone(unit.Runs)
	}
	for i, node := range o.at {
		if node < 0 {
			continue
		}
		gangs = append(gangs, node)
		if u := o.members[i].Unit; u >= 0 {
			units[u] = append(units[u], node)
		}
	}
	if !o.together(o.r.Gang.Required, gangs) {
		return false
	}
	for u, unit := range o.r.Units {
		if !o.together(unit.Want.Required, units[u]) {
			return false
		}
	}
	return true
}

func (o *oracle) together(required string, nodes []int32) bool {
	if required == "" {
		return true
	}
	for _, node := range nodes {
		d := o.t.Domain(level(o.t, required), node)
		if d < 0 || d != o.t.Domain(level(o.t, required), nodes[0]) {
			return false
		}
	}
	return true
}

// each calls visit for every node that the next member can take. Members that are equal in all take ascending nodes.
func (o *oracle) each(visit func() bool) bool {
	m := o.members[len(o.at)]
	class := o.p.Classes[m.Class]
	from := o.from[m]
	for _, node := range class.Nodes {
		if node < from || !class.Request.Fits(o.free[node]) || !o.rules.allow(o.members, o.at, m.Class, node) {
			continue
		}
		o.free[node].Sub(class.Request)
		o.at = append(o.at, node)
		o.from[m] = node
		found := o.kept() && visit()
		o.from[m] = from
		o.at = o.at[:len(o.at)-1]
		o.free[node].Add(class.Request)
		if found {
			return true
		}
	}
	return false
}

// all reports whether all members can be placed.
func (o *oracle) all() bool {
	return len(o.at) == len(o.members) || o.each(o.all)
}

// subset is the largest number of members that can be placed and cover the problem's need, or -1.
func (o *oracle) subset() int {
	o.members = o.r.Members
	best := -1
	var visit func() bool
	visit = func() bool {
		if len(o.at) == len(o.members) {
			if fit := o.fit(); covers(o.p, fit) {
				best = max(best, sum(fit))
			}
			return best == len(o.members)
		}
		if o.each(visit) {
			return true
		}
		m := o.members[len(o.at)]
		from := o.from[m]
		o.from[m] = int32(len(o.p.Nodes)) // then the equal ones stay out as well
		o.at = append(o.at, -1)
		found := visit()
		o.at = o.at[:len(o.at)-1]
		o.from[m] = from
		return found
	}
	visit()
	return best
}

func (o *oracle) fit() []int {
	fit := make([]int, len(o.p.Classes))
	for i, node := range o.at {
		if node >= 0 {
			fit[o.members[i].Class]++
		}
	}
	return fit
}

func covers(p gang.Problem, fit []int) bool {
	for role, need := range p.Need.Role {
		n := 0
		for c, class := range p.Classes {
			if class.Role == role {
				n += fit[c]
			}
		}
		if n < need {
			return false
		}
	}
	return sum(fit) >= p.Need.Total
}

// unsound says what is wrong with an answer that claims to have a plan, or is empty.
func unsound(p gang.Problem, r *Request, a Answer, rules *rules) string {
	if len(a.At) != len(r.Members) {
		return fmt.Sprintf("%d members have %d places", len(r.Members), len(a.At))
	}
	byRun, byMember := map[gang.Run]int{}, map[gang.Run]int{}
	for _, run := range a.Runs {
		byRun[gang.Run{Class: run.Class, Node: run.Node}] += run.Count
	}
	free := make([]resource.Vector, len(p.Nodes))
	for i, node := range p.Nodes {
		free[i] = slices.Clone(node.Free)
	}
	for i, node := range a.At {
		if node < 0 {
			continue
		}
		class := p.Classes[r.Members[i].Class]
		if !slices.Contains(class.Nodes, node) || !class.Request.Fits(free[node]) || !rules.allow(r.Members, a.At[:i], r.Members[i].Class, node) {
			return fmt.Sprintf("member %d cannot be on node %d", i, node)
		}
		free[node].Sub(class.Request)
		byMember[gang.Run{Class: r.Members[i].Class, Node: node}]++
	}
	if fmt.Sprint(byRun) != fmt.Sprint(byMember) {
		return fmt.Sprintf("runs say %v, members %v", byRun, byMember)
	}
	for _, t := range knowing(r) {
		o := &oracle{p: p, r: r, t: t, members: r.Members, at: a.At}
		fit := o.fit()
		if !o.kept() || !slices.Equal(fit, a.Fit) {
			continue
		}
		if byPrefix(r, t) {
			n := sum(fit)
			if n >= r.Needed && !slices.Contains(a.At[:n], -1) {
				return ""
			}
		} else if covers(p, fit) {
			return ""
		}
	}
	return "it keeps what is required in no Topology, or does not cover the need"
}

// rules is a Space: at most so many members on a node, and members of some classes not beside each other.
type rules struct {
	perNode int
	apart   [2]int
	members []Member
	at      []int32
}

func (r *rules) allow(members []Member, at []int32, class int, node int32) bool {
	if r == nil {
		return true
	}
	n := 1
	for i, other := range at {
		if other != node {
			continue
		}
		n++
		c := members[i].Class
		if c == r.apart[0] && class == r.apart[1] || c == r.apart[1] && class == r.apart[0] {
			return false
		}
	}
	return n <= r.perNode
}

func (r *rules) Place(class int, node int32) (bool, error) {
	if !r.allow(r.members, r.at, class, node) {
		return false, nil
	}
	r.members, r.at = append(r.members, Member{Class: class}), append(r.at, node)
	return true, nil
}

func (r *rules) Undo() error {
	r.members, r.at = r.members[:len(r.members)-1], r.at[:len(r.at)-1]
	return nil
}
