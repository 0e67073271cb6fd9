package reclaim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/topology"
)

// required reports whether members have to be together.
func required(r *topology.Request) bool {
	return r != nil && (r.Gang.Required != "" || requiredByParts(r))
}

// requiredByParts reports whether roles or segments ask for domains of their own.
func requiredByParts(r *topology.Request) bool {
	return r != nil && slices.ContainsFunc(r.Units, func(u topology.Unit) bool { return asksMore(r, u) })
}

// asksMore reports whether a part asks for a domain in which it would not be anyway since the whole gang is in one.
func asksMore(r *topology.Request, u topology.Unit) bool {
	if u.Want.Required == "" || r.Gang.Required == "" {
		return u.Want.Required != ""
	}
	within := false
	for _, tree := range r.Trees {
		if tree == nil {
			continue
		}
		whole, known := tree.Level(r.Gang.Required)
		part, too := tree.Level(u.Want.Required)
		if known && too && part > whole {
			return true
		}
		within = within || known && too
	}
	return !within
}

// region is one domain in which the claimant may be.
type region struct {
	nodes   []int32
	missing int   // members for which there is no room now
	units   []int // those that can matter there; in the region's own problem they are known by their place in here
	hopeless
}

// hopeless is why there are no victims for a region, if that is proved.
type hopeless struct {
	proved bool
	why    string
}

// byDomain answers for a claimant that has to be in one domain: it asks for the victims in each domain that could hold it, and
// takes the cheapest.
func (d *decider) byDomain() (Decision, error) {
	regions := d.regions()
	best, err := d.cheapestRegion(regions)
	if err == nil && best == nil {
		best, err = d.anyRegion(regions)
	}
	if err != nil {
		return Decision{}, err
	}
	if best == nil {
		return d.noRegion(regions), nil
	}
	s := newScene(&d.p)
	for _, u := range best {
		s.take(u)
	}
	if done, err := d.spareElsewhere(s, regions); err != nil {
		return Decision{}, err
	} else if !done {
		return d.unsure(), nil
	}
	return d.placed(s)
}

// regions lists the domains that could hold the claimant with everything gone that may go, those first where the fewest members
// lack room now.
func (d *decider) regions() []*region {
	now := newScene(&d.p)
	// What is elsewhere matters as well where quota lacks, or the right to what others have.
	all := now.refusal() != nil || slices.ContainsFunc(d.eligible, func(u int) bool { return !now.holdsRight(u) })
	on := make([][]int, len(now.free))
	for _, u := range d.eligible {
		for _, part := range now.parts[u] {
			on[part.Node] = append(on[part.Node], u)
		}
	}
	eligible := slices.Sorted(slices.Values(d.eligible))
	var regions []*region
	for _, nodes := range d.p.Topology.Domains(d.p.Gang) {
		d.steps += len(nodes)
		if !d.enough(d.all.roomIn(nodes)) {
			continue
		}
		r := &region{nodes: nodes, units: eligible}
		for c, free := range now.roomIn(nodes) {
			r.missing += max(d.want[c]-free, 0)
		}
		if !all {
			r.units = d.touching(nodes, on)
			slices.Sort(r.units)
		}
		regions = append(regions, r)
	}
	slices.SortStableFunc(regions, func(a, b *region) int { return cmp.Compare(a.missing, b.missing) })
	return regions
}

// roomIn is how many members of each class fit on some nodes if the class has them to itself.
func (s *scene) roomIn(nodes []int32) []int {
	room := make([]int, len(s.slots))
	for c, slots := range s.slots {
		for _, node := range nodes {
			room[c] += slots[node]
		}
	}
	return room
}

// touching lists the eligible units with pods on some nodes, and those that have to go with them.
func (d *decider) touching(nodes []int32, on [][]int) []int {
	var units []int
	listed := map[int]bool{}
	add := func(u int) {
		if !listed[u] {
			listed[u] = true
			units = append(units, u)
		}
	}
	for _, node := range nodes {
		for _, u := range on[node] {
			add(u)
			if d.p.Units[u].Rest {
				for _, v := range d.all.gangs[d.p.Units[u].Gang].surplus {
					add(v)
				}
			}
		}
	}
	return units
}

// within is the problem with nothing but some of the nodes and units. One domain is all that it asks for.
func (d *decider) within(nodes []int32, units []int) Problem {
	p := d.p
	p.Topology, p.Verify = nil, nil
	at := make(map[int32]int32, len(nodes))
	p.Gang.Nodes = make([]gang.Node, len(nodes))
	for i, node := range nodes {
		at[node] = int32(i)
		p.Gang.Nodes[i] = d.p.Gang.Nodes[node]
	}
	p.Gang.Classes = slices.Clone(p.Gang.Classes)
	for c := range p.Gang.Classes {
		p.Gang.Classes[c] = only(p.Gang.Classes[c], func(node int32) (int32, bool) { i, ok := at[node]; return i, ok })
	}
	p.Units = make([]Unit, len(units))
	for i, u := range units {
		p.Units[i] = d.p.Units[u]
		p.Units[i].Pods = slices.Clone(p.Units[i].Pods)
		for k, pod := range p.Units[i].Pods {
			if inside, ok := at[pod.Node]; ok {
				p.Units[i].Pods[k].Node = inside
			} else {
				p.Units[i].Pods[k].Node = -1
			}
		}
	}
	return p
}

// only leaves a class the nodes that have a new index.
func only(class gang.Class, index func(int32) (int32, bool)) gang.Class {
	kept := class
	kept.Nodes, kept.Score, kept.Cost = nil, nil, nil
	for i, node := range class.Nodes {
		at, ok := index(node)
		if !ok {
			continue
		}
		kept.Nodes = append(kept.Nodes, at)
		if class.Score != nil {
			kept.Score = append(kept.Score, class.Score[i])
		}
		if class.Cost != nil {
			kept.Cost = append(kept.Cost, class.Cost[i])
		}
	}
	return kept
}

// cheapestRegion asks what greedy choice finds in each region, within half of the budget, and returns the cheapest victims that
// Verify agrees to; nil if there are none.
func (d *decider) cheapestRegion(regions []*region) ([]int, error) {
	type found struct {
		victims []int
		price   price
	}
	var all []found
	for _, r := range regions {
		if len(all) > 0 && d.steps > d.p.Budget/2 || d.spent() {
			break
		}
		p := d.within(r.nodes, r.units)
		p.Budget = d.p.Budget - d.steps
		sub := newDecider(p)
		decision, err := sub.first(sub.asItIs, sub.atMost, sub.bounded, sub.greedy, sub.withinRatio)
		d.steps += sub.steps
		if err != nil {
			return nil, err
		}
		r.hopeless = hopeless{proved: decision.Result == gang.Impossible, why: decision.Why}
		if decision.Result == gang.Placed && decision.Why != "" {
			victims := r.whole(decision.Victims)
			all = append(all, found{victims, d.priceOf(victims, 1)})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return a.price.compare(b.price, false) })
	for _, f := range all {
		if d.spent() {
			break
		}
		if ok, err := d.verifyGone(f.victims); err != nil || ok {
			return f.victims, err
		}
	}
	return nil, nil
}

// whole translates units of a region.
func (r *region) whole(units []int) []int {
	whole := make([]int, len(units))
	for i, u := range units {
		whole[i] = r.units[u]
	}
	return whole
}

// anyRegion looks for victims in one region after the other with all that a decision goes through, sharing what is left of the
// budget. Nil if there are none.
func (d *decider) anyRegion(regions []*region) ([]int, error) {
	open := slices.DeleteFunc(slices.Clone(regions), func(r *region) bool { return r.proved && r.why != "" })
	for i, r := range open {
		if d.spent() {
			break
		}
		if d.p.Verify != nil { // It may depend on any unit.
			r.units = slices.Sorted(slices.Values(d.eligible))
		}
		p := d.within(r.nodes, r.units)
		if d.p.Verify != nil {
			p.Verify = func(gone []int) (bool, error) { return d.p.Verify(r.whole(gone)) }
		}
		p.Budget = max(1, (d.p.Budget-d.steps)/(len(open)-i))
		sub := newDecider(p)
		decision, err := sub.decide()
		d.steps += sub.steps
		if err != nil {
			return nil, err
		}
		r.hopeless = hopeless{proved: decision.Result == gang.Impossible, why: decision.Why}
		if decision.Result == gang.Placed {
			return r.whole(decision.Victims), nil
		}
	}
	return nil, nil
}

// noRegion is the answer where no region has victims, or none were found.
func (d *decider) noRegion(regions []*region) Decision {
	for _, r := range regions {
		if !r.proved {
			return d.unsure()
		}
	}
	decision := Decision{Result: gang.Impossible, Why: d.whyVerify()}
	if len(regions) > 0 {
		decision.Why = regions[0].why
		if title := d.title(regions[0].nodes); title != "" {
			decision.Why = "in " + title + ": " + decision.Why
		}
	}
	return decision
}

// unsure is the answer where the budget was spent.
func (d *decider) unsure() Decision {
	why, _ := d.whySearched(gang.BudgetSpent)
	return Decision{Result: gang.BudgetSpent, Why: why}
}

// title names the domain of the level that the claimant requires with exactly these nodes.
func (d *decider) title(nodes []int32) string {
	for _, tree := range d.p.Topology.Trees {
		if tree == nil {
			continue
		}
		if level, known := tree.Level(d.p.Topology.Gang.Required); known {
			if domain := tree.Domain(level, nodes[0]); slices.Equal(tree.Nodes(level, domain), nodes) {
				return tree.Title(level, domain)
			}
		}
	}
	return ""
}

// spareElsewhere spares victims that need not go since others of them make room in another region as well, and reports whether
// it got to the end. What no subset of the victims makes room in, all victims of that are no worse off without: so each
// region is looked at once, and most have too little room with all of them gone.
func (d *decider) spareElsewhere(s *scene, regions []*region) (bool, error) {
	for _, r := range regions {
		if !d.enough(s.roomIn(r.nodes)) {
			continue
		}
		if d.spent() {
			return false, nil
		}
		p := d.within(r.nodes, s.taken)
		p.Budget = d.p.Budget - d.steps
		gone := slices.Clone(s.taken)
		if d.p.Verify != nil {
			p.Verify = func(units []int) (bool, error) {
				return d.p.Verify(slices.Sorted(slices.Values((&region{units: gone}).whole(units))))
			}
		}
		sub := newDecider(p)
		there := newScene(&sub.p)
		for u := range gone {
			there.take(u)
		}
		fits, err := sub.fits(there)
		done := true
		if err == nil && fits {
			done, err = sub.prune(there, nil, true)
		}
		d.steps += sub.steps
		if err != nil || !done {
			return false, err
		}
		for u, stays := range there.gone {
			if !stays {
				s.putBack(gone[u])
			}
		}
	}
	return true, nil
}

// verifyGone asks Verify about some victims.
func (d *decider) verifyGone(victims []int) (bool, error) {
	if d.p.Verify == nil {
		return true, nil
	}
	d.steps += VerifySteps
	ok, err := d.p.Verify(slices.Sorted(slices.Values(victims)))
	if err != nil {
		return false, fmt.Errorf("verifying that the claimant in queue %s fits with %d units gone: %w", d.p.Queue, len(victims), err)
	}
	return ok, nil
}
