// Package state keeps the one registry of gangs that all of Muster's scheduler plugins read: which pods belong to which
// PodGroup, which of them run, and which plan is being committed. Informers and the scheduling cycle feed it.
package state

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
)

// Key names a gang: the namespace and name of its PodGroup.
type Key = types.NamespacedName

// Effects is what a change of the registry asks of the scheduler. The caller carries it out after the call, and never
// while the scheduling queue's lock is held: Activate takes that lock.
type Effects struct {
	// Activate lists pods that may enter the active queue now.
	Activate []*corev1.Pod
	// Reject lists pods that wait in Permit for a plan that is gone.
	Reject []types.UID
	// Allow lists pods that wait in Permit and may be bound now.
	Allow []types.UID
}

// Registry holds every gang. All methods may be called concurrently; one mutex guards all of it, and no method blocks
// on anything else.
type Registry struct {
	mu    sync.Mutex
	now   func() time.Time
	gangs map[Key]*entry
	// members finds a pod's place by its UID: a pod of the same name that is created again is another member.
	members map[types.UID]*member
	order   orderBook
	// dirty names the gangs that changed since the last Changed.
	dirty map[Key]struct{}
}

// NewRegistry makes an empty registry that tells time by now.
func NewRegistry(now func() time.Time) *Registry {
	return &Registry{
		now:     now,
		gangs:   map[Key]*entry{},
		members: map[types.UID]*member{},
		order:   newOrderBook(),
		dirty:   map[Key]struct{}{},
	}
}

// GangOf names the gang that a pod belongs to. It is false for a pod that points to no PodGroup: such a pod is its own
// gang, which the scheduler places without any help of the registry.
func GangOf(pod *corev1.Pod) (Key, bool) {
	name := pod.Labels[schedulingv1alpha1.PodGroupLabel]
	return Key{Namespace: pod.Namespace, Name: name}, name != ""
}

// RoleOf is a pod's role within its gang; empty where no label names one.
func RoleOf(labels map[string]string) string {
	for _, label := range []string{
		schedulingv1alpha1.RoleLabel, schedulingv1alpha1.ReplicaTypeLabel, schedulingv1alpha1.JobRoleLabel,
	} {
		if role := labels[label]; role != "" {
			return role
		}
	}
	return ""
}

// SetPod takes note of a pod as the API server has it now. Pods without a PodGroup are ignored, unless they had one.
func (r *Registry) SetPod(pod *corev1.Pod) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	key, isMember := GangOf(pod)
	if known := r.members[pod.UID]; known != nil && (!isMember || known.gang.key != key) {
		r.remove(known, &effects)
	}
	if isMember {
		r.upsert(key, pod, &effects)
		r.settle(r.gangs[key], &effects)
	}
	return effects
}

// DeletePod forgets a pod that is gone.
func (r *Registry) DeletePod(uid types.UID) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if m := r.members[uid]; m != nil {
		r.remove(m, &effects)
	}
	return effects
}

// SetPodGroup takes note of a PodGroup as the API server has it now. A change of what the gang asks for drops a plan
// that is being committed.
func (r *Registry) SetPodGroup(pg *podgroupv1alpha1.PodGroup) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	e := r.entry(Key{Namespace: pg.Namespace, Name: pg.Name})
	e.setPodGroup(pg, &effects)
	r.settle(e, &effects)
	return effects
}

// DeletePodGroup forgets a PodGroup that is gone. Members that run go on running; those that wait go on waiting.
func (r *Registry) DeletePodGroup(key Key) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	if e := r.gangs[key]; e != nil {
		e.setPodGroup(nil, &effects)
		r.settle(e, &effects)
	}
	return effects
}

// SetSucceeded takes note of a member that has succeeded: it counts as held for as long as its pod exists.
func (r *Registry) SetSucceeded(key Key, uid types.UID, role string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	e := r.entry(key)
	if _, known := e.succeeded[uid]; !known {
		e.succeeded[uid] = role
		e.tally(held, role, +1)
	}
	// The other informer may not have told yet that the pod runs no longer: it must not be counted twice.
	if m := r.members[uid]; m != nil {
		r.remove(m, &effects)
	}
	r.settle(e, &effects)
	return effects
}

// ForgetSucceeded takes note that the pod of a succeeded member is gone.
func (r *Registry) ForgetSucceeded(key Key, uid types.UID) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	e := r.gangs[key]
	if e == nil {
		return effects
	}
	if role, known := e.succeeded[uid]; known {
		delete(e.succeeded, uid)
		e.tally(held, role, -1)
		r.settle(e, &effects)
	}
	return effects
}

// Retry lets the leaders of gangs in that changed since their last planning attempt: other members, or another minimum,
// may fit where the last ones did not. It is called now and then, not at every change, since gangs grow pod by pod.
func (r *Registry) Retry() Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	for key := range r.dirty {
		if e := r.gangs[key]; e != nil && e.stale && e.failure.Message != "" && e.plan == nil && e.led() {
			e.stale = false
			effects.Activate = append(effects.Activate, e.members[e.leader].pod)
		}
	}
	return effects
}

// entry finds a gang, or makes one.
func (r *Registry) entry(key Key) *entry {
	e := r.gangs[key]
	if e == nil {
		e = &entry{
			key:        key,
			members:    map[types.UID]*member{},
			succeeded:  map[types.UID]string{},
			priorities: map[int32]int{},
			born:       r.now(),
			since:      r.now(),
		}
		for s := range e.count {
			e.count[s] = gang.Tally{}
		}
		r.gangs[key] = e
	}
	return e
}

func (r *Registry) upsert(key Key, pod *corev1.Pod, effects *Effects) {
	m := r.members[pod.UID]
	if m == nil {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			return
		}
		e := r.entry(key)
		if _, done := e.succeeded[pod.UID]; done {
			return
		}
		if len(e.members) == 0 {
			e.whole = false
		}
		m = &member{gang: e, role: RoleOf(pod.Labels), standing: unknown}
		r.members[pod.UID] = m
		e.members[pod.UID] = m
		e.priorities[priorityOf(pod)]++
	}
	m.pod = pod
	was := m.standing
	m.refresh(effects)
	m.gang.stale = m.gang.stale || m.standing != was
}

func (r *Registry) remove(m *member, effects *Effects) {
	e := m.gang
	e.stale = true
	m.setReserved(false)
	m.become(unknown)
	delete(r.members, m.pod.UID)
	delete(e.members, m.pod.UID)
	if p := priorityOf(m.pod); e.priorities[p] == 1 {
		delete(e.priorities, p)
	} else {
		e.priorities[p]--
	}
	r.order.retire(m.pod.UID, r.now())
	if e.plan != nil {
		e.leavePlan(m, effects)
	}
	r.settle(e, effects)
}

// settle brings a gang to rest after a change: it ends a plan that is done, finds a leader for a gang that can be planned,
// frees the members of one that has its minimum, and forgets one of which nothing is left. What changed is noted for the
// reports.
func (r *Registry) settle(e *entry, effects *Effects) {
	if e == nil {
		return
	}
	if e.podGroup == nil && len(e.members) == 0 && len(e.succeeded) == 0 {
		delete(r.gangs, e.key)
		r.dirty[e.key] = struct{}{}
		return
	}
	wasWhole := e.whole
	e.settle(effects)
	if e.whole && !wasWhole {
		r.challenge(e, effects)
	}
	r.note(e)
}

// challenge lets the leaders of gangs in that wait with a higher priority than a gang that has just become whole: while
// its members were on their way to be bound, it could not be evicted for them.
func (r *Registry) challenge(e *entry, effects *Effects) {
	for _, other := range r.gangs {
		if other.failure.Message != "" && other.plan == nil && other.led() && other.priority() > e.priority() {
			effects.Activate = append(effects.Activate, other.members[other.leader].pod)
		}
	}
}

// note stamps a gang whose verdict changed and remembers to report it.
func (r *Registry) note(e *entry) {
	if verdict := e.verdict(); verdict != e.noted {
		if verdict.Reason != e.noted.Reason {
			e.since = r.now()
		}
		e.noted = verdict
	}
	now := r.now()
	switch broken := e.broken(); {
	case !broken:
		e.brokenSince = time.Time{}
	case e.brokenSince.IsZero():
		e.brokenSince = now
	}
	r.dirty[e.key] = struct{}{}
}
