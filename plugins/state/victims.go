package state

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/ledger"
	"github.com/muster-scheduling/muster/internal/reclaim"
	"github.com/muster-scheduling/muster/internal/resource"
)

// mark is how a gang is counted among those that may become victims.
type mark struct {
	queue    string
	priority int32
}

// mayBeVictim reports whether the gang runs, is on its way nowhere, and does not forbid eviction.
func (e *entry) mayBeVictim() bool {
	return e.judgeable() && e.plan == nil && e.reserved == 0 && e.running() > 0 && e.need().Met() && !e.firm()
}

// mark counts the gang among the possible victims, or no longer.
func (e *entry) mark(possible bool) {
	var now *mark
	if possible {
		now = &mark{queue: e.queue(), priority: e.priority()}
	}
	switch was := e.marked; {
	case was != nil && now != nil && *was == *now:
		return
	case was != nil:
		e.registry.line.Ended(was.queue, was.priority)
	}
	if now != nil {
		e.registry.line.Started(now.queue, now.priority, e.registry.now())
	}
	e.marked = now
}

// Unit is a set of pods that may be evicted together without leaving their gang half alive.
type Unit struct {
	Key      Key
	Queue    string
	Priority int32
	// Rest is set where Pods are the gang's minimum: they may only go when the members beyond it go as well.
	Rest bool
	// Preempt is set where the victim is of the claimant's own queue and of a lower priority. Else the claimant takes back.
	Preempt bool
	Pods    []*corev1.Pod
	Usage   resource.Amounts
	// Lost is the work that an eviction loses: device-seconds since the start, or since the last checkpoint.
	Lost    int64
	Started time.Time
}

// Units lists what may be evicted for a request by the rules of queues and priorities: single members beyond the minimum
// of their gang, newest first, and then the rest. Gangs that are being bound, are broken already, have not run for their
// queue's minRuntime, or say that they are not preemptible are left out. books is a copy of the ledger at the same moment
// without what the request itself has been charged for and what is leaving anyway.
func (r *Registry) Units(request Request) (units []Unit, books *ledger.Ledger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	books = r.books()
	if c := r.claims[request.ID]; r.hasTurn(c) && c.turn.Over == nil {
		books.Release(request.Queue, request.Amount, request.Firm)
	}
	now, gangs := r.now(), r.sorted()
	preempts := func(e *entry) bool {
		return e.marked != nil && e.key != request.Key && e.queue() == request.Queue && e.priority() < request.Priority
	}
	// What a gang preempts in its own queue may bring it within its guarantee, so that it may take back as well.
	mayTakeBack := slices.ContainsFunc(gangs, preempts)
	entitled := map[string]bool{}
	for _, e := range gangs {
		if e.key == request.Key || e.marked == nil {
			continue
		}
		queue := e.queue()
		if _, asked := entitled[queue]; !asked {
			entitled[queue] = queue != request.Queue && (mayTakeBack || books.Entitled(request.Queue, queue, request.Amount))
		}
		if preempt := preempts(e); preempt || entitled[queue] {
			units = append(units, e.units(preempt, books.MinRuntime(queue), now)...)
		}
	}
	return units, books
}

// books is a copy of the ledger in which pods on their way out count as gone: what is asked of it is how it will be.
func (r *Registry) books() *ledger.Ledger {
	books := r.line.Ledger.Clone()
	for _, m := range r.members {
		if m.booked != nil && m.pod.DeletionTimestamp != nil {
			books.Release(m.booked.queue, m.booked.amount, m.booked.firm)
		}
	}
	for _, c := range r.devices {
		if c.booked != nil && c.usedOnlyBy(func(m *member) bool { return m.pod.DeletionTimestamp != nil }) {
			books.Release(c.booked.queue, c.booked.amount, c.booked.firm)
		}
	}
	return books
}

// sorted lists all gangs in an order that does not change.
func (r *Registry) sorted() []*entry {
	return slices.SortedFunc(maps.Values(r.gangs), func(a, b *entry) int { return cmp.Compare(a.key.id(), b.key.id()) })
}

// units splits a running gang into what may go on its own and the rest.
func (e *entry) units(preempt bool, minRuntime time.Duration, now time.Time) []Unit {
	var units []Unit
	unit := Unit{Key: e.key, Queue: e.queue(), Priority: e.priority(), Preempt: preempt}
	rest := unit
	rest.Rest = true
	var minimum []*member
	left := maps.Clone(e.count[held])
	for _, pod := range slices.Backward(e.pods(held)) {
		m := e.members[pod.UID]
		started := cmp.Or(startOf(pod), now)
		lost := e.lost(m, started, now)
		left[m.role]--
		if e.spec.Need(left).Met() && !e.key.Single() {
			if now.Sub(started) >= minRuntime {
				surplus := unit
				surplus.Pods, surplus.Lost, surplus.Started = []*corev1.Pod{pod}, lost, started
				surplus.Usage = givenBack([]*member{m}, func(user *member) bool { return user == m })
				units = append(units, surplus)
			}
			continue
		}
		left[m.role]++
		rest.Pods = append(rest.Pods, pod)
		minimum = append(minimum, m)
		rest.Lost = resource.Sum(rest.Lost, lost)
		if started.After(rest.Started) {
			rest.Started = started
		}
	}
	if len(rest.Pods) > 0 && now.Sub(rest.Started) >= minRuntime {
		rest.Usage = givenBack(minimum, func(user *member) bool { return user.gang == e })
		units = append(units, rest)
	}
	return units
}

// lost is the device-seconds that the eviction of a member throws away.
func (e *entry) lost(m *member, started, now time.Time) int64 {
	since := started
	annotations := m.pod.Annotations
	if e.podGroup != nil && e.podGroup.Annotations[schedulingv1alpha1.CheckpointedAtAnnotation] != "" {
		annotations = e.podGroup.Annotations
	}
	if saved, err := time.Parse(time.RFC3339, annotations[schedulingv1alpha1.CheckpointedAtAnnotation]); err == nil && saved.After(since) && !saved.After(now) {
		since = saved
	}
	var devices int64
	asked := m.amount
	if len(m.claims) > 0 {
		asked = asked.Clone()
		for _, c := range m.claims {
			asked.Add(c.amount)
		}
	}
	for name, amount := range asked {
		if IsExtended(corev1.ResourceName(name)) {
			devices = resource.Sum(devices, amount)
		}
	}
	return resource.Product(devices, int64(max(0, now.Sub(since)/time.Second)))
}

// Leaving lists the pods, of all schedulers, that are on their way out and hold room until they are gone.
func (r *Registry) Leaving() []*corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pods []*corev1.Pod
	for _, m := range r.members {
		if m.pod.DeletionTimestamp != nil && m.pod.Spec.NodeName != "" {
			pods = append(pods, m.pod)
		}
	}
	slices.SortFunc(pods, byAge)
	return pods
}

// left takes note that a pod takes no room any more and is not charged for. When it was the last that a gang waited for, it is the gang's turn.
func (r *Registry) left(uid types.UID) {
	beneficiaries := r.victims[uid]
	delete(r.victims, uid)
	for _, key := range beneficiaries {
		if e := r.gangs[key]; e != nil && e.claim != nil && r.victimsOf(key) == 0 {
			r.line.Freed(e.claim.id)
		}
	}
}

// victimsOf is how many pods are still to leave for a gang.
func (r *Registry) victimsOf(key Key) int {
	count := 0
	for _, beneficiaries := range r.victims {
		if slices.Contains(beneficiaries, key) {
			count++
		}
	}
	return count
}

// forgetVictims waits no longer for pods that leave for a gang: it is gone, or waits no more.
func (r *Registry) forgetVictims(key Key) {
	for uid, beneficiaries := range r.victims {
		if rest := slices.DeleteFunc(beneficiaries, func(k Key) bool { return k == key }); len(rest) > 0 {
			r.victims[uid] = rest
		} else {
			delete(r.victims, uid)
		}
	}
}

// Beneficiary is the gang for which a pod has been told to leave; false where nobody waits for the pod any more.
func (r *Registry) Beneficiary(uid types.UID) (Key, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if beneficiaries := r.victims[uid]; len(beneficiaries) > 0 {
		return beneficiaries[0], true
	}
	return Key{}, false
}

// Spared takes note that a pod cannot be evicted after all. Who waits for it goes back into the line with the reason.
func (r *Registry) Spared(uid types.UID, why string) Effects {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects Effects
	for _, key := range slices.Clone(r.victims[uid]) {
		r.forgetVictims(key)
		if e := r.gangs[key]; e != nil && e.claim != nil {
			r.line.GiveUpRoom(e.claim.id, gang.Verdict{Reason: gang.Unschedulable, Message: why}, r.now())
			r.note(e)
		}
	}
	r.advance(&effects)
	return effects
}

// Excess lists what has to be evicted of queues that have used more than their limit for as long as grace: the excess, and
// only that. Pods on their way out count as gone.
func (r *Registry) Excess(grace time.Duration) []Unit {
	r.mu.Lock()
	defer r.mu.Unlock()
	var evict []Unit
	now, books := r.now(), r.books()
	for _, queue := range books.Queues() {
		if !exceeds(books, queue) {
			delete(r.overSince, queue)
			continue
		}
		if _, known := r.overSince[queue]; !known {
			r.overSince[queue] = now
		}
		if now.Sub(r.overSince[queue]) < grace {
			continue
		}
		var units []Unit
		for _, e := range r.sorted() {
			if e.marked != nil && slices.Contains(books.Chain(e.queue()), queue) {
				units = append(units, e.units(false, books.MinRuntime(e.queue()), now)...)
			}
		}
		plain := make([]reclaim.Unit, len(units))
		for i, unit := range units {
			plain[i] = reclaim.Unit{Gang: unit.Key.id(), Rest: unit.Rest, Priority: unit.Priority, Usage: unit.Usage, Lost: unit.Lost, Started: unit.Started}
		}
		for _, u := range reclaim.Excess(queue, plain, books) {
			evict = append(evict, units[u])
			books.Release(units[u].Queue, units[u].Usage, false)
		}
	}
	return evict
}

// exceeds reports whether a queue uses more than its limit.
func exceeds(books *ledger.Ledger, queue string) bool {
	limits, _ := books.Queue(queue)
	used := books.Usage(queue)
	for name, limit := range limits.Limit {
		if used[name] > limit {
			return true
		}
	}
	return false
}

// Drained lists the pods of gangs that run in queues which are to be emptied.
func (r *Registry) Drained() []*corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pods []*corev1.Pod
	for _, e := range r.gangs {
		if e.running() == 0 {
			continue
		}
		if _, how := r.line.Ledger.Stopped(e.queue()); how != ledger.Drain {
			continue
		}
		for _, m := range e.members {
			if m.pod.Spec.NodeName != "" && m.pod.DeletionTimestamp == nil {
				pods = append(pods, m.pod)
			}
		}
	}
	slices.SortFunc(pods, byAge)
	return pods
}
