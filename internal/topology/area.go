package topology

import (
	"cmp"
	"slices"
)

// area is a set of nodes and what it has room for.
type area struct {
	domain int32
	nodes  []int32
	caps   []int64 // members of each class that fit if they have it to themselves
	room   int64   // the sum of these
	idle   int     // nodes
}

func (s *search) area(domain int32, nodes []int32) area {
	a := area{domain: domain, nodes: nodes, caps: make([]int64, s.classes)}
	for _, node := range nodes {
		a.add(s.row(node), 1)
		if s.nodes[node].Idle {
			a.idle++
		}
	}
	return a
}

// add counts slots in, or out with sign -1.
func (a *area) add(slots []int32, sign int64) {
	for c, n := range slots {
		a.caps[c] += sign * int64(n)
		a.room += sign * int64(n)
	}
}

// most is an upper bound of how many of the given numbers of members an area can take.
func (a area) most(counts []int) int {
	sum := 0
	for c, n := range counts {
		sum += int(min(int64(n), a.caps[c]))
	}
	return sum
}

func tighter(a, b area) int { return cmp.Or(cmp.Compare(a.room, b.room), cmp.Compare(a.idle, b.idle)) }

// and is the area of several together.
func (a area) and(more ...area) area {
	joint := area{domain: a.domain, nodes: slices.Clone(a.nodes), caps: slices.Clone(a.caps), room: a.room, idle: a.idle}
	for _, m := range more {
		joint.nodes = append(joint.nodes, m.nodes...)
		addTo(joint.caps, m.caps)
		joint.room += m.room
		joint.idle += m.idle
	}
	slices.Sort(joint.nodes)
	return joint
}

func addTo(caps, more []int64) {
	for c := range caps {
		caps[c] += more[c]
	}
}

// times is how often groups with these numbers of members fit into an area by its room, at most limit.
func (a area) times(counts []int, limit int) int {
	for c, n := range counts {
		if n > 0 {
			limit = int(min(int64(limit), a.caps[c]/int64(n)))
		}
	}
	return limit
}

// split divides nodes by the domains of a level, in their order. Each node in none is one of its own, and they come last.
func (s *search) split(t *Tree, level int, nodes []int32) []area {
	sizes := make([]int32, t.Domains(level)+len(t.all))
	var keys []int32
	for _, node := range nodes {
		k := t.parcelOf(level, node)
		if sizes[k] == 0 {
			keys = append(keys, k)
		}
		sizes[k]++
	}
	slices.Sort(keys)
	areas := make([]area, len(keys))
	lists, caps := make([]int32, len(nodes)), make([]int64, len(keys)*s.classes)
	place := sizes // from here on the index of the area
	for i, k := range keys {
		areas[i] = area{domain: k, nodes: lists[:0:sizes[k]], caps: caps[:s.classes:s.classes]}
		lists, caps = lists[sizes[k]:], caps[s.classes:]
		place[k] = int32(i)
	}
	for _, node := range nodes {
		a := &areas[place[t.parcelOf(level, node)]]
		a.nodes = append(a.nodes, node)
		a.add(s.row(node), 1)
		if s.nodes[node].Idle {
			a.idle++
		}
	}
	return areas
}

// parcelOf is the domain of a node, or a number of its own if it is in none.
func (t *Tree) parcelOf(level int, node int32) int32 {
	d := &t.domains[level]
	if d.of[node] < 0 {
		return int32(len(d.paths)) + node
	}
	return d.of[node]
}

// parcels are the domains of one level among some nodes. While they are in search.maps they follow what is placed.
type parcels struct {
	of    []int32
	areas []area
	at    []int32 // the index of a domain in areas, -1 if it is not among them
}

// parcel divides some nodes by the domains of a level, leaving out nodes in none.
func (s *search) parcel(t *Tree, level int, nodes []int32) *parcels {
	p := &parcels{of: t.domains[level].of, areas: s.split(t, level, nodes), at: make([]int32, t.Domains(level))}
	for len(p.areas) > 0 && int(p.areas[len(p.areas)-1].domain) >= len(p.at) {
		p.areas = p.areas[:len(p.areas)-1]
	}
	for d := range p.at {
		p.at[d] = -1
	}
	for i, a := range p.areas {
		p.at[a.domain] = int32(i)
	}
	return p
}

// changed tells parcels that a node is no longer as it was.
func (p *parcels) changed(node int32, before, after []int32, idle int) {
	domain := p.of[node]
	if domain < 0 || p.at[domain] < 0 {
		return
	}
	a := &p.areas[p.at[domain]]
	a.add(before, -1)
	a.add(after, 1)
	a.idle += idle
}
