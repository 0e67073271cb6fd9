package reclaim

import (
	"cmp"
	"math"

	"github.com/muster-scheduling/muster/internal/resource"
)

// dominantResource is the one that MaxRatio speaks of; empty if nothing is asked.
func (d *decider) dominantResource() string {
	best := ""
	for _, name := range sortedNames(d.p.Asked) {
		if d.p.Asked[name] > 0 && (best == "" || d.dominates(name, best)) {
			best = name
		}
	}
	return best
}

// dominates reports whether a resource that is asked for goes before another one.
func (d *decider) dominates(a, b string) bool {
	if resource.IsGPU(a) != resource.IsGPU(b) {
		return resource.IsGPU(a)
	}
	if len(d.p.Capacity) == 0 {
		return a == "cpu"
	}
	return perMember(d.p.Asked[a], max(d.p.Capacity[a], 1), d.p.Asked[b], max(d.p.Capacity[b], 1)) > 0
}

// evicted is what the units that are gone used.
func (d *decider) evicted(s *scene) resource.Amounts {
	evicted := resource.Amounts{}
	for _, u := range s.taken {
		evicted.Add(d.p.Units[u].Usage)
	}
	return evicted
}

// most is how much may be evicted of the dominant resource.
func (d *decider) most() int64 {
	if d.p.MaxRatio <= 0 || math.IsNaN(d.p.MaxRatio) || d.dominant == "" {
		return resource.Unlimited
	}
	most := d.p.MaxRatio * float64(d.p.Asked[d.dominant])
	if most >= math.MaxInt64 {
		return resource.Unlimited
	}
	return int64(most)
}

// ratio is how many times what is asked that is of the dominant resource.
func (d *decider) ratio(evicted resource.Amounts) float64 {
	if d.dominant == "" {
		return 0
	}
	return float64(evicted[d.dominant]) / float64(cmp.Or(d.p.Asked[d.dominant], 1))
}
