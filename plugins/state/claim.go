package state

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/dispatch"
	"github.com/muster-scheduling/muster/internal/gang"
)

// claim is a place in the line: a gang's, or that of one member beyond its minimum.
type claim struct {
	id string
	e  *entry
	// m is the member beyond the minimum; nil where the claim is the gang's.
	m *member
	// turn is set while it is the claim's turn.
	turn *dispatch.Turn
	// outcome is what the scheduling cycle found, until the attempt has ended.
	outcome *Outcome
}

// queueTraits are what the registry itself reads of a Queue.
type queueTraits struct {
	// object is the Queue as the API server has it.
	object *schedulingv1alpha1.Queue
	// selector says which namespaces may submit.
	selector labels.Selector
}

// queue names the gang's queue: the label of the PodGroup, else of a member, else of the namespace, else the default.
func (e *entry) queue() string {
	fromPodGroup := ""
	if e.podGroup != nil {
		fromPodGroup = e.podGroup.Labels[schedulingv1alpha1.QueueLabel]
	}
	return cmp.Or(fromPodGroup, e.said.queue(), e.registry.namespaces[e.key.Namespace][schedulingv1alpha1.QueueLabel], schedulingv1alpha1.DefaultQueue)
}

// firm reports whether the PodGroup or a member forbids eviction.
func (e *entry) firm() bool {
	return e.said.firm > 0 || e.podGroup != nil && e.podGroup.Annotations[schedulingv1alpha1.PreemptibleAnnotation] == "false"
}

// urgent reports whether the PodGroup or a member asks not to wait behind reservations.
func (e *entry) urgent() bool {
	if e.podGroup != nil {
		if urgent, err := urgency(e.podGroup.Annotations); err == nil && urgent {
			return true
		}
	}
	return e.said.urgent > 0
}

// urgency reads whether reservations are to be ignored.
func urgency(annotations map[string]string) (bool, error) {
	switch value := annotations[schedulingv1alpha1.ReservationAnnotation]; value {
	case "":
		return false, nil
	case schedulingv1alpha1.ReservationIgnore:
		return true, nil
	default:
		return false, fmt.Errorf("annotation %s is %q: it can only be %s", schedulingv1alpha1.ReservationAnnotation, value, schedulingv1alpha1.ReservationIgnore)
	}
}

// runtime is how long the gang is expected to run; 0 where nobody says.
func (e *entry) runtime() time.Duration {
	if e.podGroup != nil {
		if runtime, err := durationOf(e.podGroup.Annotations, schedulingv1alpha1.ExpectedRuntimeAnnotation); err == nil && runtime > 0 {
			return runtime
		}
	}
	return e.said.runtime()
}

// preemptionDelay is how long the gang waits before others are evicted for it.
func (e *entry) preemptionDelay() time.Duration {
	if e.podGroup != nil {
		if delay, err := durationOf(e.podGroup.Annotations, schedulingv1alpha1.PreemptionDelayAnnotation); err == nil && delay > 0 {
			return delay
		}
	}
	return e.said.delay()
}

// malformed is what is wrong with the annotations of the gang, nil where nothing is.
func (e *entry) malformed() error {
	if e.podGroup != nil {
		for _, name := range []string{schedulingv1alpha1.ExpectedRuntimeAnnotation, schedulingv1alpha1.PreemptionDelayAnnotation} {
			if _, err := durationOf(e.podGroup.Annotations, name); err != nil {
				return err
			}
		}
		if _, err := packingOf(e.podGroup.Annotations); err != nil {
			return err
		}
		if _, err := urgency(e.podGroup.Annotations); err != nil {
			return err
		}
		if _, said := e.podGroup.Annotations[schedulingv1alpha1.SegmentSizeAnnotation]; said {
			return fmt.Errorf("annotation %s belongs on the pods of the role that it divides", schedulingv1alpha1.SegmentSizeAnnotation)
		}
		for _, name := range gpuAnnotations {
			if _, said := e.podGroup.Annotations[name]; said {
				return fmt.Errorf("annotation %s belongs on the pods whose GPUs it is about", name)
			}
		}
	}
	if problem := e.said.problem(); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// durationOf reads an annotation that holds a duration; 0 where there is none.
func durationOf(annotations map[string]string, name string) (time.Duration, error) {
	text := annotations[name]
	if text == "" {
		return 0, nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil || duration <= 0 {
		return 0, fmt.Errorf("annotation %s is %q: it must be a positive Go duration, like 90m", name, text)
	}
	return duration, nil
}

// rebook charges the members anew after something changed that decides which queue pays, or how long they run.
func (e *entry) rebook() {
	for _, m := range e.members {
		m.book()
		m.occupy()
	}
}

// barred is why the gang may not stand in the line of its queue at all; its reason is gang.None where it may.
func (e *entry) barred() gang.Verdict {
	if missing := e.missingLevel(); missing != "" {
		return gang.Verdict{Reason: gang.TopologyNotFound, Message: missing}
	}
	traits, exists := e.registry.queues[e.queue()]
	if exists && traits.selector != nil && !traits.selector.Matches(e.registry.namespaces[e.key.Namespace]) {
		return gang.Verdict{Reason: gang.NamespaceNotAllowed, Message: fmt.Sprintf(
			"queue %s does not admit gangs of namespace %s: its namespaceSelector does not match", e.queue(), e.key.Namespace)}
	}
	return gang.Verdict{}
}

// enterLine gives the gang its place in the line of its queue, or takes note of what changed about it.
func (e *entry) enterLine() {
	e.stale = false
	if e.malformed() != nil || e.barred().Reason != gang.None {
		e.leaveLine()
		return
	}
	if e.claim == nil {
		e.claim = &claim{id: e.key.id(), e: e}
		e.registry.claims[e.claim.id] = e.claim
	}
	e.registry.enter(e.claim, e.asked(e.claim.id))
}

// asked is what the gang asks for in the line, where it has that ID.
func (e *entry) asked(id string) dispatch.Gang {
	g := dispatch.Gang{
		ID: id, Queue: e.queue(), Priority: e.priority(), Mending: e.running() > 0, Born: e.born,
		Runtime: e.runtime(), Firm: e.firm(), Urgent: e.urgent(),
	}
	waiting, asked := e.pods(ready), newBill()
	for _, pod := range e.minimum(waiting) {
		m := e.members[pod.UID]
		asked.add(m)
		if at := slices.IndexFunc(g.Members, func(group dispatch.Members) bool { return sameAmounts(group.Amount, m.amount) }); at >= 0 {
			g.Members[at].Count++
		} else {
			g.Members = append(g.Members, dispatch.Members{Count: 1, Amount: m.amount})
		}
	}
	g.Amount, g.Shape = asked.amount, e.shape(waiting)
	return g
}

// minimum chooses the members whose requests the queue is asked for: of each role what it lacks, in the order of ranks.
func (e *entry) minimum(waiting []*corev1.Pod) []*corev1.Pod {
	need := e.need()
	if need.Total >= len(waiting) {
		return waiting
	}
	left, role := need.Total, maps.Clone(need.Role)
	for _, missing := range role {
		left -= missing
	}
	return slices.DeleteFunc(slices.Clone(waiting), func(pod *corev1.Pod) bool {
		m := e.members[pod.UID]
		switch {
		case role[m.role] > 0:
			role[m.role]--
		case left > 0:
			left--
		default:
			return true
		}
		return false
	})
}

// shape is equal for gangs that no placement can tell apart.
func (e *entry) shape(waiting []*corev1.Pod) string {
	count := map[string]int{}
	for _, pod := range waiting {
		m := e.members[pod.UID]
		if m.shape == "" {
			m.shape = shapeOf(pod)
		}
		count[m.role+"\x00"+m.shape]++
	}
	hash := fnv.New128a()
	need := e.need()
	fmt.Fprintf(hash, "%d%s", need.Total, e.bond())
	for _, role := range slices.Sorted(maps.Keys(need.Role)) {
		fmt.Fprintf(hash, "/%s=%d", role, need.Role[role])
	}
	for _, key := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(hash, "/%s=%d", key, count[key])
	}
	return string(hash.Sum(nil))
}

// shapeOf is equal for pods that no filter can tell apart. Pods that choose their company also differ by their labels and
// their namespace, those with claims by the namespace in which these are.
func shapeOf(pod *corev1.Pod) string {
	shape := struct {
		Traits    corev1.PodSpec
		Near      []string
		Namespace string
		Labels    map[string]string
	}{Traits: Traits(pod), Near: Nearness(pod.Annotations)}
	company := shape.Traits.Affinity != nil || len(shape.Traits.TopologySpreadConstraints) > 0
	if company {
		shape.Labels = pod.Labels
	}
	if company || len(shape.Traits.Volumes) > 0 || len(shape.Traits.ResourceClaims) > 0 {
		shape.Namespace = pod.Namespace
	}
	hash := fnv.New128a()
	if err := json.NewEncoder(hash).Encode(shape); err != nil {
		return string(pod.UID) // Like no other.
	}
	return string(hash.Sum(nil))
}

// leaveLine takes the gang out of the line, whatever its state there.
func (e *entry) leaveLine() {
	if e.claim == nil {
		return
	}
	e.registry.line.Remove(e.claim.id)
	delete(e.registry.claims, e.claim.id)
	e.registry.forgetVictims(e.key)
	e.claim = nil
}

// terms are what members beyond the minimum have in common in the line.
type terms struct {
	queue    string
	priority int32
	runtime  time.Duration
	firm     bool
	urgent   bool
	bond     string
}

// enterSurplus gives every member beyond the minimum a place in the line of its own, or takes note of what changed about it.
func (e *entry) enterSurplus() {
	if e.key.Single() {
		return
	}
	if e.malformed() != nil || e.barred().Reason != gang.None {
		e.leaveSurplus()
		return
	}
	now := terms{queue: e.queue(), priority: e.priority(), runtime: e.runtime(), firm: e.firm(), urgent: e.urgent(), bond: e.bond()}
	if e.terms == now && e.surplus == e.count[ready].Total() {
		return
	}
	for _, m := range e.members {
		if m.standing != ready || m.claim != nil && e.terms == now {
			continue
		}
		if m.shape == "" {
			m.shape = shapeOf(m.pod)
		}
		shape := m.role + "\x00" + m.shape + now.bond
		if size, err := segmentOf(m.pod); err == nil && size > 0 {
			shape += m.pod.Name // What its segment leaves it is nobody else's.
		}
		if m.claim == nil {
			m.claim = &claim{id: e.key.id() + "#" + string(m.pod.UID), e: e, m: m}
			e.registry.claims[m.claim.id] = m.claim
			e.surplus++
		}
		e.registry.enter(m.claim, dispatch.Gang{
			ID: m.claim.id, Queue: now.queue, Priority: now.priority, Born: m.pod.CreationTimestamp.Time, Shape: shape,
			Amount: billOf(m), Members: []dispatch.Members{{Count: 1, Amount: m.amount}}, Runtime: now.runtime, Firm: now.firm, Urgent: now.urgent, Elastic: true,
		})
	}
	e.terms = now
}

// enter gives a claim its place in the line, or takes note of what changed about it. Where that is something else than before,
// a turn that it had is over, and nobody leaves for it any more.
func (r *Registry) enter(c *claim, g dispatch.Gang) {
	tried, making := r.line.Trying() == c.id, r.line.MakingRoom(c.id)
	r.line.Add(g, r.now())
	if tried && r.line.Trying() != c.id || making && !r.line.MakingRoom(c.id) {
		c.turn, c.outcome = nil, nil
		r.forgetVictims(c.e.key)
	}
}

func (e *entry) leaveSurplus() {
	if e.surplus == 0 {
		return
	}
	for _, m := range e.members {
		m.leaveLine()
	}
}

func (m *member) leaveLine() {
	if m.claim == nil {
		return
	}
	m.gang.registry.line.Remove(m.claim.id)
	delete(m.gang.registry.claims, m.claim.id)
	m.claim = nil
	m.gang.surplus--
}

// verdict is why the gang waits, by the precedence of gang.Reasons.
func (e *entry) verdict(now time.Time) gang.Verdict {
	switch {
	case !e.key.Single() && e.podGroup == nil && e.count[ready].Total()+e.count[hindered].Total() == 0:
		// Members that run, or are on their way out, wait for nothing when their PodGroup has been deleted.
		return gang.Verdict{}
	case !e.key.Single() && e.podGroup == nil:
		return gang.Verdict{Reason: gang.PodGroupNotFound, Message: fmt.Sprintf("PodGroup %q does not exist in namespace %q", e.key.Name, e.key.Namespace)}
	case e.specErr != nil:
		return gang.Verdict{Reason: gang.Misconfigured, Message: e.specErr.Error()}
	case e.need().Met(), (e.whole || e.key.Single()) && len(e.members) == 0:
		// The second is a gang that ran and is gone: it waits for nothing.
		return gang.Verdict{}
	case e.plan != nil:
		return gang.Verdict{Reason: gang.Committing, Message: "the gang is being bound"}
	}
	if err := e.malformed(); err != nil {
		return gang.Verdict{Reason: gang.Misconfigured, Message: err.Error()}
	}
	if gated := e.registry.line.Gated(e.queue()); gated.Reason == gang.QueueNotFound || gated.Reason == gang.Misconfigured {
		return gated
	}
	if barred := e.barred(); barred.Reason != gang.None {
		return barred
	}
	if e.claim != nil {
		return e.registry.line.Why(e.claim.id, now)
	}
	shortage := e.spec.Shortage(e.count[held], e.count[ready])
	if gated := e.count[hindered].Total(); gated > 0 {
		shortage += fmt.Sprintf("; %d more have scheduling gates, wait for their resource claims, or belong to another scheduler", gated)
	}
	return gang.Verdict{Reason: gang.WaitingForMembers, Message: shortage}
}
