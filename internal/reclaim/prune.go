package reclaim

import "slices"

// prune spares every victim that need not go, the dearest first, until none can be spared.
func (d *decider) prune(s *scene) {
	order := d.rank(s.taken)
	slices.Reverse(order)
	kept := make([]bool, len(d.p.Units)) // room or quota needs it: as fewer go, that stays so
	for changed := true; changed; {
		changed = false
		for _, u := range order {
			if !s.gone[u] || kept[u] || s.needed(u) {
				continue
			}
			at := slices.Index(s.taken, u)
			s.putBack(u)
			fits := s.refusal() == nil && d.fits(s)
			if fits && s.entitled() {
				changed = true
				continue
			}
			kept[u] = !fits
			s.take(u)
			last := len(s.taken) - 1
			copy(s.taken[at+1:], s.taken[at:last])
			s.taken[at] = u
		}
	}
}

// fits reports whether the claimant has room.
func (d *decider) fits(s *scene) bool {
	need := d.p.Gang.Need
	fit := 0
	for c := range s.total {
		fit += min(s.total[c], d.p.Gang.Classes[c].Count)
	}
	if fit < need.Total {
		return false
	}
	for role, n := range need.Role {
		fit := 0
		for c, class := range d.p.Gang.Classes {
			if class.Role == role {
				fit += min(s.total[c], class.Count)
			}
		}
		if fit < n {
			return false
		}
	}
	if len(d.p.Gang.Classes) == 1 {
		return true
	}
	outcome, err := d.plan(s)
	return err == nil && outcome.Result == 0
}
