package reclaim

import (
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// pruner spares victims. Sparing more never makes more room, so what turns out to be needed stays needed.
type pruner struct {
	d    *decider
	s    *scene
	kept []bool // by unit: room, quota or Verify need it
	ask  bool   // Verify is asked as well
}

// prune spares all victims that need not go, the dearest first, and reports whether it got to the end within the budget. The
// claimant fits before and afterwards. With ask Verify agrees to that too; it is called as little as possible: several
// victims are spared at once while that works, and never where arithmetic says no. blocks are victims that are likely to be
// needed together; nil if nothing is known of that.
func (d *decider) prune(s *scene, blocks [][]int, ask bool) (bool, error) {
	defer func() { s.taken = slices.DeleteFunc(s.taken, func(u int) bool { return !s.gone[u] }) }()
	p := &pruner{d: d, s: s, kept: make([]bool, len(d.p.Units)), ask: ask && d.p.Verify != nil}
	if blocks != nil {
		slices.Reverse(blocks)
		if _, err := p.spare(blocks); err != nil || d.spent() {
			return false, err
		}
		clear(p.kept) // was said of blocks
	}
	for {
		var open [][]int
		dearest := d.rank(s.taken)
		slices.Reverse(dearest)
		for _, u := range dearest {
			if s.gone[u] && !p.kept[u] {
				open = append(open, []int{u})
			}
		}
		changed, err := p.spare(open)
		if err != nil || d.spent() {
			return false, err
		}
		if !changed {
			return true, nil
		}
	}
}

// spare tries to spare all blocks at once, else each half of them. It reports whether some were.
func (p *pruner) spare(blocks [][]int) (bool, error) {
	if len(blocks) == 0 || p.d.spent() {
		return false, nil
	}
	back := p.restore(blocks)
	if len(back) == 0 {
		return false, nil
	}
	fits, err := p.fits()
	if err != nil {
		return false, err
	}
	if fits && p.s.entitled() {
		return true, nil
	}
	for _, u := range back {
		p.s.remove(u)
	}
	if len(blocks) == 1 {
		for _, u := range back {
			p.kept[u] = !fits
		}
		return false, nil
	}
	first, err := p.spare(blocks[:len(blocks)/2])
	if err != nil {
		return false, err
	}
	second, err := p.spare(blocks[len(blocks)/2:])
	return first || second, err
}

// restore puts back the units of blocks as far as that leaves no gang half alive, and returns them.
func (p *pruner) restore(blocks [][]int) (back []int) {
	for _, block := range blocks {
		for _, u := range block {
			if p.s.gone[u] && !p.s.needed(u) {
				p.s.restore(u)
				back = append(back, u)
			}
		}
	}
	return back
}

func (p *pruner) fits() (bool, error) {
	if p.ask {
		return p.d.judge(p.s)
	}
	return p.d.fits(p.s)
}

// fits reports whether the claimant has quota and, by arithmetic, room.
func (d *decider) fits(s *scene) (bool, error) {
	d.steps += 1 + len(s.allowed)
	if s.refusal() != nil || !d.mayFit(s) {
		return false, nil
	}
	if len(s.allowed) == 1 && !d.domains || d.layoutFits(s) {
		return true, nil
	}
	if d.domains && !d.partsMayFit(s) {
		return false, nil
	}
	outcome, err := d.planFor(s, d.want)
	if err == nil && outcome.Result != gang.Placed && !d.domains {
		outcome, err = d.plan(s)
	}
	if err != nil || outcome.Result != gang.Placed {
		return false, err
	}
	d.layout = outcome.Runs
	return true, nil
}

// mayFit reports whether there are nodes for as many members as are needed if each class has all nodes to itself. For a
// single class that may be anywhere that is all.
func (d *decider) mayFit(s *scene) bool { return d.enough(s.total) }

// enough reports whether room for so many members of each class may do.
func (d *decider) enough(room []int) bool {
	need := d.p.Gang.Need
	fit := func(ok func(class gang.Class) bool) int {
		sum := 0
		for c, class := range d.p.Gang.Classes {
			if ok(class) {
				sum += min(room[c], class.Count)
			}
		}
		return sum
	}
	for role, n := range need.Role {
		if fit(func(class gang.Class) bool { return class.Role == role }) < n {
			return false
		}
	}
	return fit(func(gang.Class) bool { return true }) >= need.Total
}

// layoutFits reports whether the plan that was found last still has room.
func (d *decider) layoutFits(s *scene) bool {
	if d.layout == nil {
		return false
	}
	d.steps += len(d.layout)
	left := make(map[int32][]int64, len(d.layout))
	for _, run := range d.layout {
		free := left[run.Node]
		if free == nil {
			free = slices.Clone(s.free[run.Node])
			left[run.Node] = free
		}
		for dim, amount := range d.p.Gang.Classes[run.Class].Request {
			if amount > 0 {
				if free[dim]/amount < int64(run.Count) {
					return false
				}
				free[dim] -= amount * int64(run.Count)
			}
		}
	}
	return true
}
