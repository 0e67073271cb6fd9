// Package state keeps the one registry of gangs that all of Muster's scheduler plugins read: which pods belong to which
// gang, which of them run, whose turn it is, and which plan is being committed. Informers and the scheduling cycle feed it.
package state

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/fragmentation"
	"github.com/muster-scheduling/muster/internal/gang"
)

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

// Registry holds every gang, every queue and what every node has room for. All methods may be called concurrently; one
// mutex guards all of it, and no method blocks on anything else.
type Registry struct {
	mu    sync.Mutex
	now   func() time.Time
	gangs map[Key]*entry
	// members finds a pod's place by its UID: a pod of the same name that is created again is another member.
	members map[types.UID]*member
	// placed is the node of every pod that takes room, as the scheduler's cache has it.
	placed map[types.UID]string
	// devices are the ResourceClaims, those included that pods name and that are not there. repriced are those that began or
	// ceased to be charged, or cost something else, and whose waiting users have not been told.
	devices  map[types.NamespacedName]*deviceClaim
	repriced []*deviceClaim
	order    orderBook
	// dirty names the gangs that changed since the last Changed.
	dirty map[Key]struct{}

	// line decides whose turn it is; claims are who stands in it, by the ID that they have there.
	line        *dispatch.Dispatcher
	claims      map[string]*claim
	turnStarted time.Time
	// open is set once the registry knows all that runs.
	open bool
	// victims are the pods that have been evicted and are not gone yet, with the gangs that they make room for.
	victims map[types.UID][]Key
	// overSince is since when queues use more than their limit.
	overSince map[string]time.Time

	queues     map[string]queueTraits
	namespaces map[string]labels.Set
	// topologies are the Topologies by name; layout counts their changes.
	topologies map[string]*schedulingv1alpha1.Topology
	layout     int
	// seen are the shapes of the pods that came, waiting counts those of the members that are ready. packing is the strategy of
	// each profile.
	seen    *fragmentation.Workload
	waiting map[fragmentation.Demand]int
	packing map[string]string
}

// NewRegistry makes an empty registry that tells time by now.
func NewRegistry(now func() time.Time, options dispatch.Options) *Registry {
	return &Registry{
		now:        now,
		gangs:      map[Key]*entry{},
		members:    map[types.UID]*member{},
		placed:     map[types.UID]string{},
		devices:    map[types.NamespacedName]*deviceClaim{},
		order:      newOrderBook(),
		dirty:      map[Key]struct{}{},
		line:       dispatch.New(options),
		claims:     map[string]*claim{},
		victims:    map[types.UID][]Key{},
		overSince:  map[string]time.Time{},
		queues:     map[string]queueTraits{},
		namespaces: map[string]labels.Set{},
		topologies: map[string]*schedulingv1alpha1.Topology{},
		seen:       fragmentation.NewWorkload(defaultMemory),
		waiting:    map[fragmentation.Demand]int{},
		packing:    map[string]string{},
	}
}

// SetPod takes note of a pod as the API server has it now.
func (r *Registry) SetPod(pod *corev1.Pod) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	key := KeyOf(pod)
	if known := r.members[pod.UID]; known != nil && known.gang.key != key {
		r.remove(known, &effects)
	}
	if ours(pod) {
		r.upsert(key, pod, &effects)
		r.settle(r.gangs[key], &effects)
	}
	r.advance(&effects)
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
	r.advance(&effects)
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
	r.advance(&effects)
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
	r.advance(&effects)
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
		e.stale = true
	}
	// The other informer may not have told yet that the pod runs no longer: it must not be counted twice.
	if m := r.members[uid]; m != nil {
		r.remove(m, &effects)
	}
	r.settle(e, &effects)
	r.advance(&effects)
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
		e.stale = true
		r.settle(e, &effects)
	}
	r.advance(&effects)
	return effects
}

// entry finds a gang, or makes one.
func (r *Registry) entry(key Key) *entry {
	e := r.gangs[key]
	if e == nil {
		e = r.newEntry(key)
		r.gangs[key] = e
	}
	return e
}

// newEntry makes a gang that is not in the registry.
func (r *Registry) newEntry(key Key) *entry {
	e := &entry{
		registry:   r,
		said:       newSaid(),
		key:        key,
		members:    map[types.UID]*member{},
		succeeded:  map[types.UID]string{},
		priorities: map[int32]int{},
		born:       r.now(),
		since:      r.now(),
	}
	if key.Single() {
		e.spec = gang.Spec{MinMember: 1}
	}
	for s := range e.count {
		e.count[s] = gang.Tally{}
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
		if key.Single() {
			e.born = pod.CreationTimestamp.Time
		}
		m = &member{gang: e, pod: pod, role: RoleOf(pod.Labels), standing: unknown, amount: RequestOf(pod)}
		r.seen.Observe(DemandOf(m.amount), 1, r.now())
		r.members[pod.UID] = m
		e.members[pod.UID] = m
		e.priorities[priorityOf(pod)]++
		e.adopt(pod)
	} else {
		m.gang.changed(m.pod, pod)
		if !slices.Equal(Nearness(m.pod.Annotations), Nearness(pod.Annotations)) {
			m.shape = ""
		}
		if m.pod.Generation != pod.Generation {
			m.amount = RequestOf(pod) // Resized in place, or bound.
		}
	}
	m.pod, m.index = pod, indexOf(pod)
	m.nameClaims(claimNames(pod))
	was := m.standing
	m.refresh(effects)
	m.gang.stale = m.gang.stale || m.standing != was
}

func (r *Registry) remove(m *member, effects *Effects) {
	e := m.gang
	e.stale = true
	m.setReserved(false)
	m.become(unknown)
	if e.plan != nil {
		e.leavePlan(m, effects)
	}
	m.gone()
	delete(r.members, m.pod.UID)
	delete(e.members, m.pod.UID)
	if p := priorityOf(m.pod); e.priorities[p] == 1 {
		delete(e.priorities, p)
	} else {
		e.priorities[p]--
	}
	e.disown(m.pod)
	r.order.retire(m.pod.UID, r.now())
	r.settle(e, effects)
	if _, placed := r.placed[m.pod.UID]; !placed {
		r.left(m.pod.UID)
	}
}

// settle brings a gang to rest after a change: it ends a plan that is done, puts a gang that can be planned into the line of
// its queue, does the same for members beyond a minimum, and forgets a gang of which nothing is left. What changed is noted
// for the reports.
func (r *Registry) settle(e *entry, effects *Effects) {
	if e == nil {
		return
	}
	if e.podGroup == nil && len(e.members) == 0 && len(e.succeeded) == 0 {
		e.leaveLine()
		e.mark(false)
		delete(r.gangs, e.key)
		r.dirty[e.key] = struct{}{}
		return
	}
	e.settle(effects)
	e.mark(e.mayBeVictim())
	r.note(e)
}

// note stamps a gang whose verdict changed and remembers to report it.
func (r *Registry) note(e *entry) {
	now := r.now()
	if verdict := e.verdict(now); verdict != e.noted {
		if verdict.Reason != e.noted.Reason {
			e.since = now
		}
		e.noted = verdict
	}
	switch broken := e.broken(); {
	case !broken:
		e.brokenSince = time.Time{}
	case e.brokenSince.IsZero():
		e.brokenSince = now
	}
	r.dirty[e.key] = struct{}{}
}
