package simulate

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// cluster is the nodes and what is on them.
type cluster struct {
	table *resource.Table
	index map[string]int32
	nodes []node
	// free is the room on every node as the planner reads it; alive are the nodes that exist.
	free  []gang.Node
	alive []int32
	// divided is set once a node has had zones.
	divided bool
}

type node struct {
	name        string
	allocatable resource.Vector
	labels      map[string]string
	pods        []podRef
	// zones are where on the node its pods have their GPUs; nil where nobody knows.
	zones *zones
}

// podRef is one member of one job.
type podRef struct{ job, member int32 }

func (c *cluster) add(n Node) error {
	if _, twice := c.index[n.Name]; twice || n.Name == "" {
		return fmt.Errorf("node %q is there twice, or has no name", n.Name)
	}
	allocatable, err := c.table.Vector(n.Allocatable)
	if err != nil {
		return fmt.Errorf("node %q: %w", n.Name, err)
	}
	zones, err := newZones(n.Layout, n.Allocatable[GPU])
	if err != nil {
		return fmt.Errorf("node %q: %w", n.Name, err)
	}
	c.divided = c.divided || zones != nil
	at := int32(len(c.nodes))
	c.index[n.Name] = at
	labels := map[string]string{Hostname: n.Name}
	maps.Copy(labels, n.Labels)
	c.nodes = append(c.nodes, node{name: n.Name, allocatable: allocatable, labels: labels, zones: zones})
	c.free = append(c.free, gang.Node{Free: slices.Clone(allocatable), Idle: true})
	c.alive = append(c.alive, at)
	return nil
}

// lose takes a node away; the caller has removed its pods.
func (c *cluster) lose(at int32) {
	delete(c.index, c.nodes[at].name)
	clear(c.nodes[at].allocatable)
	clear(c.free[at].Free)
	c.alive = slices.DeleteFunc(slices.Clone(c.alive), func(n int32) bool { return n == at })
}

func (c *cluster) occupy(at int32, j *job, member int32) {
	n, pod := &c.nodes[at], podRef{j.index, member}
	if n.zones != nil {
		n.zones.occupy(n.pods, pod, j.aligned())
	}
	n.pods = append(n.pods, pod)
	c.free[at].Free.Sub(j.request)
	c.free[at].Idle = false
}

func (c *cluster) vacate(at int32, j *job, member int32) {
	n, pod := &c.nodes[at], podRef{j.index, member}
	if n.zones != nil {
		n.zones.vacate(pod)
	}
	i := slices.Index(n.pods, pod)
	n.pods = slices.Delete(n.pods, i, i+1)
	c.free[at].Free.Add(j.request)
	c.free[at].Idle = len(n.pods) == 0
}

// amounts is what a node offers.
func (c *cluster) amounts(at int32) resource.Amounts {
	amounts := resource.Amounts{}
	for d, amount := range c.nodes[at].allocatable {
		if amount != 0 {
			amounts[c.table.Name(d)] = amount
		}
	}
	return amounts
}

// holds reports whether the members of a gang, which are equal, would fit if nothing ran on any node.
func (c *cluster) holds(p gang.Problem) bool {
	for _, class := range p.Classes {
		slots := int64(0)
		for _, at := range c.alive {
			slots = resource.Sum(slots, class.Request.Times(c.nodes[at].allocatable))
		}
		if slots < int64(class.Count) {
			return false
		}
	}
	return true
}

// emptied is a problem as if nothing ran on any node.
func (c *cluster) emptied(p gang.Problem) gang.Problem {
	p.Nodes = make([]gang.Node, len(c.nodes))
	for at := range p.Nodes {
		p.Nodes[at] = gang.Node{Free: c.nodes[at].allocatable, Idle: true}
	}
	return p
}

// capacity is what all nodes offer together.
func (s *Simulation) capacity() resource.Amounts {
	total := make(resource.Vector, s.table.Len())
	for _, at := range s.cluster.alive {
		total.Add(s.cluster.nodes[at].allocatable)
	}
	amounts := make(resource.Amounts, len(total))
	for d, amount := range total {
		amounts[s.table.Name(d)] = amount
	}
	return amounts
}

// roomFor is the room on every node for a gang that runs until a time (zero: for ever), where what is kept for others stays
// theirs. held are the nodes on which something is.
func (s *Simulation) roomFor(id string, until time.Time) (room []gang.Node, held map[int32]bool) {
	room = s.cluster.free
	for _, name := range s.dispatcher.HeldNodes(id) {
		at, ok := s.cluster.index[name]
		if !ok {
			continue
		}
		if held == nil {
			held, room = map[int32]bool{}, slices.Clone(room)
		}
		held[at] = true
		spare := s.dispatcher.Spare(s.table, name, id, s.now, until)
		for d, free := range room[at].Free {
			spare[d] = min(spare[d], free)
		}
		room[at].Free = spare
	}
	return room, held
}
