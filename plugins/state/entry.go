package state

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
)

// entry is one gang: its PodGroup, its members and the plan under way. A single pod is an entry without a PodGroup whose
// minimum is one. The registry's mutex guards it.
type entry struct {
	registry *Registry
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
	said     said

	// leader is the one member that may enter the scheduling queue to have the whole gang planned.
	leader types.UID
	plan   *plan
	// claim is the gang's place in the line; nil where it stands in none.
	claim *claim
	// surplus is the number of members beyond the minimum that stand in the line one by one, on terms.
	surplus int
	terms   terms
	// tries counts the attempts that ended in another failure than a lack of room.
	tries int
	// stale is set when the gang changed so that its claim may be another one.
	stale bool
	// whole is set once the gang has had its minimum bound, until it starts anew; wholeSince is when that was.
	whole      bool
	wholeSince time.Time
	// marked is how the gang is counted among those that may become victims; nil where it is not.
	marked *mark

	born        time.Time
	since       time.Time
	brokenSince time.Time
	noted       gang.Verdict
}

func (e *entry) tally(s standing, role string, by int) {
	if e.count[s][role] += by; e.count[s][role] == 0 {
		delete(e.count[s], role)
	}
}

func (e *entry) setPodGroup(pg *podgroupv1alpha1.PodGroup, effects *Effects) {
	old := e.podGroup
	e.podGroup = pg
	e.stale = true
	defer e.rebook()
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
	e.dropPlan(effects)
}

// need is what the gang lacks. Only meaningful when it can be judged at all.
func (e *entry) need() gang.Need { return e.spec.Need(e.count[held]) }

func (e *entry) judgeable() bool { return (e.podGroup != nil || e.key.Single()) && e.specErr == nil }

// settle finds a leader and a place in the line, or puts the members beyond the minimum there.
func (e *entry) settle(effects *Effects) {
	if e.plan != nil && e.plan.open && (len(e.plan.node) == 0 || !e.need().Met()) {
		// All are reserved, or the gang has lost a member meanwhile and has to be planned anew.
		e.endPlan()
	}
	switch {
	case e.plan != nil:
		e.leaveLine()
		e.leaveSurplus()
	case !e.judgeable():
		e.leader = ""
		e.leaveLine()
		e.leaveSurplus()
	case e.need().Met():
		e.leader = ""
		e.leaveLine()
		if !e.whole && e.reserved == 0 {
			e.whole, e.wholeSince, e.tries = true, e.registry.now(), 0
		}
		e.enterSurplus()
	case e.spec.Shortage(e.count[held], e.count[ready]) != "":
		e.leader = ""
		e.leaveLine()
		e.leaveSurplus()
	default:
		e.leaveSurplus()
		if e.stale || e.claim == nil {
			e.enterLine()
		}
		if !e.led() {
			leader := e.pods(ready)[0]
			e.leader = leader.UID
			if e.claim != nil && e.registry.line.Trying() == e.claim.id {
				effects.Activate = append(effects.Activate, leader)
			}
		}
	}
}

// led reports whether the leader is still one of the members that wait.
func (e *entry) led() bool {
	m := e.members[e.leader]
	return m != nil && m.standing == ready
}

// pods lists the members of a standing, in the order of their ranks.
func (e *entry) pods(s standing) []*corev1.Pod {
	var members []*member
	for _, m := range e.members {
		if m.standing == s {
			members = append(members, m)
		}
	}
	slices.SortFunc(members, byRank)
	pods := make([]*corev1.Pod, len(members))
	for i, m := range members {
		pods[i] = m.pod
	}
	return pods
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
