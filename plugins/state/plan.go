package state

import (
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

// Request is what the leader's cycle has to plan.
type Request struct {
	Key  Key
	Need gang.Need
	// Priority is the gang's.
	Priority int32
	// Pods are the members that wait, the leader first, the others oldest first.
	Pods []*corev1.Pod
}

// Admit decides whether a pod may enter the scheduling queue, and says why not. It takes note of the pod as well, since
// the queue may see a pod before the registry's own informer handler does. The order of the pod in the queue is fixed
// here.
func (r *Registry) Admit(pod *corev1.Pod) (bool, string) {
	key, isMember := GangOf(pod)
	if !isMember {
		return true, ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// The effects are dropped: they belong to other pods, and the informer's handler brings the same change.
	r.upsert(key, pod, &Effects{})
	e := r.gangs[key]
	if e == nil {
		return false, "the pod has ended"
	}
	m := e.members[pod.UID]
	defer r.note(e)
	switch {
	case m == nil || m.standing != ready:
		return false, "the pod cannot be placed"
	case e.plan != nil:
		if _, planned := e.plan.node[pod.UID]; !planned {
			return false, "the gang is being bound; this pod's turn comes after"
		}
		return true, ""
	case !e.judgeable() || !e.need().Met() && e.spec.Shortage(e.count[held], e.count[ready]) != "":
		return false, e.verdict().Message
	case !e.need().Met() && !e.led():
		e.leader = pod.UID
	case !e.need().Met() && e.leader != pod.UID:
		return false, "the gang is planned as a whole, through another of its pods"
	}
	r.order.freeze(pod.UID, e.order(pod))
	return true, ""
}

// Standing says how a scheduling cycle has to treat a pod, and brings the node of a Planned or the request of a Leading
// one.
func (r *Registry) Standing(pod *corev1.Pod) (Standing, string, Request) {
	key, isMember := GangOf(pod)
	if !isMember {
		return Free, "", Request{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[pod.UID]
	if m == nil {
		return Waiting, "", Request{}
	}
	e := m.gang
	switch {
	case e.plan != nil:
		node, planned := e.plan.node[pod.UID]
		if !planned {
			return Waiting, "", Request{}
		}
		return Planned, node, Request{}
	case !e.judgeable():
		return Waiting, "", Request{}
	case e.need().Met():
		return Free, "", Request{}
	case e.leader != pod.UID || m.standing != ready:
		return Waiting, "", Request{}
	}
	e.stale = false
	pods := e.pods(ready)
	at := slices.IndexFunc(pods, func(p *corev1.Pod) bool { return p.UID == pod.UID })
	leaderFirst := slices.Concat(pods[at:at+1], pods[:at], pods[at+1:])
	return Leading, "", Request{Key: key, Need: e.need(), Priority: e.priority(), Pods: leaderFirst}
}

// Commit takes a plan, in the order in which its members have to be reserved, and lets them into the queue ahead of
// everybody else. The first placement must be the leader's: its cycle is under way.
//
// It fails when the gang changed since the request was made so that the plan no longer covers what is missing.
func (r *Registry) Commit(request Request, placements []Placement) (Effects, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	e := r.gangs[request.Key]
	if e == nil || !e.judgeable() || e.plan != nil {
		return effects, fmt.Errorf("committing the plan of gang %s: the gang changed meanwhile", request.Key)
	}
	p := &plan{node: make(map[types.UID]string, len(placements))}
	for i, placement := range placements {
		m := e.members[placement.UID]
		if m == nil || m.standing != ready {
			continue
		}
		p.node[placement.UID] = placement.Node
		r.order.freeze(placement.UID, order{committing: true, sequence: i})
		if placement.UID != e.leader {
			effects.Activate = append(effects.Activate, m.pod)
		}
	}
	if !e.covers(p) {
		return Effects{}, fmt.Errorf("committing the plan of gang %s: members left meanwhile", request.Key)
	}
	e.plan, e.failure = p, Failure{}
	r.note(e)
	return effects, nil
}

// Failure is why the last planning attempt found no room.
type Failure struct {
	// Message says so in words.
	Message string
	// WantsCompany is set when pods that are placed elsewhere can let a member in: by affinity, or by evening out a spread.
	WantsCompany bool
}

// Fail records why the leader's cycle found no plan.
func (r *Registry) Fail(key Key, failure Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.gangs[key]; e != nil {
		e.failure = failure
		r.note(e)
	}
}

// WantsCompany reports whether the gang of a pod failed last time for want of other pods.
func (r *Registry) WantsCompany(pod *corev1.Pod) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[pod.UID]
	return m != nil && m.gang.failure.WantsCompany
}

// Reserve takes note that a pod has been reserved on a node. It fails for a member whose plan is gone or names another
// node.
func (r *Registry) Reserve(pod *corev1.Pod, node string) error {
	if _, isMember := GangOf(pod); !isMember {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[pod.UID]
	if m == nil || m.standing != ready {
		return fmt.Errorf("reserving node %s for pod %s/%s: it is no longer a member that waits", node, pod.Namespace, pod.Name)
	}
	if e := m.gang; e.plan != nil {
		if planned, ok := e.plan.node[pod.UID]; !ok || planned != node {
			return fmt.Errorf("reserving node %s for pod %s/%s: its gang's plan says %q", node, pod.Namespace, pod.Name, planned)
		}
		delete(e.plan.node, pod.UID)
	} else if !e.need().Met() {
		return fmt.Errorf("reserving node %s for pod %s/%s: its gang's plan is gone", node, pod.Namespace, pod.Name)
	}
	m.setReserved(true)
	m.become(held)
	return nil
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
	}
	return Go, effects
}

// GiveBack takes note that a member failed on its way: its node turned out unfit, its reservation was given back, or
// its bind was refused. Before the gate is open the whole plan falls; after it, only this member does.
func (r *Registry) GiveBack(uid types.UID) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	m := r.members[uid]
	if m == nil {
		return effects
	}
	e := m.gang
	m.setReserved(false)
	m.refresh(&effects)
	if e.plan != nil {
		e.leavePlan(m, &effects)
	}
	if e.plan == nil && !e.led() && m.standing == ready {
		// The pod that failed leads the next attempt. It is still in flight, so the queue makes it wait its back-off.
		e.leader = uid
		effects.Activate = append(effects.Activate, m.pod)
	}
	r.settle(e, &effects)
	return effects
}

// leavePlan takes a member out of the plan. A plan that no longer covers the minimum falls.
func (e *entry) leavePlan(m *member, effects *Effects) {
	delete(e.plan.node, m.pod.UID)
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
	e.plan = nil
}
