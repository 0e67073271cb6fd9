package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Placement is one member of a plan and the node that it gets.
type Placement struct {
	UID  types.UID
	Node string
}

// plan is a placement of a whole gang on its way to be bound: first every member up to the minimum is reserved, then
// the gate opens and all of them are bound.
type plan struct {
	// node holds the members that have not been reserved yet.
	node map[types.UID]string
	// waiting lists the members that are reserved and wait in Permit.
	waiting []types.UID
	open    bool
}

// Standing is how the scheduling cycle has to treat a pod.
type Standing int

const (
	// Free pods are placed by the scheduler on their own: pods of no gang, and members beyond the minimum.
	Free Standing = iota
	// Planned pods go to the one node that the plan names.
	Planned
	// Leading pods have their whole gang planned.
	Leading
	// Waiting pods have no business in a scheduling cycle: their gang changed since they were queued.
	Waiting
)

// Commit takes a plan, in the order in which its members have to be reserved, and lets them into the queue ahead of
// everybody else. Members beyond what is needed and Request.Extra are left out. The first placement that is left must be
// the leader's if its cycle is to go on.
//
// It fails when the gang changed since the request was made so that the plan no longer covers what is missing.
func (r *Registry) Commit(request Request, placements []Placement) ([]Placement, Effects, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	c := r.claims[request.ID]
	if !r.hasTurn(c) || !c.e.judgeable() || c.e.plan != nil {
		return nil, effects, fmt.Errorf("committing the plan of gang %s: the gang changed meanwhile", request.Key)
	}
	e := c.e
	p := &plan{node: make(map[types.UID]string, len(placements))}
	placements = r.trim(c, placements, request.Need, request.Extra)
	for _, placement := range placements {
		if m := e.members[placement.UID]; m != nil && m.standing == ready {
			p.node[placement.UID] = placement.Node
		}
	}
	if !e.covers(p) {
		return nil, effects, fmt.Errorf("committing the plan of gang %s: members left meanwhile", request.Key)
	}
	asked := newBill()
	for uid := range p.node {
		asked.add(e.members[uid])
	}
	if !r.line.MayStart(c.id, asked.amount) {
		return nil, effects, fmt.Errorf("committing the plan of gang %s: queue %s was changed meanwhile", request.Key, c.turn.Queue)
	}
	leader := e.leader
	e.leaveLine()
	e.plan = p
	for i, placement := range placements {
		m := e.members[placement.UID]
		if m == nil || p.node[placement.UID] == "" {
			continue
		}
		m.planned = true
		m.book()
		r.order.freeze(placement.UID, order{committing: true, sequence: i})
		if placement.UID != leader {
			effects.Activate = append(effects.Activate, m.pod)
		}
	}
	r.note(e)
	return placements, effects, nil
}

// trim keeps of a plan what is needed and as many more as may come along and have quota, in the order of the plan.
func (r *Registry) trim(c *claim, placements []Placement, need gang.Need, extra int) []Placement {
	if len(placements) <= need.Total {
		return placements
	}
	left, role := need.Total, maps.Clone(need.Role)
	for _, missing := range role {
		left -= missing
	}
	keep, asked := make([]bool, len(placements)), newBill()
	for i, placement := range placements {
		m := c.e.members[placement.UID]
		switch {
		case m == nil:
			continue
		case role[m.role] > 0:
			role[m.role]--
		case left > 0:
			left--
		default:
			continue
		}
		keep[i] = true
		asked.add(m)
	}
	kept := make([]Placement, 0, len(placements))
	for i, placement := range placements {
		if m := c.e.members[placement.UID]; m != nil && !keep[i] && extra > 0 {
			more := asked.with(m)
			if keep[i] = r.line.MayStart(c.id, more.amount); keep[i] {
				asked = more
				extra--
			}
		}
		if keep[i] {
			kept = append(kept, placement)
		}
	}
	return kept
}

// Reserve takes note that a pod has been reserved on a node. It fails for a member whose plan is gone or names another
// node, and for a pod whose turn it is not.
func (r *Registry) Reserve(pod *corev1.Pod, node string) (Effects, error) {
	var effects Effects
	if !ours(pod) {
		return effects, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[pod.UID]
	if m == nil || m.standing != ready {
		return effects, fmt.Errorf("reserving node %s for pod %s/%s: it is no longer a member that waits", node, pod.Namespace, pod.Name)
	}
	e := m.gang
	switch {
	case e.plan != nil:
		if planned, ok := e.plan.node[pod.UID]; !ok || planned != node {
			return effects, fmt.Errorf("reserving node %s for pod %s/%s: its gang's plan says %q", node, pod.Namespace, pod.Name, planned)
		}
		delete(e.plan.node, pod.UID)
		m.planned = false
	case !r.hasTurn(m.claimOf()) || m.claim == nil && !e.key.Single():
		return effects, fmt.Errorf("reserving node %s for pod %s/%s: its gang's plan is gone", node, pod.Namespace, pod.Name)
	case !r.line.MayStart(m.claimOf().id, billOf(m)):
		return effects, fmt.Errorf("reserving node %s for pod %s/%s: queue %s was changed meanwhile", node, pod.Namespace, pod.Name, e.queue())
	case m.claim != nil:
		m.leaveLine()
	default:
		e.leaveLine()
	}
	m.setReserved(true)
	m.become(held)
	m.book()
	r.settle(e, &effects)
	r.advance(&effects)
	return effects, nil
}

// Permission is what Permit says of a reserved pod.
type Permission int

const (
	// Go: the pod may be bound.
	Go Permission = iota
	// Wait: the minimum of its gang is not reserved yet.
	Wait
	// Refuse: the gang's plan fell since the pod was reserved.
	Refuse
)

// Permit says whether a reserved pod may be bound. When it is the one that completes its gang's minimum, the effects let
// the others go.
func (r *Registry) Permit(pod *corev1.Pod) (Permission, Effects) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	m := r.members[pod.UID]
	if m == nil {
		return Go, effects
	}
	e := m.gang
	if e.plan == nil && (!e.judgeable() || !e.need().Met()) {
		return Refuse, effects
	}
	if !e.need().Met() {
		e.plan.waiting = append(e.plan.waiting, pod.UID)
		return Wait, effects
	}
	if e.plan != nil {
		e.plan.open = true
		effects.Allow, e.plan.waiting = e.plan.waiting, nil
		r.settle(e, &effects)
		r.advance(&effects)
	}
	return Go, effects
}

// GiveBack takes note that a member failed on its way: its node turned out unfit, its reservation was given back, or
// its bind was refused. Before the gate is open the whole plan falls; after it, only this member does. The gang is not
// tried again at once: what failed may fail again, and others shall have their turn.
func (r *Registry) GiveBack(uid types.UID) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	m := r.members[uid]
	if m == nil {
		return effects
	}
	e := m.gang
	failed := m.reserved || m.planned
	e.stale = true
	m.setReserved(false)
	m.refresh(&effects)
	if e.plan != nil {
		e.leavePlan(m, &effects)
	}
	r.settle(e, &effects)
	if c := cmp.Or(m.claimOf(), e.claim); failed && c != nil && !r.line.HeldBack(c.id, r.now()) { // Else another member has failed already.
		e.tries++
		r.line.HoldBack(c.id, r.now().Add(backOff(e.tries)), gang.Verdict{
			Reason: gang.NotYetPlanned, Message: "the gang was planned, but a member could not be bound; it is tried again after a pause",
		})
		r.note(e)
	}
	r.advance(&effects)
	return effects
}

// leavePlan takes a member out of the plan. A plan that no longer covers the minimum falls.
func (e *entry) leavePlan(m *member, effects *Effects) {
	delete(e.plan.node, m.pod.UID)
	m.planned = false
	m.book()
	e.plan.waiting = slices.DeleteFunc(e.plan.waiting, func(uid types.UID) bool { return uid == m.pod.UID })
	if e.plan.open {
		return
	}
	if !e.covers(e.plan) {
		e.dropPlan(effects)
	}
}

// covers reports whether the gang has its minimum once the rest of a plan is reserved.
func (e *entry) covers(p *plan) bool {
	covered := maps.Clone(e.count[held])
	for uid := range p.node {
		covered[e.members[uid].role]++
	}
	return e.spec.Need(covered).Met()
}

// dropPlan gives up the plan under way: whoever waits in Permit is sent back.
func (e *entry) dropPlan(effects *Effects) {
	if e.plan == nil {
		return
	}
	if !e.plan.open {
		effects.Reject = append(effects.Reject, e.plan.waiting...)
	}
	e.endPlan()
}

// endPlan forgets the plan, and that it named nodes.
func (e *entry) endPlan() {
	p := e.plan
	e.plan, e.stale = nil, true
	for uid := range p.node {
		if m := e.members[uid]; m != nil {
			m.planned = false
			m.book()
		}
	}
}
