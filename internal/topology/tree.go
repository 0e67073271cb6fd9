package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Level is one kind of domain of a Topology.
type Level struct {
	// Name is how gangs ask for the level.
	Name string
	// Label is the key of the node label whose value names the domain. An empty value counts as no label.
	Label string
}

// Tree is the domains of one Topology over the nodes of a problem, which it knows by their index. It never changes, so
// any number of plans may use it at a time; it holds for as long as the nodes and their labels stay the same.
type Tree struct {
	name   string
	levels []Level
	fault  string
	// domains has the domains of each level. Their order is that of a walk through the tree from top to bottom, children
	// by name, so that neighbours in the order are near each other.
	domains []domains
	// order is the place of each node in that walk. Nodes of one narrowest domain follow their index.
	order []int32
	all   []int32
}

// domains are the domains of one level.
type domains struct {
	of    []int32  // the domain of each node, -1: none
	paths []string // of each domain
	nodes []int32  // one domain after the other, ascending in each
	start []int32  // where the nodes of each domain start
}

// New builds the domains of one Topology over the nodes of a problem: labels[i] are the labels of node i, nil if the
// Topology does not describe it. Levels are given from wide to narrow. Two nodes are in one domain of a level if they have
// equal values of its label and of those of all wider levels; a wider label that both lack is equal. A Tree whose levels
// make no sense has no domains, and Fault says why.
func New(name string, levels []Level, labels []map[string]string) *Tree {
	t := &Tree{name: name, levels: slices.Clone(levels), fault: misshaped(levels), all: make([]int32, len(labels))}
	for node := range t.all {
		t.all[node] = int32(node)
	}
	t.order = slices.Clone(t.all)
	if t.fault != "" {
		return t
	}
	groups := make([]int32, len(labels)) // equal for nodes whose labels are equal so far, in the order of the walk
	for node, l := range labels {
		if l == nil {
			groups[node] = -1
		}
	}
	paths := []string{""}
	for _, level := range t.levels {
		var d domains
		d, groups, paths = split(level, labels, groups, paths)
		t.domains = append(t.domains, d)
	}
	t.walk(groups, len(paths))
	return t
}

func misshaped(levels []Level) string {
	if len(levels) == 0 {
		return "it has no level"
	}
	for i, level := range levels {
		for _, wider := range levels[:i] {
			switch {
			case wider.Name == level.Name:
				return fmt.Sprintf("level %q appears twice", level.Name)
			case wider.Label == level.Label:
				return fmt.Sprintf("label %q appears twice, in levels %q and %q", level.Label, wider.Name, level.Name)
			}
		}
		if level.Name == "" || level.Label == "" {
			return fmt.Sprintf("level %d of %d has no name or no label", i+1, len(levels))
		}
	}
	return ""
}

// branch is one value of a label below a group of the next wider level.
type branch struct {
	group int32
	value string
}

// split divides the groups of nodes by one more label. It returns the domains, and the new groups with their paths, in the
// order of the walk.
func split(level Level, labels []map[string]string, groups []int32, paths []string) (domains, []int32, []string) {
	branches, at := branchesOf(level, labels, groups)
	order := make([]int32, len(branches))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		a, b := branches[i], branches[j]
		if a.group != b.group {
			return cmp.Compare(a.group, b.group)
		}
		return natural(a.value, b.value)
	})
	var d domains
	place, domain := make([]int32, len(branches)), make([]int32, len(branches))
	below := make([]string, len(branches))
	for k, i := range order {
		b := branches[i]
		place[i], domain[i], below[k] = int32(k), -1, paths[b.group]
		if b.value != "" {
			below[k] = strings.TrimPrefix(paths[b.group]+"/"+b.value, "/")
			domain[i] = int32(len(d.paths))
			d.paths = append(d.paths, below[k])
		}
	}
	d.of = make([]int32, len(labels))
	for node, i := range at {
		d.of[node] = -1
		if i >= 0 {
			d.of[node], at[node] = domain[i], place[i]
		}
	}
	d.start, d.nodes = collect(d.of, len(d.paths))
	return d, at, below
}

// branchesOf lists the branches that there are, and the branch of each node, -1 for one that is not described.
func branchesOf(level Level, labels []map[string]string, groups []int32) (branches []branch, at []int32) {
	seen := map[branch]int32{}
	at = make([]int32, len(labels))
	for node, l := range labels {
		if groups[node] < 0 {
			at[node] = -1
			continue
		}
		b := branch{groups[node], l[level.Label]}
		i, known := seen[b]
		if !known {
			i = int32(len(branches))
			seen[b] = i
			branches = append(branches, b)
		}
		at[node] = i
	}
	return branches, at
}

// collect sorts nodes by their domain, leaving out those in none.
func collect(of []int32, domains int) (start, nodes []int32) {
	start = make([]int32, domains+1)
	for _, d := range of {
		if d >= 0 {
			start[d+1]++
		}
	}
	for d := range domains {
		start[d+1] += start[d]
	}
	nodes = make([]int32, start[domains])
	next := slices.Clone(start)
	for node, d := range of {
		if d >= 0 {
			nodes[next[d]] = int32(node)
			next[d]++
		}
	}
	return start, nodes
}

// walk numbers the nodes in the order of the tree, those that it does not describe last.
func (t *Tree) walk(groups []int32, n int) {
	for node, g := range groups {
		if g < 0 {
			groups[node] = int32(n)
		}
	}
	_, nodes := collect(groups, n+1)
	for i, node := range nodes {
		t.order[node] = int32(i)
	}
}

// Name is the name of the Topology.
func (t *Tree) Name() string { return t.name }

// Fault says what is wrong with the levels: there is none, or a name or a label appears twice. Empty if nothing is.
func (t *Tree) Fault() string { return t.fault }

// Level is the index of a level by its name, 0 for the widest.
func (t *Tree) Level(name string) (int, bool) {
	i := slices.IndexFunc(t.levels, func(l Level) bool { return l.Name == name })
	return i, i >= 0
}

// Domain is the domain of a level in which a node is, or -1 if it is in none or there is no such level or node.
func (t *Tree) Domain(level int, node int32) int32 {
	if level < 0 || level >= len(t.domains) || node < 0 || int(node) >= len(t.domains[level].of) {
		return -1
	}
	return t.domains[level].of[node]
}

// Domains is the number of domains of a level.
func (t *Tree) Domains(level int) int {
	if level < 0 || level >= len(t.domains) {
		return 0
	}
	return len(t.domains[level].paths)
}

// Nodes are the nodes of a domain, ascending. They must not be changed. Nil if there is no such domain.
func (t *Tree) Nodes(level int, domain int32) []int32 {
	if domain < 0 || int(domain) >= t.Domains(level) {
		return nil
	}
	d := &t.domains[level]
	return d.nodes[d.start[domain]:d.start[domain+1]:d.start[domain+1]]
}

// Title names a domain by its level and its labels' values from the widest level on: "rack b1/r7".
func (t *Tree) Title(level int, domain int32) string {
	switch {
	case level < 0 || level >= len(t.levels):
		return "the cluster"
	case domain < 0 || int(domain) >= t.Domains(level):
		return "no " + t.levels[level].Name
	}
	return t.levels[level].Name + " " + t.domains[level].paths[domain]
}

// natural compares names so that numbers in them count: r2 comes before r10.
func natural(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && isDigit(a[i-1]) {
		i--
	}
	x, y := number(a[i:]), number(b[i:])
	if x != "" && y != "" {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return strings.Compare(a, b)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number is the digits with which a string begins.
func number(s string) string {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return s[:n]
}
