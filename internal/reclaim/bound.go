package reclaim

import (
	"cmp"
	"slices"

	"github.com/muster-scheduling/muster/internal/resource"
)

// Two bounds on one resource dimension, for one class of the claimant, prove most of what is impossible without any search.
// Below: its members take at least so much from running pods, whichever nodes they go to. Above: the guarantees of the
// victims' queues, or MaxRatio, let go of at most so much.

// shortfall is what the members of a class would need of a dimension, and what can be had at most.
type shortfall struct {
	class, dim  int
	least, most int64
}

// proof looks for a shortfall when no more than limit of the dominant resource may be evicted; nil if there is none.
func (d *decider) proof(limit int64) *shortfall {
	s := newScene(&d.p)
	for class := range d.p.Gang.Classes {
		members := d.required(class)
		if members == 0 {
			continue
		}
		for dim, amount := range d.p.Gang.Classes[class].Request {
			if amount <= 0 {
				continue
			}
			least := d.least(s, class, dim, members)
			if most := d.mostFreed(s, dim, limit); least > most {
				return &shortfall{class: class, dim: dim, least: least, most: most}
			}
		}
	}
	return nil
}

// required is how many members of a class every plan has.
func (d *decider) required(class int) int {
	need, classes := d.p.Gang.Need, d.p.Gang.Classes
	total, role := need.Total, need.Role[classes[class].Role]
	for c := range classes {
		if c == class {
			continue
		}
		total -= classes[c].Count
		if classes[c].Role == classes[class].Role {
			role -= classes[c].Count
		}
	}
	return max(total, role, 0)
}

// least is how much of a dimension has to be freed for members of a class, on the nodes where the least is missing. On one
// node the first members may fit in what is free and each further one takes its whole request, so the smallest increments
// over all nodes can be added up.
func (d *decider) least(s *scene, class, dim, members int) int64 {
	request := d.p.Gang.Classes[class].Request[dim]
	var partial []int64
	fullCost := 0
	for node, slots := range d.all.slots[class] {
		free := max(s.free[node][dim], 0)
		whole := int(min(free/request, int64(slots)))
		members -= whole
		if whole < slots {
			partial = append(partial, request-(free-int64(whole)*request))
			fullCost += slots - whole - 1
		}
	}
	slices.Sort(partial)
	sum := int64(0)
	for _, missing := range partial {
		if members <= 0 {
			break
		}
		sum = resource.Sum(sum, missing)
		members--
	}
	return resource.Sum(sum, resource.Product(request, int64(max(min(members, fullCost), 0))))
}

// mostFreed is how much of a dimension units can free at most.
func (d *decider) mostFreed(s *scene, dim int, limit int64) int64 {
	sum := int64(0)
	tree := branches{below: map[string][]int{}, parent: map[string]string{}, depth: map[string]int{}}
	for _, u := range d.eligible {
		if unit := &d.p.Units[u]; unit.Preempt || !tree.add(u, d.branch(unit.Queue)) {
			sum = resource.Sum(sum, d.frees(s, u, dim))
		}
	}
	freed := map[string]int64{} // by the units of the very queue and the queues below
	for queue, units := range tree.below {
		for _, u := range units {
			if d.p.Units[u].Queue == queue {
				freed[queue] = resource.Sum(freed[queue], d.frees(s, u, dim))
			}
		}
	}
	for _, queue := range tree.upwards() {
		most := min(freed[queue], d.capped(s, queue, tree.below[queue], dim))
		if up, ok := tree.parent[queue]; ok {
			freed[up] = resource.Sum(freed[up], most)
		} else {
			sum = resource.Sum(sum, most)
		}
	}
	return min(sum, d.pack(s, d.eligible, d.dominant, limit, dim))
}

// branches are the queues between victims and the claimant's side.
type branches struct {
	below  map[string][]int // units of a queue and of all below it
	parent map[string]string
	depth  map[string]int
}

// add adds a unit to the queues of its path, which begins with its own; false if there are none.
func (b *branches) add(u int, path []string) bool {
	for i, queue := range path {
		b.below[queue] = append(b.below[queue], u)
		b.depth[queue] = len(path) - i
		if i+1 < len(path) {
			b.parent[queue] = path[i+1]
		}
	}
	return len(path) > 0
}

// upwards lists the queues, each before the one above it.
func (b *branches) upwards() []string {
	queues := sortedNames(b.depth)
	slices.SortStableFunc(queues, func(a, c string) int { return cmp.Compare(b.depth[c], b.depth[a]) })
	return queues
}

// branch lists the queues whose guarantees protect units of a queue, itself first. There are none if it is above the
// claimant's.
func (d *decider) branch(queue string) []string {
	chain := d.p.Ledger.Chain(queue)
	if i := slices.IndexFunc(chain, func(q string) bool { return slices.Contains(d.all.chain, q) }); i >= 0 {
		return chain[:i]
	}
	return chain
}

// capped is how much of a dimension one queue lets go of. Of the units that use what it guarantees, all but the last to go
// fit into what it uses above its guarantee, in at least one of the resources that the claimant asks for.
func (d *decider) capped(s *scene, queue string, units []int, dim int) int64 {
	q, _ := d.p.Ledger.Queue(queue)
	usage := d.p.Ledger.Usage(queue)
	var bound []int
	free := int64(0)
	for _, u := range units {
		guaranteed := false
		for name := range q.Guarantee {
			guaranteed = guaranteed || d.p.Units[u].Usage[name] > 0
		}
		if guaranteed {
			bound = append(bound, u)
		} else {
			free = resource.Sum(free, d.frees(s, u, dim))
		}
	}
	best := int64(0)
	for _, name := range sortedNames(q.Guarantee) {
		over := resource.Difference(usage[name], max(q.Guarantee[name], 0))
		if over <= 0 || d.p.Asked[name] <= 0 {
			continue
		}
		largest := int64(0)
		for _, u := range bound {
			largest = max(largest, d.p.Units[u].Usage[name])
		}
		best = max(best, d.pack(s, bound, name, resource.Sum(over-1, largest), dim))
	}
	return resource.Sum(free, best)
}

// frees is how much of a dimension a unit frees on the claimant's nodes.
func (d *decider) frees(s *scene, u, dim int) int64 {
	sum := int64(0)
	for _, part := range s.parts[u] {
		sum = resource.Sum(sum, max(part.Amount[dim], 0))
	}
	return sum
}
