package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/muster-scheduling/muster/internal/gang"
)

// view is a request in the terms of one Topology.
type view struct {
	tree  *Tree
	gang  aim
	units []aim
	// grouped is set where a unit asks for something, so that members are not all equal.
	grouped bool
	// preferring is the number of units with members that are needed which prefer a level.
	preferring int
}

// aim is a Want in the terms of one Topology: levels by index, -1 for none.
type aim struct {
	required, preferred int
	// pin is the domain of the required level that has to be used, as members run there; -1 if none do.
	pin int32
	// runs are the nodes on which members run.
	runs []int32
}

// asks reports whether there is something to keep or to follow.
func (a aim) asks() bool { return a.required >= 0 || a.preferred >= 0 }

// nothing asks for nothing.
var nothing = aim{required: -1, preferred: -1, pin: -1}

// unconstrained is the view of a gang that asks for nothing, or for nothing that there is.
func unconstrained(nodes, units int) *view {
	none := &Tree{all: make([]int32, nodes)}
	for node := range none.all {
		none.all[node] = int32(node)
	}
	none.order = none.all
	return &view{tree: none, gang: nothing, units: slices.Repeat([]aim{nothing}, units)}
}

// views looks at the request in each Topology that knows the levels. The fault says why there is none though levels are
// required, ignored which preference nobody can follow.
func (r *Request) views() (views []*view, fault, ignored string) {
	required, preferred := r.levels()
	know := func(names []string) []*Tree {
		var trees []*Tree
		for _, t := range r.Trees {
			if t != nil && t.fault == "" && !slices.ContainsFunc(names, func(name string) bool { _, known := t.Level(name); return !known }) {
				trees = append(trees, t)
			}
		}
		return trees
	}
	trees := know(slices.Concat(required, preferred))
	if len(trees) == 0 && len(preferred) > 0 {
		ignored = r.unknown(preferred)
		trees = know(required)
	}
	if len(trees) == 0 {
		return nil, r.unknown(required), ignored
	}
	for _, t := range trees {
		v, why := r.view(t)
		if why == "" {
			views = append(views, v)
		} else if fault == "" {
			fault = why
		}
	}
	if len(views) > 0 {
		fault = ""
	}
	return views, fault, ignored
}

// levels are the names of the levels that the gang and its units require, and prefer.
func (r *Request) levels() (required, preferred []string) {
	add := func(names []string, name string) []string {
		if name == "" || slices.Contains(names, name) {
			return names
		}
		return append(names, name)
	}
	required, preferred = add(nil, r.Gang.Required), add(nil, r.Gang.Preferred)
	for _, u := range r.Units {
		required, preferred = add(required, u.Want.Required), add(preferred, u.Want.Preferred)
	}
	return required, preferred
}

// unknown says why no Topology has all the named levels.
func (r *Request) unknown(names []string) string {
	if len(names) == 0 {
		return ""
	}
	var have, broken []string
	for _, t := range r.Trees {
		switch {
		case t == nil:
		case t.fault != "":
			broken = append(broken, fmt.Sprintf("Topology %s cannot be used, as %s", t.name, t.fault))
		default:
			have = append(have, fmt.Sprintf("Topology %s has %s", t.name, quoted(t.levels)))
		}
	}
	said := strings.Join(append(have, broken...), "; ")
	switch {
	case said == "":
		return fmt.Sprintf("no Topology has a level %q: there is no Topology", names[0])
	case len(names) == 1:
		return fmt.Sprintf("no Topology has a level %q: %s", names[0], said)
	}
	for _, name := range names {
		if !slices.ContainsFunc(r.Trees, func(t *Tree) bool { return t.has(name) }) {
			return fmt.Sprintf("no Topology has a level %q: %s", name, said)
		}
	}
	return fmt.Sprintf("no Topology has all of the levels %q: %s", names, said)
}

func (t *Tree) has(name string) bool {
	if t == nil || t.fault != "" {
		return false
	}
	_, known := t.Level(name)
	return known
}

func quoted(levels []Level) string {
	var names []string
	for _, level := range levels {
		names = append(names, fmt.Sprintf("%q", level.Name))
	}
	return strings.Join(names, ", ")
}

// view looks at the request in one Topology that knows the required levels, or says why that cannot be.
func (r *Request) view(t *Tree) (*view, string) {
	v := &view{tree: t}
	running := slices.Clone(r.Runs)
	for _, u := range r.Units {
		running = append(running, u.Runs...)
	}
	var why string
	if v.gang, why = t.aim(r.Gang, running, "the gang"); why != "" {
		return nil, why
	}
	for _, u := range r.Units {
		a, why := t.aim(u.Want, u.Runs, u.Name)
		if why != "" {
			return nil, why
		}
		if a.required >= 0 && t.implies(v.gang.required, a.required) {
			a.required, a.pin = -1, -1 // the gang's own domain says it already
		}
		if a.preferred <= v.gang.required {
			a.preferred = -1
		}
		v.units = append(v.units, a)
	}
	return v, ""
}

// implies reports whether nodes in one domain of a level are always in one of another, which is not narrower. They are not
// if they lack its label.
func (t *Tree) implies(level, wider int) bool {
	if level < wider {
		return false
	}
	for d := range int32(t.Domains(level)) {
		if t.Domain(wider, t.Nodes(level, d)[0]) < 0 {
			return false
		}
	}
	return true
}

// aim translates what somebody asks for, given the nodes on which members of it run, or says why it cannot be had.
func (t *Tree) aim(w Want, runs []int32, who string) (aim, string) {
	a := nothing
	a.runs = slices.DeleteFunc(slices.Clone(runs), func(node int32) bool { return node < 0 || int(node) >= len(t.all) })
	if level, known := t.Level(w.Preferred); known && t.Domains(level) > 0 {
		a.preferred = level
	}
	if w.Required == "" {
		return a, ""
	}
	a.required, _ = t.Level(w.Required)
	if a.preferred <= a.required {
		a.preferred = -1
	}
	if t.Domains(a.required) == 0 {
		return a, fmt.Sprintf("level %q of Topology %s has no domain: no node has the label %s", w.Required, t.name, t.levels[a.required].Label)
	}
	for _, node := range a.runs {
		domain := t.Domain(a.required, node)
		switch {
		case domain < 0:
			return a, fmt.Sprintf("a member of %s runs on a node that is in no %s of Topology %s, but one has to hold all members", who, w.Required, t.name)
		case a.pin >= 0 && a.pin != domain:
			return a, fmt.Sprintf("members of %s run in %s and in %s, but one %s has to hold all members", who,
				t.Title(a.required, min(a.pin, domain)), t.Title(a.required, max(a.pin, domain)), w.Required)
		}
		a.pin = domain
	}
	return a, ""
}

// areas are the sets of nodes of which one has to hold all that an aim is about, each with its domain.
func (v *view) areas(a aim) (nodes [][]int32, domains []int32) {
	switch {
	case a.required < 0:
		return [][]int32{v.tree.all}, []int32{-1}
	case a.pin >= 0:
		return [][]int32{v.tree.Nodes(a.required, a.pin)}, []int32{a.pin}
	}
	for d := range int32(v.tree.Domains(a.required)) {
		nodes, domains = append(nodes, v.tree.Nodes(a.required, d)), append(domains, d)
	}
	return nodes, domains
}

// Domains lists the required domains in which the whole gang might be placed, as sets of nodes: one for each domain of
// the gang's required level, or only those where it runs; one set of all nodes if nothing is required. None where Plan
// would find a Fault. The sets are ascending, and shared with the Trees: they must not be changed.
func (r *Request) Domains(p gang.Problem) [][]int32 {
	if _, err := r.members(p); err != nil {
		return nil
	}
	views, fault, _ := r.views()
	if fault != "" {
		return nil
	}
	if len(views) == 0 {
		views = []*view{unconstrained(len(p.Nodes), len(r.Units))}
	}
	var sets [][]int32
	for _, v := range views {
		nodes, _ := v.areas(v.gang)
		sets = append(sets, nodes...)
	}
	return sets
}
