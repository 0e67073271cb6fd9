package state

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/gang"
)

// View is what a gang looks like at one moment. Its objects are shared: readers must not change them.
type View struct {
	Key Key
	// PodGroup is nil where it does not exist, and for a single pod.
	PodGroup *podgroupv1alpha1.PodGroup
	// Queue is the name of the gang's queue.
	Queue string
	// Verdict is why the gang waits; its reason is gang.None where it has its minimum.
	Verdict gang.Verdict
	// Since is when the verdict's reason became what it is.
	Since time.Time
	// MinMember is the gang's minimum; 0 where it cannot be told.
	MinMember int
	// Running members are bound and have not ended; Reserved ones are on their way to be bound. Started is how many of the
	// Running have containers that run.
	Running, Reserved, Succeeded, Started int
	// Members is how many pods the gang has, whatever their state; those that have ended are not among them.
	Members int
	// Whole is set once the minimum has been bound.
	Whole bool
	// BrokenSince is when the gang fell below its minimum while members run; zero where that is not so.
	BrokenSince time.Time
	// Waiting are the members that could be placed, in the order of their ranks; Bound are those that have a node.
	Waiting, Bound []*corev1.Pod
	// Beyond are the waiting members beyond a minimum that is bound, with the reason of each.
	Beyond []Beyond
	// Created is when the PodGroup, or the single pod, came to be.
	Created time.Time
}

// Beyond is a member beyond its gang's minimum that waits for a place of its own.
type Beyond struct {
	Pod     *corev1.Pod
	Verdict gang.Verdict
}

// Partial reports whether members are bound although the gang never had its minimum, and nothing is under way to
// complete it.
func (v View) Partial() bool {
	return v.Running > 0 && !v.Whole && v.Reserved == 0 && !v.BrokenSince.IsZero()
}

// Changed names the gangs that changed since the last call, those included whose reason changed because others did.
func (r *Registry) Changed() []Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, c := range r.claims {
		switch {
		case c.m == nil && c.e.verdict(now) != c.e.noted:
			r.note(c.e)
		case c.m != nil && r.line.Why(c.id, now) != c.m.noted:
			c.m.noted = r.line.Why(c.id, now)
			r.dirty[c.e.key] = struct{}{}
		}
	}
	keys := slices.Collect(maps.Keys(r.dirty))
	clear(r.dirty)
	return keys
}

// View shows a gang as it is now, and is false for one of which nothing is left.
func (r *Registry) View(key Key) (View, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.gangs[key]
	if e == nil {
		return View{}, false
	}
	return e.view(), true
}

func (e *entry) view() View {
	v := View{
		Key:         e.key,
		PodGroup:    e.podGroup,
		Queue:       e.queue(),
		Verdict:     e.noted,
		Since:       e.since,
		MinMember:   e.spec.MinMember,
		Running:     e.running(),
		Reserved:    e.reserved,
		Succeeded:   len(e.succeeded),
		Members:     len(e.members),
		Whole:       e.whole,
		BrokenSince: e.brokenSince,
		Waiting:     e.pods(ready),
		Created:     e.born,
	}
	if e.surplus > 0 {
		for _, pod := range v.Waiting {
			v.Beyond = append(v.Beyond, Beyond{Pod: pod, Verdict: e.members[pod.UID].noted})
		}
	}
	for _, pod := range e.pods(held) {
		if pod.Spec.NodeName == "" {
			continue
		}
		v.Bound = append(v.Bound, pod)
		if pod.Status.Phase == corev1.PodRunning {
			v.Started++
		}
	}
	return v
}

// WaitsInPermit reports whether a pod that the framework holds in Permit is one that a plan holds there. One that is
// not has to be rejected: its plan fell in the instant before the framework took note of the pod.
func (r *Registry) WaitsInPermit(uid types.UID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[uid]
	return m != nil && m.gang.plan != nil && m.reserved && !m.gang.plan.open
}

// Sweep forgets the queue order of pods that left before a time.
func (r *Registry) Sweep(before time.Time) { r.order.sweep(before) }
