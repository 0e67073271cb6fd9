package topology

import (
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
)

// change is a run that was placed, and what its node was before.
type change struct {
	run   run
	node  gang.Node
	slots []int32
}

// take places runs for good as far as the search is concerned, until rollback. It reports false, and has placed some of
// them, if the Space refuses one.
func (s *search) take(runs []run) (bool, error) {
	if len(s.trail) == 0 && len(runs) > 0 {
		s.nodes = slices.Clone(s.p.Nodes)
	}
	for _, r := range runs {
		if s.space != nil {
			for done := range r.Count {
				s.steps += placeSteps
				ok, err := s.space.Place(r.Class, r.Node)
				if err != nil {
					return false, err
				}
				if !ok {
					r.Count = done
					s.put(r)
					return false, nil
				}
			}
		}
		s.put(r)
	}
	return true, nil
}

// placeSteps is what one call of Space.Place takes of the budget, as in package gang.
const placeSteps = 64

// put takes the resources of a run.
func (s *search) put(r run) {
	node := &s.nodes[r.Node]
	row := s.row(r.Node)
	s.trail = append(s.trail, change{run: r, node: *node, slots: slices.Clone(row)})
	node.Free = slices.Clone(node.Free)
	for d, amount := range s.p.Classes[r.Class].Request {
		node.Free[d] -= amount * int64(r.Count)
	}
	node.Idle = node.Idle && r.Count == 0
	for c, n := range row {
		if n > 0 {
			row[c] = int32(min(s.p.Classes[c].Request.Times(node.Free), manySlots))
		}
	}
	s.tell(s.trail[len(s.trail)-1], s.trail[len(s.trail)-1].slots, row, -1)
}

// tell brings the maps up to date after a change, or the taking back of one.
func (s *search) tell(ch change, before, after []int32, idle int) {
	if !ch.node.Idle || ch.run.Count == 0 {
		idle = 0
	}
	for _, m := range s.maps {
		m.changed(ch.run.Node, before, after, idle)
	}
}

// rollback takes back what was placed since the trail had the given length.
func (s *search) rollback(mark int) error {
	for len(s.trail) > mark {
		last := len(s.trail) - 1
		ch := s.trail[last]
		s.tell(ch, s.row(ch.run.Node), ch.slots, 1)
		copy(s.row(ch.run.Node), ch.slots)
		s.nodes[ch.run.Node] = ch.node
		s.trail = s.trail[:last]
		for range ch.run.Count {
			if s.space == nil {
				break
			}
			if err := s.space.Undo(); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is the slots of a node.
func (s *search) row(node int32) []int32 {
	return s.slots[int(node)*s.classes : (int(node)+1)*s.classes]
}
