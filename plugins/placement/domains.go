package placement

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
	"github.com/muster-scheduling/muster/plugins/state"
)

// forest keeps the domains of all Topologies for as long as neither those nor the labels of the nodes change.
type forest struct {
	version int
	nodes   []*corev1.Node
	// labels are those that decide about domains, by node in the order of nodes.
	keys   []string
	labels [][]string
	trees  []*topology.Tree
}

// grow brings the domains up to date with the nodes of a snapshot.
func (f *forest) grow(gangs *state.Store, nodes []fwk.NodeInfo) []*topology.Tree {
	list, version := gangs.Topologies()
	if f.version != version || f.trees == nil {
		*f = forest{version: version, keys: keysOf(list)}
	}
	if f.follow(nodes) {
		return f.trees
	}
	f.trees = make([]*topology.Tree, 0, len(list))
	for _, t := range list {
		levels := make([]topology.Level, len(t.Spec.Levels))
		for i, level := range t.Spec.Levels {
			levels[i] = topology.Level{Name: level.Name, Label: level.NodeLabel}
		}
		described := make([]map[string]string, len(nodes))
		selector := labels.SelectorFromSet(t.Spec.NodeSelector)
		for i, node := range nodes {
			if set := node.Node().Labels; selector.Matches(labels.Set(set)) {
				described[i] = nonNil(set)
			}
		}
		f.trees = append(f.trees, topology.New(t.Name, levels, described))
	}
	return f.trees
}

// nonNil tells a node without labels from one that a Topology does not describe.
func nonNil(set map[string]string) map[string]string {
	if set == nil {
		return map[string]string{}
	}
	return set
}

// keysOf names the labels that decide about domains.
func keysOf(list []*schedulingv1alpha1.Topology) []string {
	var keys []string
	for _, t := range list {
		for _, level := range t.Spec.Levels {
			keys = append(keys, level.NodeLabel)
		}
		for key := range t.Spec.NodeSelector {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// follow takes note of the nodes, and reports whether the domains are still what they were: most updates of a node change
// nothing that matters here.
func (f *forest) follow(nodes []fwk.NodeInfo) bool {
	same := f.trees != nil && len(nodes) == len(f.nodes)
	if len(nodes) != len(f.nodes) {
		f.nodes, f.labels = make([]*corev1.Node, len(nodes)), make([][]string, len(nodes))
	}
	for i, info := range nodes {
		node := info.Node()
		if node == f.nodes[i] {
			continue
		}
		values := make([]string, 0, 2*len(f.keys))
		for _, key := range f.keys {
			if value, has := node.Labels[key]; has {
				values = append(values, key, value)
			}
		}
		same = same && f.nodes[i] != nil && f.nodes[i].Name == node.Name && slices.Equal(values, f.labels[i])
		f.nodes[i], f.labels[i] = node, values
	}
	return same
}

// topology puts what a request wants of the topology into the planner's terms; nil where it wants nothing.
func (pl *Planner) topology(a *Attempt, nodes []fwk.NodeInfo) *topology.Request {
	wants := a.request.Wants
	if wants == nil {
		return nil
	}
	index := make(map[string]int32, len(a.Nodes))
	for i, name := range a.Nodes {
		index[name] = int32(i)
	}
	at := func(names []string) []int32 {
		var found []int32
		for _, name := range names {
			if node, there := index[name]; there {
				found = append(found, node)
			}
		}
		return found
	}
	r := &topology.Request{Trees: pl.forest.grow(pl.gangs, nodes), Gang: wants.Gang, Runs: at(wants.Nodes), Needed: wants.Needed}
	for _, unit := range wants.Units {
		r.Units = append(r.Units, topology.Unit{Name: unit.Name, Want: unit.Want, Runs: at(unit.Nodes)})
	}
	classOf := map[*corev1.Pod]int{}
	for c, class := range a.classes {
		for _, pod := range class.pods {
			classOf[pod] = c
		}
	}
	for _, member := range wants.Members {
		r.Members = append(r.Members, topology.Member{Class: classOf[member.Pod], Unit: member.Unit})
		r.Ranks = append(r.Ranks, member.Rank)
	}
	return r
}

// seat gives each member the node that the topology has for it, in the order of the runs.
func (a *Attempt) seat(answer topology.Answer) []state.Placement {
	type place struct {
		class int
		node  int32
	}
	waiting := map[place][]*corev1.Pod{}
	for m, member := range a.request.Wants.Members {
		if node := answer.At[m]; node >= 0 {
			at := place{a.Topology.Members[m].Class, node}
			waiting[at] = append(waiting[at], member.Pod)
		}
	}
	var placements []state.Placement
	for _, run := range answer.Runs {
		at := place{run.Class, run.Node}
		for _, pod := range waiting[at][:run.Count] {
			placements = append(placements, state.Placement{UID: pod.UID, Node: a.Nodes[run.Node]})
		}
		waiting[at] = waiting[at][run.Count:]
	}
	if !a.Constrained {
		a.byImportance(placements)
	}
	return placements
}

// byImportance lets those go first that have to start, and the leader before them: where members share nothing but resources
// any order will do.
func (a *Attempt) byImportance(placements []state.Placement) {
	order := map[string]int{string(a.request.Pods[0].UID): -1}
	for m, member := range a.request.Wants.Members {
		if _, leads := order[string(member.Pod.UID)]; !leads {
			order[string(member.Pod.UID)] = m
		}
	}
	slices.SortFunc(placements, func(x, y state.Placement) int { return cmp.Compare(order[string(x.UID)], order[string(y.UID)]) })
}

// FitsEmpty reports whether the members would find their domains if nothing ran on the nodes of the snapshot, and what they
// lack if not.
func (a *Attempt) FitsEmpty(nodes []fwk.NodeInfo) (bool, string, error) {
	answer, err := topology.Plan(a.emptied(nodes), a.Topology, nil)
	if err != nil || answer.Result != gang.Impossible {
		return true, "", err
	}
	return false, refusals(answer), nil
}

// UsableClasses are the classes with all nodes that accept their members but for what they ask for, and no wishes.
func (a *Attempt) UsableClasses() []gang.Class {
	classes := slices.Clone(a.Problem.Classes)
	for i := range classes {
		classes[i].Nodes, classes[i].Score, classes[i].Cost = a.Usable[i], nil, nil
	}
	return classes
}

// emptied is the problem as if nothing ran on any node.
func (a *Attempt) emptied(nodes []fwk.NodeInfo) gang.Problem {
	p := a.Problem
	p.Classes = a.UsableClasses()
	p.Nodes = make([]gang.Node, len(nodes))
	for i, node := range nodes {
		p.Nodes[i] = gang.Node{Free: make([]int64, a.Table.Len()), Idle: true}
		for d := range p.Nodes[i].Free {
			p.Nodes[i].Free[d] = allocatableOf(node, a.Table.Name(d))
		}
	}
	return p
}
