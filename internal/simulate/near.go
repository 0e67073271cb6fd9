package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/numa"
	"github.com/muster-scheduling/muster/internal/topology"
)

// near is the gang.Space of a gang for whose members it matters where on a node there are free GPUs. Members are equal.
type near struct {
	cluster *cluster
	pod     numa.Pod
	// gone are pods that are taken to have left.
	gone map[podRef]bool
	// barred are nodes where room is being made for others who have to have GPUs near each other: pods that came before them
	// might take just these.
	barred map[int32]bool
	// nodes are what zones.without says of nodes, with the members that are placed: another has to fit all that it says.
	nodes  map[int32][]numa.Node
	placed []int32
	// refusals say of nodes why they can not take the first member.
	refusals map[int32]string
}

// near is nil for a gang for which no layout plays a part.
func (s *Simulation) near(id string, j *job) *near {
	if !s.cluster.divided || j.Request[GPU] == 0 {
		return nil
	}
	n := &near{cluster: &s.cluster, pod: j.aligned(), barred: s.barred(id)}
	concerns := func(at int32) bool { return s.cluster.concerns(at, n.pod) }
	if len(n.barred) == 0 && !slices.ContainsFunc(s.cluster.alive, concerns) {
		return nil
	}
	return n.without(nil)
}

// without is the same where pods have left.
func (n *near) without(gone map[podRef]bool) *near {
	other := *n
	other.gone, other.placed = gone, nil
	other.nodes, other.refusals = map[int32][]numa.Node{}, map[int32]string{}
	return &other
}

// unbarred is the same where room is made for nobody.
func (n *near) unbarred() *near {
	if n == nil {
		return nil
	}
	other := n.without(n.gone)
	other.barred = nil
	return other
}

// barred are the nodes where room is being made for other gangs, if the layout plays a part in that.
func (s *Simulation) barred(id string) map[int32]bool {
	barred := map[int32]bool{}
	for _, hold := range s.dispatcher.HoldsAgainst(id) {
		if !s.dispatcher.MakingRoom(hold.Gang) {
			continue
		}
		pod := s.claims[hold.Gang].job.aligned()
		for name := range hold.Amount {
			if at, ok := s.cluster.index[name]; ok && s.cluster.concerns(at, pod) {
				barred[at] = true
			}
		}
	}
	return barred
}

// space is what the planner asks; nil where arithmetic tells all.
func (n *near) space() gang.Space {
	if n == nil {
		return nil
	}
	return n
}

// Place puts a member on a node if it has GPUs near enough to each other beside what is there.
func (n *near) Place(_ int, at int32) (bool, error) {
	zones := n.cluster.nodes[at].zones
	if zones == nil {
		n.placed = append(n.placed, at)
		return true, nil
	}
	if n.barred[at] {
		return false, nil
	}
	views, seen := n.nodes[at]
	if !seen {
		views = zones.without(n.cluster.nodes[at].pods, n.gone)
		n.nodes[at] = views
	}
	for _, view := range views {
		if refusal := view.Fits(n.pod); refusal.Reason != "" {
			if !slices.Contains(n.placed, at) {
				n.refusals[at] = refusal.Reason
			}
			return false, nil
		}
	}
	for i := range views {
		views[i].Pods = append(views[i].Pods, n.pod)
	}
	n.placed = append(n.placed, at)
	return true, nil
}

// Undo takes the last member away again.
func (n *near) Undo() error {
	last := len(n.placed) - 1
	for i, view := range n.nodes[n.placed[last]] {
		n.nodes[n.placed[last]][i].Pods = view.Pods[:len(view.Pods)-1]
	}
	n.placed = n.placed[:last]
	return nil
}

// maxRefusals bounds how many reasons of nodes are told.
const maxRefusals = 3

// why continues a sentence with why nodes can not take a member, the most frequent reasons first.
func (n *near) why() string {
	if n == nil || len(n.refusals) == 0 {
		return ""
	}
	count := map[string]int{}
	for _, reason := range n.refusals {
		count[reason]++
	}
	reasons := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) })
	var words []string
	for _, reason := range reasons[:min(len(reasons), maxRefusals)] {
		words = append(words, fmt.Sprintf("%d %s", count[reason], reason))
	}
	return ": " + strings.Join(words, ", ")
}

// planWithout plans a gang as if units had left. On nodes where something is kept for others nothing is hoped for.
func (n *near) planWithout(p gang.Problem, request *topology.Request, offers []offer, units []int) (topology.Answer, error) {
	p.Nodes = slices.Clone(p.Nodes)
	for at := range p.Nodes {
		p.Nodes[at].Free = slices.Clone(p.Nodes[at].Free)
	}
	gone := map[podRef]bool{}
	for _, u := range units {
		o := offers[u]
		for i, pod := range o.unit.Pods {
			if pod.Node >= 0 {
				p.Nodes[pod.Node].Free.Add(pod.Amount)
				gone[podRef{o.job.index, o.members[i]}] = true
			}
		}
	}
	return topology.Plan(p, request, n.without(gone))
}

// concerns reports whether the layout of a node plays a part in whether it may take a pod.
func (c *cluster) concerns(at int32, pod numa.Pod) bool {
	zones := c.nodes[at].zones
	return zones != nil && zones.report.Concerns(pod)
}
