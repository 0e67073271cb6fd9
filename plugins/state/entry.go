package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
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

// entry is one gang: its PodGroup, its members and the plan under way. The registry's mutex guards it.
type entry struct {
	key      Key
	podGroup *podgroupv1alpha1.PodGroup
	spec     gang.Spec
	specErr  error

	members   map[types.UID]*member
	succeeded map[types.UID]string
	// priorities counts the members of each priority.
	priorities map[int32]int
	count      [standings]gang.Tally
	// reserved is the number of members that are held without being bound yet.
	reserved int

	// leader is the one member that may enter the scheduling queue to have the whole gang planned.
	leader types.UID
	plan   *plan
	// failure is why the last planning attempt found no room; zero before the first and after a success.
	failure Failure
	// stale is set when the gang changed since that attempt began, so that another may end otherwise.
	stale bool
	// freed is set once the members beyond the minimum have been let into the queue one by one.
	freed bool
	// whole is set once the gang has had its minimum bound, until it starts anew.
	whole bool

	born        time.Time
	since       time.Time
	brokenSince time.Time
	noted       gang.Verdict
}

// member is one pod of a gang.
type member struct {
	gang     *entry
	pod      *corev1.Pod
	role     string
	standing standing
	// reserved is set from Reserve until the API server shows the pod as bound, or the reservation is given back.
	reserved bool
}

func (e *entry) tally(s standing, role string, by int) {
	if e.count[s][role] += by; e.count[s][role] == 0 {
		delete(e.count[s], role)
	}
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
	case len(pod.Spec.SchedulingGates) > 0 || pod.Spec.SchedulerName != schedulingv1alpha1.SchedulerName || lacksClaims(pod):
		m.become(hindered)
	default:
		m.become(ready)
	}
	if p := m.gang.plan; p != nil && (bound || m.standing == unknown || m.standing == hindered) {
		m.gang.leavePlan(m, effects)
	}
}

// lacksClaims reports whether a resource claim of the pod is still to be made from its template. Only the pod's own
// status tells when it is: planning before would fail, and the change wakes nobody but this pod.
func lacksClaims(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.ResourceClaims, func(claim corev1.PodResourceClaim) bool {
		return claim.ResourceClaimTemplateName != nil && !slices.ContainsFunc(pod.Status.ResourceClaimStatuses, func(made corev1.PodResourceClaimStatus) bool {
			return made.Name == claim.Name
		})
	})
}

func (e *entry) setPodGroup(pg *podgroupv1alpha1.PodGroup, effects *Effects) {
	old := e.podGroup
	e.podGroup = pg
	if pg == nil {
		e.spec, e.specErr = gang.Spec{}, nil
		e.dropPlan(effects)
		return
	}
	minMembers := pg.Annotations[schedulingv1alpha1.MinMembersAnnotation]
	if old != nil && old.UID == pg.UID && old.Spec.MinMember == pg.Spec.MinMember &&
		old.Annotations[schedulingv1alpha1.MinMembersAnnotation] == minMembers {
		return
	}
	e.spec, e.specErr = gang.ParseSpec(pg.Spec.MinMember, minMembers)
	e.born = pg.CreationTimestamp.Time
	e.stale = true
	e.dropPlan(effects)
}

// need is what the gang lacks. Only meaningful when it can be judged at all.
func (e *entry) need() gang.Need { return e.spec.Need(e.count[held]) }

func (e *entry) judgeable() bool { return e.podGroup != nil && e.specErr == nil }

// settle finds a leader, or frees the surplus.
func (e *entry) settle(effects *Effects) {
	if e.plan != nil && e.plan.open && (len(e.plan.node) == 0 || !e.need().Met()) {
		// All are reserved, or the gang has lost a member meanwhile and has to be planned anew.
		e.plan = nil
	}
	if e.plan != nil {
		return
	}
	if !e.judgeable() {
		e.leader, e.freed = "", false
		return
	}
	if e.need().Met() {
		e.leader, e.failure = "", Failure{}
		e.whole = e.whole || e.reserved == 0
		if !e.freed {
			e.freed = true
			effects.Activate = append(effects.Activate, e.pods(ready)...)
		}
		return
	}
	e.freed = false
	if e.spec.Shortage(e.count[held], e.count[ready]) != "" {
		e.leader, e.failure = "", Failure{}
		return
	}
	if !e.led() {
		leader := e.pods(ready)[0]
		e.leader = leader.UID
		effects.Activate = append(effects.Activate, leader)
	}
}

// led reports whether the leader is still one of the members that wait.
func (e *entry) led() bool {
	m := e.members[e.leader]
	return m != nil && m.standing == ready
}

// pods lists the members of a standing, oldest first.
func (e *entry) pods(s standing) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, m := range e.members {
		if m.standing == s {
			pods = append(pods, m.pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), naturalCompare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return pods
}

// naturalCompare orders worker-2 before worker-10: a shorter name with the same stem has the smaller number.
func naturalCompare(a, b string) int {
	return cmp.Or(cmp.Compare(strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// priority is the highest of the members': losing any of them loses the job.
func (e *entry) priority() int32 {
	if len(e.priorities) == 0 {
		return 0
	}
	return slices.Max(slices.Collect(maps.Keys(e.priorities)))
}

func priorityOf(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// running is the number of members that hold resources of the cluster, as far as the API server says.
func (e *entry) running() int {
	return e.count[held].Total() - e.reserved - len(e.succeeded)
}

// broken reports whether members run although the gang is below its minimum and nothing is under way to mend it.
func (e *entry) broken() bool {
	return e.judgeable() && e.plan == nil && !e.need().Met() && e.running() > 0
}

// verdict is why the gang waits, by the precedence of gang.Reasons.
func (e *entry) verdict() gang.Verdict {
	switch {
	case e.podGroup == nil && e.count[ready].Total()+e.count[hindered].Total() == 0:
		// Members that run, or are on their way out, wait for nothing when their PodGroup has been deleted.
		return gang.Verdict{}
	case e.podGroup == nil:
		return gang.Verdict{Reason: gang.PodGroupNotFound, Message: fmt.Sprintf("PodGroup %q does not exist in namespace %q", e.key.Name, e.key.Namespace)}
	case e.specErr != nil:
		return gang.Verdict{Reason: gang.Misconfigured, Message: e.specErr.Error()}
	case e.need().Met(), e.whole && len(e.members) == 0:
		// The second is a gang that ran and is gone: it waits for nothing.
		return gang.Verdict{}
	}
	if shortage := e.spec.Shortage(e.count[held], e.count[ready]); shortage != "" && e.plan == nil {
		if gated := e.count[hindered].Total(); gated > 0 {
			shortage += fmt.Sprintf("; %d more have scheduling gates, wait for their resource claims, or belong to another scheduler", gated)
		}
		return gang.Verdict{Reason: gang.WaitingForMembers, Message: shortage}
	}
	switch {
	case e.plan != nil:
		return gang.Verdict{Reason: gang.Committing, Message: "the gang is being bound"}
	case e.failure.Message != "":
		return gang.Verdict{Reason: gang.Unschedulable, Message: e.failure.Message}
	}
	return gang.Verdict{Reason: gang.NotYetPlanned, Message: "the gang has not been planned yet"}
}
