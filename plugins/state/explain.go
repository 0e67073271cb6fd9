package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Explain tells what is known about the gang of a PodGroup or of a pod, as the kind says. A pod that has a PodGroup is
// answered by that. It is false where there is no such gang.
func (r *Registry) Explain(kind, namespace, name string) (explain.Gang, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind != explain.KindPod {
		e := r.gangs[Key{Namespace: namespace, Name: name}]
		if e == nil {
			return explain.Gang{}, false
		}
		return e.explain(e.claim), true
	}
	m := r.podNamed(namespace, name)
	if m == nil {
		return explain.Gang{}, false
	}
	if m.claim == nil {
		return m.gang.explain(m.gang.claim), true
	}
	// The pod waits by itself, while its gang has what it needs.
	g := m.gang.explain(m.claim)
	why := r.line.Why(m.claim.id, r.now())
	g.Reason, g.Message = why.Reason, fmt.Sprintf("pod %s is beyond the minimum and waits by itself: %s", name, why.Message)
	g.Since = r.line.Since(m.claim.id)
	return g, true
}

// podNamed is the member of that name which is not on its way out, else any of that name.
func (r *Registry) podNamed(namespace, name string) *member {
	var found *member
	for _, m := range r.members {
		if m.pod.Name == name && m.pod.Namespace == namespace && (found == nil || m.pod.DeletionTimestamp == nil) {
			found = m
		}
	}
	return found
}

// explain is the gang with the place that a claim, its own or that of one of its members, has in the line; nil for none.
func (e *entry) explain(c *claim) explain.Gang {
	r := e.registry
	now := r.now()
	verdict := e.verdict(now)
	g := explain.Gang{
		Namespace: e.key.Namespace, Name: e.key.Name, Kind: kindOf(e.key),
		Queue: e.queue(), Chain: r.line.Ledger.Chain(e.queue()), Priority: e.priority(),
		Reason: verdict.Reason, Message: verdict.Message, Since: now, Created: e.born,
		ExpectedRuntimeSeconds: int64(e.runtime() / time.Second),
		MinMember:              e.spec.MinMember, Members: len(e.members), Running: e.running(),
		Asked: e.amount(),
	}
	switch {
	case verdict.Reason == gang.None:
		g.Since = time.Time{}
	case verdict.Reason == e.noted.Reason:
		g.Since = e.since
	}
	if e.judgeable() && e.need().Met() && e.running() > 0 {
		g.Started = e.started()
		if runtime := e.runtime(); runtime > 0 {
			g.ExpectedEnd = g.Started.Add(runtime)
		}
	}
	if c != nil {
		r.explainClaim(&g, c, verdict)
	}
	return g
}

func kindOf(key Key) string {
	if key.Single() {
		return explain.KindPod
	}
	return explain.KindPodGroup
}

// amount is what the gang asks of its queue for the minimum, or what it has there.
func (e *entry) amount() resource.Amounts {
	if e.claim != nil {
		return e.asked(e.claim.id).Amount
	}
	amount := resource.Amounts{}
	for _, m := range e.members {
		if m.booked != nil {
			amount.Add(m.costs())
		}
	}
	return amount
}

// started is when the minimum ran: the start of the last member that was needed for it.
func (e *entry) started() time.Time {
	var starts []time.Time
	for _, m := range e.members {
		if start := startOf(m.pod); m.standing == held && !start.IsZero() {
			starts = append(starts, start)
		}
	}
	if len(starts) == 0 {
		return e.wholeSince
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts[min(max(e.spec.MinMember, 1), len(starts))-1]
}

// explainClaim adds where the gang stands in the line, what is kept for it and what would help.
func (r *Registry) explainClaim(g *explain.Gang, c *claim, verdict gang.Verdict) {
	g.Position, g.WaitingInQueue = r.line.Place(c.id)
	if hold, held := r.line.Hold(c.id); held {
		nodes := slices.Sorted(maps.Keys(hold.Amount))
		if r.line.MakingRoom(c.id) {
			g.MakingRoom = &explain.MakingRoom{Victims: r.leavingFor(c.e.key), Since: g.Since, Nodes: nodes}
		} else {
			g.Reservation = &explain.Reservation{Known: !hold.Start.IsZero(), Start: hold.Start, Nodes: nodes}
		}
	}
	reason, asked := verdict.Reason, dispatch.Gang{}
	if c.m == nil {
		asked = c.e.asked(c.id)
	} else {
		reason = r.line.Why(c.id, r.now()).Reason
		asked = dispatch.Gang{ID: c.id, Queue: g.Queue, Amount: billOf(c.m), Firm: c.e.firm()}
	}
	g.Hints = r.hints(asked, reason, func(idle bool) []dispatch.Lack {
		if idle {
			return r.line.LacksOf(asked, nil, true)
		}
		return r.line.Lacks(c.id)
	})
}

// leavingFor lists whose pods leave for a gang.
func (r *Registry) leavingFor(key Key) []explain.Victim {
	of := map[Key]*explain.Victim{}
	now := r.now()
	for uid, beneficiaries := range r.victims {
		m := r.members[uid]
		if m == nil || !slices.Contains(beneficiaries, key) {
			continue
		}
		e := m.gang
		if of[e.key] == nil {
			of[e.key] = &explain.Victim{
				Namespace: e.key.Namespace, Name: e.key.Name, Kind: kindOf(e.key), Queue: e.queue(), Priority: e.priority(),
			}
		}
		of[e.key].Pods++
		of[e.key].LostGPUSeconds = resource.Sum(of[e.key].LostGPUSeconds, e.lost(m, cmp.Or(startOf(m.pod), now), now))
	}
	var victims []explain.Victim
	for victimKey, victim := range of {
		victim.Whole = r.gangs[victimKey].losesAll(victim.Pods)
		victims = append(victims, *victim)
	}
	slices.SortFunc(victims, func(a, b explain.Victim) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return victims
}

// losesAll reports whether a number of evicted pods is all that the gang has on nodes.
func (e *entry) losesAll(pods int) bool {
	bound := 0
	for _, m := range e.members {
		if m.pod.Spec.NodeName != "" {
			bound++
		}
	}
	return pods >= bound
}

// IsOpen reports whether the registry knows all that runs and admits gangs: its scheduler leads.
func (r *Registry) IsOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}
