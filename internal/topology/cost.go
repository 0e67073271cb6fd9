package topology

import "slices"

// costs are the numbers of domains that a plan uses, with those in use before: of the level that the gang prefers; of
// those that its units prefer, added up; and the same for all wider levels that are left to choose.
func (v *view) costs(runs []run) []int {
	gangs := v.tree.used(v.gang, v.gang.required, runs)
	units := make([]int, 0, len(v.tree.levels))
	for u, a := range v.units {
		if a.preferred < 0 {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(runs), func(r run) bool { return r.group != u })
		for i, n := range v.tree.used(a, max(a.required, v.gang.required), own) {
			if i == len(units) {
				units = append(units, 0)
			}
			units[i] += n
		}
	}
	var costs []int
	for i := range max(len(gangs), len(units)) {
		if i < len(gangs) {
			costs = append(costs, gangs[i])
		}
		if i < len(units) {
			costs = append(costs, units[i])
		}
	}
	return costs
}

// used counts the domains that a plan uses and those in which members run: of the preferred level, then of the wider ones
// down to above, of which there is one anyway. A node in no domain counts as one.
func (t *Tree) used(a aim, above int, runs []run) []int {
	var used []int
	for level := a.preferred; level > above && level >= 0; level-- {
		seen := map[int32]struct{}{}
		for _, r := range runs {
			seen[t.parcelOf(level, r.Node)] = struct{}{}
		}
		for _, node := range a.runs {
			seen[t.parcelOf(level, node)] = struct{}{}
		}
		used = append(used, len(seen))
	}
	return used
}
