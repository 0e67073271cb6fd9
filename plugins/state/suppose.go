package state

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
)

// Supposition is what would become of a gang if it existed, as far as that can be told without planning it.
type Supposition struct {
	// Request is what a cycle would have to place. Its ID is nobody's, and its queue has not been charged.
	Request Request
	// Chain is the way of its queue to the top of the tree.
	Chain []string
	// Verdict is why the gang would not be planned; its reason is gang.None where it would. Never is set where that stays so
	// until somebody changes the gang, its queue or the tree.
	Verdict gang.Verdict
	Never   bool
	// Place is the gang's place in the line of its queue.
	Place int
	// Delay is how long the gang would wait before anybody is evicted for it.
	Delay time.Duration
}

// Suppose says what would become of a gang of pods, of a PodGroup or of a single pod. The pods have UIDs that are nobody's.
// Nothing is changed: the gang is an entry that no other part of the registry knows.
func (r *Registry) Suppose(pg *podgroupv1alpha1.PodGroup, pods []*corev1.Pod) Supposition {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := Key{Namespace: pods[0].Namespace, Name: pods[0].Name, Pod: pods[0].UID}
	if pg != nil {
		key = Key{Namespace: pg.Namespace, Name: pg.Name}
	}
	e := r.newEntry(key)
	if pg != nil {
		e.setPodGroup(pg, &Effects{})
		e.born = r.now()
	}
	for _, pod := range pods {
		m := &member{gang: e, pod: pod, role: RoleOf(pod.Labels), index: indexOf(pod), amount: RequestOf(pod)}
		for _, name := range claimNames(pod) {
			if c := r.devices[name]; c != nil {
				m.claims = append(m.claims, c)
			}
		}
		e.members[pod.UID] = m
		e.priorities[priorityOf(pod)]++
		e.adopt(pod)
		m.become(ready)
		defer m.become(unknown) // It is not to be counted among those that wait.
	}
	s := Supposition{Chain: r.line.Ledger.Chain(e.queue()), Delay: e.preemptionDelay()}
	s.Request.Queue, s.Request.Key = e.queue(), key
	if s.Verdict, s.Never = e.refused(); s.Verdict.Reason != gang.None {
		return s
	}
	g := e.asked("?" + key.id())
	s.Request = Request{Turn: dispatch.Turn{Gang: g}, Key: key, Need: e.need(), Pods: e.pods(ready)}
	s.Request.Wants = e.wants(s.Request.Pods, e.minimum(s.Request.Pods))
	supposed := r.line.Suppose(g, r.now())
	s.Place, s.Request.Over = supposed.Place, supposed.Over
	s.Verdict, s.Never = r.passed(supposed, g)
	return s
}

// refused is why the gang may not stand in the line of its queue, and whether that lasts until somebody changes something.
func (e *entry) refused() (gang.Verdict, bool) {
	if err := e.malformed(); e.specErr != nil || err != nil {
		if e.specErr != nil {
			err = e.specErr
		}
		return gang.Verdict{Reason: gang.Misconfigured, Message: err.Error()}, true
	}
	gated := e.registry.line.Gated(e.queue())
	switch {
	case gated.Reason == gang.QueueNotFound, gated.Reason == gang.Misconfigured:
		return gated, true
	case e.barred().Reason != gang.None:
		return e.barred(), true
	}
	g := e.asked("")
	if over := e.registry.line.Ledger.Check(g.Queue, g.Amount, g.Firm); over != nil && over.Never() {
		return gang.Verdict{Reason: gang.ExceedsLimit, Message: over.String()}, true
	}
	if gated.Reason != gang.None {
		return gated, false
	}
	if shortage := e.spec.Shortage(e.count[held], e.count[ready]); shortage != "" {
		return gang.Verdict{Reason: gang.WaitingForMembers, Message: shortage}, false
	}
	return gang.Verdict{}, false
}

// passed is why a gang would have to let others of its queue go first, although room may be there.
func (r *Registry) passed(s dispatch.Supposed, g dispatch.Gang) (gang.Verdict, bool) {
	switch {
	case s.Over != nil && s.Over.Never():
		return gang.Verdict{Reason: gang.ExceedsLimit, Message: s.Over.String()}, false
	case s.Over == nil && s.Behind != "" && r.claims[s.Behind] != nil:
		return gang.Verdict{Reason: gang.QuotaExceeded, Message: fmt.Sprintf(
			"%s goes first: it has waited for long until queue %s has quota for it", r.claims[s.Behind].e.key, g.Queue)}, false
	}
	return gang.Verdict{}, false
}
