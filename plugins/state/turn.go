package state

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/reservation"
)

const (
	// stalledTurn is how long a turn may take before it goes to the next gang: a plugin that we do not know may keep the
	// pod out of the scheduling queue.
	stalledTurn = 10 * time.Second
	// A gang whose attempt failed for another reason than room waits for firstBackOff, then twice as long each time, up to
	// lastBackOff.
	firstBackOff = time.Second
	lastBackOff  = 30 * time.Second
)

// Outcome is what the scheduling cycle found for the gang whose turn it was: why it does not start now.
type Outcome struct {
	dispatch.Blocked
	// Hold is the room that is kept for the gang; nil for none. With Victims it is kept from now on, else from its start on.
	Hold *reservation.Hold
	// Start is when the gang is expected to start, where Hold is a reservation.
	Start reservation.Start
	// Victims are the pods that leave for the gang, those included that were leaving anyway.
	Victims []types.UID
}

// advance gives the turn to the next gang if nobody has it.
func (r *Registry) advance(effects *Effects) {
	r.reprice(effects)
	if !r.open {
		return
	}
	turn, ok := r.line.Next(r.now())
	if !ok {
		return
	}
	c := r.claims[turn.ID]
	c.turn, c.outcome = &turn, nil
	r.turnStarted = r.now()
	if c.m != nil {
		effects.Activate = append(effects.Activate, c.m.pod)
		return
	}
	if leader := c.e.members[c.e.leader]; leader != nil {
		effects.Activate = append(effects.Activate, leader.pod)
	}
}

// Open lets the first gang have its turn: all that runs is known by now.
func (r *Registry) Open() Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	r.open = true
	r.advance(&effects)
	return effects
}

// Advance gives the turn to the next gang if nobody has it: after a plan was committed.
func (r *Registry) Advance() Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	r.advance(&effects)
	return effects
}

// hasTurn reports whether it is a claim's turn.
func (r *Registry) hasTurn(c *claim) bool {
	return c != nil && c.turn != nil && r.line.Trying() == c.id
}

// claimOf is the claim through which a pod may enter the scheduling queue.
func (m *member) claimOf() *claim {
	if m.claim != nil {
		return m.claim
	}
	if m.gang.claim != nil && m.gang.leader == m.pod.UID {
		return m.gang.claim
	}
	return nil
}

// Admit decides whether a pod may enter the scheduling queue, and says why not. A pod that the queue sees before the
// registry does is activated when its turn comes. The order of the pod in the queue is fixed here.
func (r *Registry) Admit(pod *corev1.Pod) (bool, string) {
	if !ours(pod) {
		return true, ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[pod.UID]
	if m == nil {
		return false, "the pod is not known yet, or has ended"
	}
	switch e := m.gang; {
	case m.standing != ready:
		return false, "the pod cannot be placed"
	case e.plan != nil && m.planned:
		return true, ""
	case r.hasTurn(m.claimOf()):
		r.order.freeze(pod.UID, e.order(pod))
		return true, ""
	case e.leader == pod.UID && e.claim != nil && e.claim.outcome == nil:
		// An event of the cluster has woken the pod that asked for room in vain.
		r.line.Reopen()
	}
	return false, "it is not the gang's turn"
}

// Standing says how a scheduling cycle has to treat a pod, and brings the node of a Planned or the request of any other one
// whose turn it is.
func (r *Registry) Standing(pod *corev1.Pod) (Standing, string, Request) {
	if !ours(pod) {
		return Free, "", Request{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[pod.UID]
	if m == nil {
		return Waiting, "", Request{}
	}
	e := m.gang
	switch c := m.claimOf(); {
	case e.plan != nil:
		node, planned := e.plan.node[pod.UID]
		if !planned {
			return Waiting, "", Request{}
		}
		return Planned, node, Request{}
	case !r.hasTurn(c) || m.standing != ready:
		return Waiting, "", Request{}
	case c.m != nil || e.key.Single():
		return Free, "", r.request(c, []*corev1.Pod{pod})
	default:
		e.stale = false
		pods := e.pods(ready)
		at := slices.IndexFunc(pods, func(p *corev1.Pod) bool { return p.UID == pod.UID })
		return Leading, "", r.request(c, slices.Concat(pods[at:at+1], pods[:at], pods[at+1:]))
	}
}

// Request is what a cycle has to place for the gang, or the member beyond a minimum, whose turn it is.
type Request struct {
	dispatch.Turn
	Key  Key
	Need gang.Need
	// Pods are the members that wait, the leader first, the others in the order of their ranks.
	Pods []*corev1.Pod
	// Elastic is set for a member beyond its gang's minimum: it may come and go, and nobody has to make room for it.
	Elastic bool
	// SparesUntil is the time before which nobody is evicted for the gang; zero where it asked for no delay.
	SparesUntil time.Time
	// Wants is what the Pods want of the cluster's topology; nil where they want nothing.
	Wants *Wants
	// Extra is how many members beyond Need may be placed along with it.
	Extra int
}

func (r *Registry) request(c *claim, pods []*corev1.Pod) Request {
	request := Request{Turn: *c.turn, Key: c.e.key, Need: c.e.need(), Pods: pods, Elastic: c.m != nil}
	if c.m != nil {
		request.Need = gang.Need{Total: 1}
		request.Wants = c.e.wants(pods, pods)
	} else {
		request.Wants = c.e.wants(pods, c.e.minimum(pods))
	}
	if delay := c.e.preemptionDelay(); delay > 0 {
		request.SparesUntil = r.line.Since(c.id).Add(delay)
	}
	// Members beyond the minimum come along at once only where nobody else waits. The queue has been charged for the minimum.
	if c.m == nil && request.Over == nil && r.line.Waiting() == 1 {
		asked := newBill()
		r.line.Ledger.Release(c.turn.Queue, c.turn.Amount, c.turn.Firm)
		minimum := c.e.minimum(pods)
		for _, pod := range minimum {
			asked.add(c.e.members[pod.UID])
		}
		for _, pod := range pods {
			if len(minimum) > 0 && minimum[0] == pod {
				minimum = minimum[1:]
				continue
			}
			asked.add(c.e.members[pod.UID])
			if r.line.Ledger.Check(c.turn.Queue, asked.amount, c.turn.Firm) != nil {
				break
			}
			request.Extra++
		}
		r.line.Ledger.Charge(c.turn.Queue, c.turn.Amount, c.turn.Firm)
	}
	return request
}

// Conclude records what the cycle of a request found, if it is still the gang's turn. It takes effect once the attempt has
// ended. Victims that have left by then are not waited for. Where it reports false nobody waits for them, and they must not be
// evicted.
func (r *Registry) Conclude(request Request, outcome Outcome) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[request.ID]
	if !r.hasTurn(c) {
		return false
	}
	c.outcome = &outcome
	for _, uid := range outcome.Victims {
		if _, placed := r.placed[uid]; placed || r.members[uid] != nil {
			r.victims[uid] = append(r.victims[uid], c.e.key)
		}
	}
	return true
}

// Ended takes note that the attempt to schedule a pod has failed and the pod is back in the scheduling queue. message says
// why, for attempts that ended before any plugin of ours could judge.
func (r *Registry) Ended(uid types.UID, message string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if m := r.members[uid]; m != nil {
		if c := m.claimOf(); r.hasTurn(c) {
			r.conclude(c, message)
			r.note(m.gang)
		}
	}
	r.advance(&effects)
	return effects
}

// conclude ends a turn that led to no placement.
func (r *Registry) conclude(c *claim, message string) {
	now, outcome := r.now(), c.outcome
	c.turn, c.outcome = nil, nil
	switch {
	case outcome == nil, outcome.Verdict.Reason == gang.MakingRoom && len(outcome.Victims) == 0:
		// In the second case nobody would have to leave, and yet the cycle found no place: nothing that we know tells why.
		c.e.tries++
		r.line.Block(c.id, dispatch.Blocked{
			Verdict: gang.Verdict{Reason: gang.Unschedulable, Message: message}, Wake: dispatch.WhenAnythingMoves, BackOff: backOff(c.e.tries),
		}, now)
	case len(outcome.Victims) > 0:
		c.e.tries = 0
		r.line.MakeRoom(c.id, *outcome.Hold, outcome.Verdict)
		if r.victimsOf(c.e.key) == 0 {
			r.line.Freed(c.id)
		}
	default:
		c.e.tries = 0
		if outcome.Hold != nil {
			again := r.line.Reserve(c.id, *outcome.Hold, outcome.Start, now)
			if outcome.Again.IsZero() || !again.IsZero() && again.Before(outcome.Again) {
				outcome.Again = again
			}
		} else {
			r.line.Unreserve(c.id)
		}
		r.line.Block(c.id, outcome.Blocked, now)
	}
}

func backOff(tries int) time.Duration {
	return min(firstBackOff<<min(tries-1, 10), lastBackOff)
}

// Tick lets time pass: gangs whose back-off is over are tried again, and a turn that leads nowhere ends.
func (r *Registry) Tick() Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if c := r.claims[r.line.Trying()]; c != nil && r.now().Sub(r.turnStarted) >= stalledTurn {
		r.conclude(c, fmt.Sprintf("the scheduling queue has not handed the gang out for %s: another plugin holds its pod back", stalledTurn))
	}
	r.line.Wake()
	r.advance(&effects)
	return effects
}

// MayReserve reports whether room is to be kept for a gang that found none.
func (r *Registry) MayReserve(request Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !request.Elastic && r.line.MayReserve(request.ID)
}
