package reclaim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// line is an order in which units may be taken one after the other, none left out for what it costs.
type line struct {
	s     *scene
	units []int
	ends  []int // of the groups that make room on the same nodes
}

// inLine answers where greedy choice ends with something that Verify, or the planner, does not agree to. It lines up all
// units by the nodes that they make room on, searches by halving for the shortest part of the line after which the claimant
// fits, and spares what it can of that.
func (d *decider) inLine() (Decision, error) {
	if d.p.Verify != nil {
		if ok, err := d.verify(d.all); err != nil {
			return Decision{}, err
		} else if !ok {
			return Decision{Result: gang.Impossible, Why: d.whyVerify()}, nil
		}
	}
	l := d.lineUp()
	end, err := d.shortest(l)
	if err != nil || end < 0 {
		return Decision{}, err
	}
	l.moveTo(end)
	var blocks [][]int
	for i, start := 0, 0; i <= end; i++ {
		blocks = append(blocks, l.units[start:l.ends[i]])
		start = l.ends[i]
	}
	if done, err := d.prune(l.s, blocks, true); err != nil || !done {
		return Decision{}, err
	}
	if evicted := d.evicted(l.s)[d.dominant]; evicted > d.most() {
		d.over = cmp.Or(d.over, d.whyTooMuch(evicted))
		return Decision{}, nil
	}
	return d.placed(l.s)
}

// lineUp takes all units that may be taken one after the other, in the order of greedy choice for as many members as
// possible.
func (d *decider) lineUp() *line {
	d.sparing = d.over != ""
	s := newScene(&d.p)
	c, _ := d.choose(s, d.all.total)
	c.exhaust()
	s.sweep()
	return &line{s: s, units: slices.Clone(s.taken), ends: c.groups}
}

// moveTo makes the scene the one in which the groups up to one are gone; -1 for none.
func (l *line) moveTo(group int) {
	end := 0
	if group >= 0 {
		end = l.ends[group]
	}
	l.s.undo(end)
	for _, u := range l.units[len(l.s.taken):end] {
		l.s.take(u)
	}
}

// shortest returns the first group after which the claimant fits, -1 if there is none.
func (d *decider) shortest(l *line) (int, error) {
	low, high := -1, len(l.ends)-1 // up to low it does not fit, up to high it does
	if high < 0 {
		return -1, nil
	}
	if ok, err := d.judge(l.s); err != nil || !ok {
		return -1, err
	}
	for high-low > 1 {
		if d.spent() {
			return -1, nil
		}
		middle := (low + high) / 2
		l.moveTo(middle)
		ok, err := d.judge(l.s)
		if err != nil {
			return -1, err
		}
		if ok {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}

// judge asks arithmetic, then Verify.
func (d *decider) judge(s *scene) (bool, error) {
	if fits, err := d.fits(s); err != nil || !fits {
		return false, err
	}
	return d.verify(s)
}

// verify asks whether the gang fits with what is gone.
func (d *decider) verify(s *scene) (bool, error) {
	if d.p.Verify == nil {
		return true, nil
	}
	d.steps += VerifySteps
	gone := []int{}
	for u, is := range s.gone {
		if is {
			gone = append(gone, u)
		}
	}
	ok, err := d.p.Verify(gone)
	if err != nil {
		return false, fmt.Errorf("verifying that the claimant in queue %s fits with %d units gone: %w", d.p.Queue, len(gone), err)
	}
	return ok, nil
}
