package state

import (
	corev1 "k8s.io/api/core/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/fragmentation"
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// standing is how a member stands towards its gang. Every member has exactly one, and a gang counts them.
type standing int

const (
	// unknown members are not counted at all: a pod that is gone, or is on its way out.
	unknown standing = iota
	// hindered members exist but cannot be placed by us yet: scheduling gates, resource claims that are still to be made
	// from their templates, or another scheduler's pod.
	hindered
	// ready members wait to be placed.
	ready
	// held members count towards the minimum: reserved by a plan, bound, or succeeded.
	held
	standings
)

// member is one pod of a gang.
type member struct {
	gang *entry
	pod  *corev1.Pod
	role string
	// index is the member's number within its role.
	index    int
	standing standing
	// amount is what the pod asks of its node; claims are the ResourceClaims that it uses, which cost its queue more.
	amount resource.Amounts
	claims []*deviceClaim
	// waits is the shape as which the member is counted among those that wait, while it is ready.
	waits fragmentation.Demand
	// planned is set while a plan names a node for the member that it has not been reserved on yet.
	planned bool
	// reserved is set from Reserve until the API server shows the pod as bound, or the reservation is given back.
	reserved bool
	// booked is what the member's queue is charged with for what it asks of its node; nil where it is not charged.
	booked *booking
	// claim is the place in the line of a member beyond the minimum; nil where it stands in none.
	claim *claim
	// noted is why it waits there, as last looked at.
	noted gang.Verdict
	shape string
}

// booking is what was charged for a member or a ResourceClaim, and to whom.
type booking struct {
	queue  string
	firm   bool
	amount resource.Amounts
}

func (m *member) setReserved(reserved bool) {
	switch {
	case reserved && !m.reserved:
		m.gang.reserved++
	case !reserved && m.reserved:
		m.gang.reserved--
	}
	m.reserved = reserved
}

func (m *member) become(s standing) {
	if m.standing == s {
		return
	}
	switch r := m.gang.registry; {
	case s == ready:
		m.waits = DemandOf(m.amount)
		r.waiting[m.waits]++
	case m.standing == ready:
		tally(r.waiting, m.waits, -1)
	}
	if m.standing != unknown {
		m.gang.tally(m.standing, m.role, -1)
	}
	if s != unknown {
		m.gang.tally(s, m.role, +1)
	}
	m.standing = s
}

// refresh derives the member's standing from its pod.
func (m *member) refresh(effects *Effects) {
	pod := m.pod
	bound := pod.Spec.NodeName != ""
	if bound {
		m.setReserved(false)
	}
	switch {
	case pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		m.become(unknown)
	case bound || m.reserved:
		m.become(held)
	case len(pod.Spec.SchedulingGates) > 0 || pod.Spec.SchedulerName != schedulingv1alpha1.SchedulerName || lacksClaims(pod) || m.lacksDevices():
		m.become(hindered)
	default:
		m.become(ready)
	}
	if m.standing != ready {
		m.leaveLine()
	}
	if p := m.gang.plan; p != nil && (bound || m.standing == unknown || m.standing == hindered) {
		m.gang.leavePlan(m, effects)
	}
	m.book()
	m.occupy()
}

// occupy tells the line for how long the member takes its room, where the scheduler's cache says that it does.
func (m *member) occupy() {
	if node, placed := m.gang.registry.placed[m.pod.UID]; placed {
		m.gang.registry.line.Occupy(node, string(m.pod.UID), m.use())
	}
}

// book charges the member's queue for it, or gives back what was charged. A pod counts from the moment that a plan names
// its node, and a pod on its way out counts until it is gone.
func (m *member) book() {
	r := m.gang.registry
	var due *booking
	if ended := m.pod.Status.Phase == corev1.PodSucceeded || m.pod.Status.Phase == corev1.PodFailed; !ended &&
		(m.planned || m.reserved || m.pod.Spec.NodeName != "") {
		due = &booking{queue: m.gang.queue(), firm: m.gang.firm(), amount: m.amount}
	}
	m.booked = r.rebook(m.booked, due)
	for _, c := range m.claims {
		r.use(c, m, due != nil)
	}
}

// rebook gives back what was charged and charges what is due, nil for nothing, and returns the latter.
func (r *Registry) rebook(was, due *booking) *booking {
	switch {
	case was != nil && due != nil && was.queue == due.queue && was.firm == due.firm && sameAmounts(was.amount, due.amount):
		return was
	case was != nil:
		r.line.Release(was.queue, was.amount, was.firm)
	}
	if due != nil {
		r.line.Charge(due.queue, due.amount, due.firm)
	}
	return due
}

// use is how the member takes room on its node.
func (m *member) use() dispatch.Use {
	since := startOf(m.pod)
	if since.IsZero() {
		since = m.gang.registry.now()
	}
	return dispatch.Use{Amount: m.amount, Since: since, Runtime: m.gang.runtime(), Leaving: m.pod.DeletionTimestamp != nil}
}

// gone gives back all that the member holds.
func (m *member) gone() {
	m.leaveLine()
	m.booked = m.gang.registry.rebook(m.booked, nil)
	m.nameClaims(nil)
}

func sameAmounts(a, b resource.Amounts) bool { return len(a) == len(b) && a.Fits(b) && b.Fits(a) }
