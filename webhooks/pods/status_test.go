package pods

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// policy is one of generation 2, whose status says the reason since a time; "" for nothing.
func policy(reason string, generation int64, since time.Time) *v1alpha1.PodPolicy {
	p := &v1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "1", Generation: 2}}
	if reason != "" {
		p.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.PodPolicyReady, Reason: reason, Message: "told", ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(since),
		}}
	}
	return p
}

func TestVerdict(t *testing.T) {
	failed := &failure{reason: v1alpha1.ReasonExpressionFailed, message: "seen"}
	invalid := &podpolicy.Problem{Policy: "p", Reason: v1alpha1.ReasonInvalidExpression, Err: errors.New("no CEL")}
	naming := policy("", 0, noon)
	naming.Spec.Set.PriorityClassName = &v1alpha1.PodPolicyInherited{Value: "high"}
	for name, c := range map[string]struct {
		policy  *v1alpha1.PodPolicy
		problem error
		seen    *failure
		reason  string
		message string
		good    time.Duration
	}{
		"new":                         {policy("", 0, noon), nil, nil, v1alpha1.ReasonReady, "", 0},
		"does not compile":            {policy("", 0, noon), fmt.Errorf("compiling: %w", invalid), failed, v1alpha1.ReasonInvalidExpression, "no CEL", 0},
		"compiles again":              {policy(v1alpha1.ReasonInvalidExpression, 1, noon), nil, nil, v1alpha1.ReasonReady, "", 0},
		"no class":                    {naming, nil, failed, v1alpha1.ReasonNoPriorityClass, `"high"`, 0},
		"failed here":                 {policy(v1alpha1.ReasonReady, 2, noon), nil, failed, v1alpha1.ReasonExpressionFailed, "seen", remembered},
		"failed elsewhere":            {policy(v1alpha1.ReasonExpressionFailed, 2, noon.Add(-time.Minute)), nil, nil, v1alpha1.ReasonExpressionFailed, "told", 59 * time.Minute},
		"failed here, which is told":  {policy(v1alpha1.ReasonExpressionFailed, 2, noon.Add(-time.Minute)), nil, failed, v1alpha1.ReasonExpressionFailed, "told", 59 * time.Minute},
		"failed before it was edited": {policy(v1alpha1.ReasonExpressionFailed, 1, noon.Add(-time.Minute)), nil, nil, v1alpha1.ReasonReady, "", 0},
		"failed long ago":             {policy(v1alpha1.ReasonExpressionFailed, 2, noon.Add(-time.Hour)), nil, nil, v1alpha1.ReasonReady, "", 0},
		"fails for long":              {policy(v1alpha1.ReasonExpressionFailed, 2, noon.Add(-3*time.Hour)), nil, failed, v1alpha1.ReasonExpressionFailed, "told", again},
		"fails in another way":        {policy(v1alpha1.ReasonTooLarge, 2, noon.Add(-3*time.Hour)), nil, failed, v1alpha1.ReasonExpressionFailed, "seen", remembered},
	} {
		t.Run(name, func(t *testing.T) {
			got, good := verdict(c.policy, c.problem, c.policy.Spec.Set.PriorityClassName == nil, c.seen, noon)
			if got.Reason != c.reason || !strings.Contains(got.Message, c.message) || good != c.good || got.ObservedGeneration != 2 {
				t.Errorf("got %+v for %v", got, good)
			}
			if ready := got.Status == metav1.ConditionTrue; ready != (c.reason == v1alpha1.ReasonReady) && got.Message != "told" {
				t.Errorf("ready is %v", ready)
			}
		})
	}
}

// Failures of a policy that is changed, made anew or left alone for long are forgotten, and each is queued once a minute at most.
func TestFailures(t *testing.T) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	f := &failures{queue: queue}
	problem := &podpolicy.Problem{Policy: "p", Reason: v1alpha1.ReasonExpressionFailed, Err: errors.New(strings.Repeat("long ", 1000))}
	queued := 0
	for second := range 100 {
		f.note("1", 2, "ns/pod", problem, noon.Add(time.Duration(second)*time.Second))
		for queue.Len() > 0 {
			request, _ := queue.Get()
			queue.Done(request)
			queued++
		}
	}
	if queued != 2 {
		t.Errorf("100 failures in 100 seconds were queued %d times, want 2", queued)
	}
	seen := f.of(policy("", 0, noon), noon.Add(100*time.Second))
	if seen == nil || !strings.HasPrefix(seen.message, "pod ns/pod: long") || len(seen.message) > maxMessage {
		t.Errorf("got %+v", seen)
	}
	edited, anew := policy("", 0, noon), policy("", 0, noon)
	edited.Generation, anew.UID = 3, types.UID("2")
	if f.of(edited, noon) != nil || f.of(anew, noon) != nil || f.of(policy("", 0, noon), noon.Add(2*time.Hour)) != nil {
		t.Error("a failure of another policy, or of long ago, counts")
	}
	f.forget("p")
	if f.of(policy("", 0, noon), noon.Add(100*time.Second)) != nil {
		t.Error("the failure was not forgotten")
	}
}
