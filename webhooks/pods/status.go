package pods

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// remembered is for how long a policy is not ready after it failed for some pod, unless it is changed.
const remembered = time.Hour

// again is how soon a failure that was seen once more is looked at once more.
const again = time.Minute

// maxMessage bounds what a status quotes, in bytes.
const maxMessage = 1024

// failure is the last time that a generation of a policy failed for a pod.
type failure struct {
	uid        types.UID
	generation int64
	reason     string
	message    string
	at         time.Time // it happened
	queued     time.Time // it was last queued
}

// failures are those that this replica has seen. Pods do not wait for them to be told: they go to a queue, each policy at most
// once a minute, and a status that tells already is not written again.
type failures struct {
	mu     sync.Mutex
	latest map[string]*failure // by the policy's name
	queue  workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// note takes down that a generation of a policy failed for a pod.
func (f *failures) note(uid types.UID, generation int64, pod string, problem *podpolicy.Problem, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.latest[problem.Policy]
	if known == nil || known.uid != uid || known.generation != generation {
		known = &failure{uid: uid, generation: generation}
		if f.latest == nil {
			f.latest = map[string]*failure{}
		}
		f.latest[problem.Policy] = known
	}
	known.reason, known.message, known.at = problem.Reason, clip(fmt.Sprintf("pod %s: %v", pod, problem.Err)), now
	if f.queue != nil && now.Sub(known.queued) >= again {
		known.queued = now
		f.queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: problem.Policy}})
	}
}

// of returns the last failure of the policy as it is, if it was lately.
func (f *failures) of(policy *v1alpha1.PodPolicy, now time.Time) *failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.latest[policy.Name]
	if known == nil || known.uid != policy.UID || known.generation != policy.Generation || now.Sub(known.at) > remembered {
		return nil
	}
	found := *known
	return &found
}

func (f *failures) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.latest, name)
}

// verdict returns the condition Ready that the policy should have, and how long it is good for if nothing changes; 0 is for
// ever. A problem is why it can be followed for no pod, hasClass says whether the priority class that it names is there. What a
// replica did not see itself it takes from the condition that is there: so all replicas come to the same.
func verdict(policy *v1alpha1.PodPolicy, problem error, hasClass bool, seen *failure, now time.Time) (metav1.Condition, time.Duration) {
	ready := metav1.Condition{
		Type: v1alpha1.PodPolicyReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady,
		Message: "the policy is followed", ObservedGeneration: policy.Generation,
	}
	not := func(reason, message string) metav1.Condition {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, reason, clip(message)
		return ready
	}
	if known := (*podpolicy.Problem)(nil); errors.As(problem, &known) {
		return not(known.Reason, known.Err.Error()), 0
	}
	if class := policy.Spec.Set.PriorityClassName; class != nil && class.Value != "" && !hasClass {
		return not(v1alpha1.ReasonNoPriorityClass, fmt.Sprintf("set priorityClassName: there is no PriorityClass %q", class.Value)), 0
	}
	told := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.PodPolicyReady)
	if told != nil && told.ObservedGeneration == policy.Generation && passes(told.Reason) {
		if left := told.LastTransitionTime.Add(remembered).Sub(now); left > 0 {
			return *told, left
		}
		if seen != nil && seen.reason == told.Reason { // it goes on
			return *told, again
		}
	}
	if seen != nil && passes(seen.reason) {
		return not(seen.reason, seen.message), remembered
	}
	return ready, 0
}

// passes says whether a reason is one that depends on pods, so that it may hold no longer.
func passes(reason string) bool {
	return reason == v1alpha1.ReasonExpressionFailed || reason == v1alpha1.ReasonTooLarge || reason == v1alpha1.ReasonNoInheritedClass
}

// clip cuts a long message.
func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return message[:maxMessage-3] + "..."
}
