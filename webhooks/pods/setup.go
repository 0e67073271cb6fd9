package pods

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// Setup returns the webhooks for pods and for PodPolicies, and what fails until they know all policies, namespaces and priority
// classes. Every replica that runs the manager serves; the status of policies is the leader's.
func Setup(ctx context.Context, m manager.Manager, look Look) (pods, policies http.Handler, ready func() error, err error) {
	compiled, classes, queueClasses := &Policies{}, &shelf[sets.Empty]{}, &shelf[string]{}
	informers := m.GetCache()
	var synced []func() bool
	watch := func(object client.Object, set, remove func(any)) error {
		informer, err := informers.GetInformer(ctx, object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
		registered, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: set, UpdateFunc: func(_, now any) { set(now) }, DeleteFunc: remove,
		})
		if err != nil {
			return fmt.Errorf("watch %T: %w", object, err)
		}
		synced = append(synced, registered.HasSynced)
		return nil
	}
	if err := errors.Join(
		watch(&v1alpha1.PodPolicy{}, func(o any) { compiled.Set(o.(*v1alpha1.PodPolicy)) }, func(o any) { compiled.Delete(keyOf(o)) }),
		watch(&schedulingv1.PriorityClass{}, func(o any) { classes.put(keyOf(o), sets.Empty{}) }, func(o any) { classes.take(keyOf(o)) }),
		watch(&corev1.Namespace{}, func(any) {}, func(any) {}),
		watch(&v1alpha1.Queue{}, func(o any) { queueClasses.put(keyOf(o), o.(*v1alpha1.Queue).Labels[v1alpha1.PriorityClassLabel]) },
			func(o any) { queueClasses.take(keyOf(o)) }),
	); err != nil {
		return nil, nil, nil, err
	}
	seen := &failures{}
	status := &teller{client: m.GetClient(), policies: compiled, failures: seen}
	if err := status.setup(m); err != nil {
		return nil, nil, nil, err
	}
	existing := func() sets.Set[string] { return classes.all() }
	h := &Handler{
		Policies: compiled, Classes: existing, QueueClasses: queueClasses.all, Reader: m.GetClient(), Live: m.GetAPIReader(), Look: look,
		Tell: func(pod string, problem *podpolicy.Problem) {
			if uid, generation, ok := compiled.version(problem.Policy); ok {
				seen.note(uid, generation, pod, problem, time.Now())
			}
		},
	}
	ready = func() error {
		for _, done := range synced {
			if !done() {
				return errors.New("the pod policies have not been read yet")
			}
		}
		return nil
	}
	v := &Validator{Classes: existing, Decoder: admission.NewDecoder(m.GetScheme())}
	return &admission.Webhook{Handler: h}, &admission.Webhook{Handler: v}, ready, nil
}

// keyOf is the name of an object of the whole cluster, which may be known only by what is left of it.
func keyOf(object any) string {
	key, err := toolscache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err != nil { // it is no object: it cannot be
		return ""
	}
	return key
}
