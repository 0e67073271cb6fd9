package reservation

import (
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Renew makes the hold of a waiting gang, or says what becomes of the one that it has. Call it for the gangs that get holds,
// in the order in which they got them or of the line, at every decision. p.Holds are those of gangs that are ahead, as
// renewed before, and freed capacity; behind are those of gangs that come after this one. The first time, old has the
// gang's name only.
//
// Made afresh, a hold gives the gang its Earliest start without regard to those behind, which then have to move. A hold
// that stands keeps its nodes and its Start, but for two cases:
//
//   - The gang can start earlier, or now, without delaying those behind; or Start has passed and it can start now on its
//     nodes. So where nothing runs longer than expected, no hold ever moves to a later time.
//   - Start has passed, and the gang has waited since as long as it waited before, from Made on. Then something overruns,
//     and the hold is made afresh. Until then nobody else gets what it keeps, so the gang starts when the last of those
//     that overrun on its nodes has ended. Each time takes at least twice as long as the one before, so that sooner or
//     later no run time is longer, however wrong estimates are: if no job runs longer than D or is expected to run longer
//     than E, the first in line starts within about 4·max(D, E).
//
// That bound needs the order: if each of several gangs counts the others as ahead, those that overrun give way to each
// other and may do so for ever.
//
// A hold stands if its nodes still have its amounts, once everything that has an expected end is gone, and the gang can
// still be placed there. One without Start stands while its nodes have its amounts with nothing running there.
//
// The Start that is returned is a forecast: when the gang will start on the nodes of its hold as it looks now, which is also
// when to look again if nothing happens before. It may be later than Hold.Start, never earlier, and moves with jobs that
// overrun. Where it is now, its Runs say where; a hold that is kept comes without Runs. Where Result is not Placed, or the
// gang waits behind endless holds, the hold that is returned keeps nothing. The error is the planner's.
func Renew(p Problem, old Hold, behind []Hold) (Hold, Start, error) {
	on := p.on(old)
	stands, err := on.stands(old)
	if err != nil {
		return Hold{}, Start{}, err
	}
	if !stands || overran(old, p.Now) {
		start, err := Earliest(p)
		return p.Hold(old, start), start, err
	}
	all := p
	all.Holds = slices.Concat(p.Holds, behind)
	start, err := Earliest(all)
	if err != nil {
		return Hold{}, Start{}, err
	}
	if start.Known && (old.Start.IsZero() || start.At.Before(old.Start) || !start.At.After(p.Now)) {
		return p.Hold(old, start), start, nil
	}
	due := on.due(old)
	if due.Known && !due.At.After(p.Now) && !old.Start.After(p.Now) { // Only those behind are in the way, and they are late too.
		start, err := Earliest(p)
		return p.Hold(old, start), start, err
	}
	if due.Known && due.At.Before(old.Start) {
		due.At = old.Start // Before, it would delay those behind.
	}
	old.End = p.end(old.Start)
	return old, due, nil
}

// overran tells whether a gang has waited after its Start for as long as before, and a minute at least.
func overran(old Hold, now time.Time) bool {
	return !old.Start.IsZero() && now.Sub(old.Start) >= max(overdueGrace, old.Start.Sub(old.Made))
}

// on is the problem of placing the gang on the nodes of a hold.
func (p Problem) on(hold Hold) Problem {
	index := make([]int32, len(p.Nodes))
	on := p
	on.Nodes = nil
	for i, node := range p.Nodes {
		index[i] = -1
		if hold.Amount[node.Name] != nil {
			index[i] = int32(len(on.Nodes))
			on.Nodes = append(on.Nodes, node)
		}
	}
	if p.Topology != nil { // Its domains speak of the nodes by their places.
		on.Nodes = make([]Node, len(p.Nodes))
		for i, node := range p.Nodes {
			on.Nodes[i] = Node{Name: node.Name, Allocatable: make(resource.Vector, p.Table.Len())}
			if index[i] >= 0 {
				index[i], on.Nodes[i] = int32(i), node
			}
		}
	}
	on.Gang.Classes = slices.Clone(p.Gang.Classes)
	for i := range on.Gang.Classes {
		class := &on.Gang.Classes[i]
		class.Nodes, class.Score, class.Cost = nil, nil, nil
		for _, node := range p.Gang.Classes[i].Nodes {
			if index[node] >= 0 {
				class.Nodes = append(class.Nodes, index[node])
			}
		}
	}
	return on
}

// stands tells whether the nodes of a hold, which are those of p, will have its amounts and these suffice. What runs on them
// and has an expected end does not count, and nothing does where the hold has no Start.
func (p Problem) stands(hold Hold) (bool, error) {
	if len(hold.Amount) == 0 {
		return false, nil
	}
	start := min(last, max(0, offset(p.Now, hold.Start)))
	p.Nodes = slices.Clone(p.Nodes)
	for i := range p.Nodes {
		p.Nodes[i].Uses = slices.DeleteFunc(slices.Clone(p.Nodes[i].Uses), func(u Use) bool {
			return start == last || !u.Until.IsZero()
		})
	}
	room := newTimeline(p).fill(start)
	for i, node := range p.Nodes {
		held := amounts(p.Table, hold.Amount[node.Name])
		if !held.Fits(room[i].Free) {
			return false, nil
		}
		room[i].Free = held
	}
	outcome, err := newSearch(p, nil).plan(room, 1)
	// Amounts that fit exactly are hard to plan, so what is not proved impossible stands.
	return outcome.Result != gang.Impossible, err
}

// due is when the nodes of a hold, which are those of p, are expected to have its amounts.
func (p Problem) due(hold Hold) Start {
	t := newTimeline(p)
	start, found, _ := t.first(func(start int64, _ bool) (bool, error) {
		for i, free := range t.fill(start) {
			if !amounts(p.Table, hold.Amount[p.Nodes[i].Name]).Fits(free.Free) {
				return false, nil
			}
		}
		return true, nil
	})
	if !found {
		return Start{Result: gang.Placed}
	}
	return Start{Result: gang.Placed, Known: true, At: p.Now.Add(time.Duration(start))}
}

// Hold is the hold that keeps a Start for a gang, with the name and age of its old hold. The Start belongs to the same Problem.
func (p Problem) Hold(old Hold, start Start) Hold {
	hold := Hold{Gang: old.Gang, Made: old.Made, Start: start.At, End: p.end(start.At)}
	if hold.Made.IsZero() {
		hold.Made = p.Now
	}
	if len(start.Runs) > 0 {
		hold.Amount = make(map[string]resource.Amounts)
	}
	for _, run := range start.Runs {
		node := p.Nodes[run.Node].Name
		if hold.Amount[node] == nil {
			hold.Amount[node] = resource.Amounts{}
		}
		for d, amount := range p.Gang.Classes[run.Class].Request {
			if amount > 0 {
				hold.Amount[node].Add(resource.Amounts{p.Table.Name(d): resource.Product(amount, int64(run.Count))})
			}
		}
	}
	return hold
}

// end is when the gang ends if it starts at start, as Hold.End has it.
func (p Problem) end(start time.Time) time.Time {
	if start.IsZero() || p.Runtime <= 0 {
		return time.Time{}
	}
	return start.Add(p.Runtime)
}
