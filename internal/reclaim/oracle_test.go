package reclaim

import (
	"fmt"
	"slices"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/resource"
)

// oracle knows everything about a small problem: it goes through all sets of units. A set is a bit mask.
type oracle struct {
	p     Problem
	legal []bool // the units can be taken one after the other
	fits  []bool // the claimant then has quota and room, and Verify agrees
}

func newOracle(p Problem) *oracle {
	o := &oracle{p: p, legal: make([]bool, 1<<len(p.Units)), fits: make([]bool, 1<<len(p.Units))}
	o.legal[0] = true
	for set := range o.legal {
		books := o.books(set)
		o.fits[set] = o.judge(set, books)
		for u := range p.Units {
			if next := set | 1<<u; o.legal[set] && next != set && o.mayGo(set, u, books) {
				o.legal[next] = true
			}
		}
	}
	return o
}

// books is the ledger once the units of a set are gone.
func (o *oracle) books(set int) *ledger.Ledger {
	books := o.p.Ledger.Clone()
	for u, unit := range o.p.Units {
		if set&(1<<u) != 0 {
			books.Release(unit.Queue, unit.Usage, false)
		}
	}
	return books
}

func (o *oracle) mayGo(set, u int, books *ledger.Ledger) bool {
	unit := o.p.Units[u]
	if unit.Rest {
		for v, other := range o.p.Units {
			if v != u && other.Gang == unit.Gang && set&(1<<v) == 0 {
				return false
			}
		}
	}
	evicted := make([]int, len(o.p.Disruptions))
	for _, v := range o.units(set | 1<<u) {
		for _, budget := range o.p.Units[v].Budgets {
			evicted[budget]++
		}
	}
	for budget, allowed := range o.p.Disruptions {
		if evicted[budget] > allowed {
			return false
		}
	}
	return unit.Preempt ||
		books.Entitled(o.p.Queue, unit.Queue, o.p.Asked) && books.Takeable(o.p.Queue, unit.Queue, o.p.Asked, unit.Usage)
}

func (o *oracle) judge(set int, books *ledger.Ledger) bool {
	if books.Check(o.p.Queue, o.p.Asked, o.p.Firm) != nil {
		return false
	}
	if o.p.Topology != nil {
		if !newLayout(o.room(set), o.p.Topology).possible() {
			return false
		}
	} else if outcome, err := gang.Plan(o.room(set), nil); err != nil || outcome.Result != gang.Placed {
		return false
	}
	if o.p.Verify == nil {
		return true
	}
	ok, err := o.p.Verify(o.units(set))
	return ok && err == nil
}

func (o *oracle) room(set int) gang.Problem { return roomWithout(o.p, o.units(set)) }

// roomWithout is the claimant's problem once some units are gone.
func roomWithout(p Problem, gone []int) gang.Problem {
	room := p.Gang
	room.Nodes = slices.Clone(room.Nodes)
	for i := range room.Nodes {
		room.Nodes[i].Free = slices.Clone(room.Nodes[i].Free)
	}
	for _, u := range gone {
		for _, pod := range p.Units[u].Pods {
			if pod.Node >= 0 {
				room.Nodes[pod.Node].Free.Add(pod.Amount)
			}
		}
	}
	return room
}

func (o *oracle) units(set int) []int {
	units := []int{}
	for u := range o.p.Units {
		if set&(1<<u) != 0 {
			units = append(units, u)
		}
	}
	return units
}

// withinRatio reports whether a set evicts no more than MaxRatio allows of GPUs, of which some are asked.
func (o *oracle) withinRatio(set int) bool {
	evicted := resource.Amounts{}
	for _, u := range o.units(set) {
		evicted.Add(o.p.Units[u].Usage)
	}
	return o.p.MaxRatio == 0 || float64(evicted[gpu]) <= o.p.MaxRatio*float64(o.p.Asked[gpu])
}

// solvable reports whether there are any victims.
func (o *oracle) solvable() bool {
	for set := range o.legal {
		if o.legal[set] && o.fits[set] && o.withinRatio(set) {
			return true
		}
	}
	return false
}

// wrong says what is wrong with a decision, or is empty.
func (o *oracle) wrong(d Decision) string {
	if o.solvable() != (d.Result == gang.Placed) {
		return fmt.Sprintf("%v, and that there are victims is %v", d.Result, o.solvable())
	}
	if d.Why == "" {
		return "no words"
	}
	if d.Result != gang.Placed {
		if len(d.Victims)+len(d.Runs) > 0 || d.Result == gang.BudgetSpent {
			return fmt.Sprintf("%v with victims %v", d.Result, d.Victims)
		}
		return ""
	}
	set := 0
	for _, u := range d.Victims {
		if set&(1<<u) != 0 || !o.mayGo(set, u, o.books(set)) {
			return fmt.Sprintf("unit %d of %v may not be taken", u, d.Victims)
		}
		set |= 1 << u
	}
	if !o.fits[set] || !o.withinRatio(set) {
		return fmt.Sprintf("victims %v: fits is %v, within MaxRatio %v", d.Victims, o.fits[set], o.withinRatio(set))
	}
	for _, u := range d.Victims {
		if less := set &^ (1 << u); o.legal[less] && o.fits[less] && !o.requires(less, u) {
			return fmt.Sprintf("unit %d of %v could be spared", u, d.Victims)
		}
	}
	if o.p.Topology != nil {
		if wrong := apart(o.p.Topology, d.Runs); wrong != "" {
			return wrong
		}
	}
	return unsound(o.room(set), d.Runs)
}

// requires reports whether the minimum of a unit's gang is in the set.
func (o *oracle) requires(set, u int) bool {
	for _, v := range o.units(set) {
		if o.p.Units[v].Rest && o.p.Units[v].Gang == o.p.Units[u].Gang {
			return true
		}
	}
	return false
}

// unsound says what is wrong with a plan, or is empty. It uses up the room.
func unsound(room gang.Problem, runs []gang.Run) string {
	placed, roles := 0, map[string]int{}
	for _, run := range runs {
		class := room.Classes[run.Class]
		if !slices.Contains(class.Nodes, run.Node) {
			return fmt.Sprintf("run %+v is on a node that is not allowed", run)
		}
		for range run.Count {
			if !class.Request.Fits(room.Nodes[run.Node].Free) {
				return fmt.Sprintf("run %+v does not fit", run)
			}
			room.Nodes[run.Node].Free.Sub(class.Request)
			roles[class.Role]++
			placed++
		}
	}
	for role, need := range room.Need.Role {
		if roles[role] < need {
			return fmt.Sprintf("%d of role %q are placed, %d are needed", roles[role], role, need)
		}
	}
	if placed < room.Need.Total {
		return fmt.Sprintf("%d members are placed, %d are needed", placed, room.Need.Total)
	}
	return ""
}
