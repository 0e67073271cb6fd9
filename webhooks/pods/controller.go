package pods

import (
	"context"
	"fmt"
	"time"

	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// teller writes the status of policies, where it does not say what it should.
type teller struct {
	client   client.Client
	policies *Policies
	failures *failures
}

// setup adds the controllers. The leader looks at every policy; the other replicas only at those that they saw fail.
func (t *teller) setup(m manager.Manager) error {
	led, err := controller.New("podpolicies", m, controller.Options{Reconciler: t})
	if err != nil {
		return fmt.Errorf("set up the status of PodPolicies: %w", err)
	}
	if err := led.Watch(source.Kind(m.GetCache(), &v1alpha1.PodPolicy{}, &handler.TypedEnqueueRequestForObject[*v1alpha1.PodPolicy]{})); err != nil {
		return fmt.Errorf("watch PodPolicies: %w", err)
	}
	if err := led.Watch(source.Kind(m.GetCache(), &schedulingv1.PriorityClass{}, handler.TypedEnqueueRequestsFromMapFunc(t.naming))); err != nil {
		return fmt.Errorf("watch PriorityClasses: %w", err)
	}
	everywhere, err := controller.New("podpolicies-failures", m, controller.Options{Reconciler: t, NeedLeaderElection: new(false)})
	if err != nil {
		return fmt.Errorf("set up the status of PodPolicies: %w", err)
	}
	return everywhere.Watch(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		t.failures.mu.Lock()
		defer t.failures.mu.Unlock()
		t.failures.queue = queue
		return nil
	}))
}

// naming returns the policies that name a priority class.
func (t *teller) naming(ctx context.Context, class *schedulingv1.PriorityClass) []reconcile.Request {
	policies := &v1alpha1.PodPolicyList{}
	if err := t.client.List(ctx, policies); err != nil { // of the cache: it does not fail once it is filled
		return nil
	}
	var requests []reconcile.Request
	for _, policy := range policies.Items {
		if name := policy.Spec.Set.PriorityClassName; name != nil && name.Value == class.Name {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&policy)})
		}
	}
	return requests
}

// hasClass says whether the priority class that a policy names is there. It asks what is watched, which knows a class before
// whoever waits for one is told.
func (t *teller) hasClass(ctx context.Context, policy *v1alpha1.PodPolicy) (bool, error) {
	name := policy.Spec.Set.PriorityClassName
	if name == nil || name.Value == "" {
		return true, nil
	}
	err := t.client.Get(ctx, client.ObjectKey{Name: name.Value}, &schedulingv1.PriorityClass{})
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("read PriorityClass %s: %w", name.Value, err)
	}
	return err == nil, nil
}

// Reconcile writes the status of one policy, unless it says what it should.
func (t *teller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	policy := &v1alpha1.PodPolicy{}
	if err := t.client.Get(ctx, request.NamespacedName, policy); apierrors.IsNotFound(err) {
		t.failures.forget(request.Name)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read PodPolicy %s: %w", request.Name, err)
	}
	hasClass, err := t.hasClass(ctx, policy)
	if err != nil {
		return reconcile.Result{}, err
	}
	now := time.Now()
	wanted, good := verdict(policy, t.policies.Problem(policy), hasClass, t.failures.of(policy, now), now)
	told := meta.FindStatusCondition(policy.Status.Conditions, wanted.Type)
	if told != nil && told.Status == wanted.Status && told.Reason == wanted.Reason &&
		told.Message == wanted.Message && told.ObservedGeneration == wanted.ObservedGeneration {
		return reconcile.Result{RequeueAfter: good}, nil
	}
	before := policy.DeepCopy()
	if told == nil || told.Status != wanted.Status || told.Reason != wanted.Reason {
		wanted.LastTransitionTime = metav1.NewTime(now)
	} else {
		wanted.LastTransitionTime = told.LastTransitionTime
	}
	policy.Status.Conditions = []metav1.Condition{wanted}
	err = t.client.Status().Patch(ctx, policy, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) { // another replica was first, or it is gone
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("write the status of PodPolicy %s: %w", request.Name, err)
	}
	return reconcile.Result{RequeueAfter: good}, nil
}
