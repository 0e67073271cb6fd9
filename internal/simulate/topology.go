package simulate

import (
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/topology"
)

// trees are the Topologies over all nodes that there ever were; those that are gone are in no domain.
func (s *Simulation) trees() []*topology.Tree {
	if s.layout != nil {
		return s.layout
	}
	for _, t := range s.topologies {
		labels := make([]map[string]string, len(s.cluster.nodes))
		for _, at := range s.cluster.alive {
			if own := s.cluster.nodes[at].labels; matches(t.NodeSelector, own) {
				labels[at] = own
			}
		}
		s.layout = append(s.layout, topology.New(t.Name, t.Levels, labels))
	}
	return s.layout
}

// matches reports whether a node has all labels of a selector.
func matches(selector, labels map[string]string) bool {
	for key, value := range selector {
		if own, has := labels[key]; !has || own != value {
			return false
		}
	}
	return true
}

// pending are the members of a job that a claim is for: one, or the first of those that do not run, as many as lack to its
// minimum.
func (s *Simulation) pending(c claim) []int32 {
	if c.member >= 0 {
		return []int32{c.member}
	}
	var pending []int32
	for m := range c.job.members {
		if c.job.members[m].node < 0 {
			pending = append(pending, int32(m))
		}
	}
	return pending[:min(len(pending), c.job.Min-c.job.running())]
}

// request is what a claim asks of where its members are; nil for nothing. Members that run already, and stay, count.
func (s *Simulation) request(c claim) *topology.Request {
	wants := c.job.Topology
	if wants.Gang == (topology.Want{}) && wants.Part == (topology.Want{}) {
		return nil
	}
	r := &topology.Request{Trees: s.trees(), Gang: wants.Gang}
	size := wants.Segment
	if size <= 0 {
		size = c.job.Pods
	}
	for first := 0; first < c.job.Pods; first += size {
		last := min(first+size, c.job.Pods) - 1
		r.Units = append(r.Units, topology.Unit{Name: fmt.Sprintf("members %d-%d", first, last), Want: wants.Part})
	}
	for m := range c.job.members {
		if x := c.job.members[m]; x.node >= 0 && !x.leaving {
			r.Runs = append(r.Runs, x.node)
			unit := &r.Units[m/size]
			unit.Runs = append(unit.Runs, x.node)
		}
	}
	for _, m := range s.pending(c) {
		r.Members = append(r.Members, topology.Member{Unit: int(m) / size})
	}
	r.Needed = len(r.Members)
	return r
}

// auditTopology checks, after members of a job were bound, that all that run are in the domains that it requires.
func (s *Simulation) auditTopology(j *job) error {
	size := j.Topology.Segment
	if size <= 0 {
		size = j.Pods
	}
	var all []int32
	for first := 0; first < j.Pods; first += size {
		var part []int32
		for _, x := range j.members[first:min(first+size, j.Pods)] {
			if x.node >= 0 && !x.leaving {
				part = append(part, x.node)
			}
		}
		all = append(all, part...)
		if !s.together(part, j.Topology.Part.Required) {
			return fmt.Errorf("members %d-%d of gang %q are not in one %s: %v", first, first+size-1, j.Name, j.Topology.Part.Required, s.Placement(j.Name))
		}
	}
	if !s.together(all, j.Topology.Gang.Required) {
		return fmt.Errorf("gang %q is not in one %s: %v", j.Name, j.Topology.Gang.Required, s.Placement(j.Name))
	}
	return nil
}

// together reports whether nodes are in one domain of a level of some Topology, by their labels.
func (s *Simulation) together(nodes []int32, level string) bool {
	if level == "" || len(nodes) == 0 {
		return true
	}
	return slices.ContainsFunc(s.topologies, func(t Topology) bool {
		depth := slices.IndexFunc(t.Levels, func(l topology.Level) bool { return l.Name == level })
		first := s.cluster.nodes[nodes[0]].labels
		return depth >= 0 && !slices.ContainsFunc(nodes, func(at int32) bool {
			own := s.cluster.nodes[at].labels
			return own[t.Levels[depth].Label] == "" || !matches(t.NodeSelector, own) || slices.ContainsFunc(t.Levels[:depth+1], func(l topology.Level) bool {
				return own[l.Label] != first[l.Label]
			})
		})
	})
}
