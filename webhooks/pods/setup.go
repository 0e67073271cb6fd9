package pods

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
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

// Setup returns the webhook for pods, and what fails until it knows all policies, namespaces and priority classes. Every
// replica that runs the manager serves; the status of policies is the leader's.
func Setup(ctx context.Context, m manager.Manager, look Look) (http.Handler, func() error, error) {
	policies, classes, queueClasses := &Policies{}, &names{}, &namedClasses{}
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
		watch(&v1alpha1.PodPolicy{}, func(o any) { policies.Set(o.(*v1alpha1.PodPolicy)) }, func(o any) { policies.Delete(keyOf(o)) }),
		watch(&schedulingv1.PriorityClass{}, func(o any) { classes.add(keyOf(o)) }, func(o any) { classes.remove(keyOf(o)) }),
		watch(&corev1.Namespace{}, func(any) {}, func(any) {}),
		watch(&v1alpha1.Queue{}, func(o any) { queueClasses.set(keyOf(o), o.(*v1alpha1.Queue).Labels[v1alpha1.PriorityClassLabel]) },
			func(o any) { queueClasses.set(keyOf(o), "") }),
	); err != nil {
		return nil, nil, err
	}
	seen := &failures{}
	status := &teller{client: m.GetClient(), policies: policies, classes: classes.all, failures: seen}
	if err := status.setup(m); err != nil {
		return nil, nil, err
	}
	h := &Handler{
		Policies: policies, Classes: classes.all, QueueClasses: queueClasses.all, Reader: m.GetClient(), Live: m.GetAPIReader(), Look: look,
		Tell: func(pod string, problem *podpolicy.Problem) {
			if uid, generation, ok := policies.version(problem.Policy); ok {
				seen.note(uid, generation, pod, problem, time.Now())
			}
		},
	}
	ready := func() error {
		for _, done := range synced {
			if !done() {
				return errors.New("the pod policies have not been read yet")
			}
		}
		return nil
	}
	return &admission.Webhook{Handler: h}, ready, nil
}

// keyOf is the name of an object of the whole cluster, which may be known only by what is left of it.
func keyOf(object any) string {
	key, err := toolscache.DeletionHandlingMetaNamespaceKeyFunc(object)
	if err != nil { // it is no object: it cannot be
		return ""
	}
	return key
}

// names is a set of names that is read often and changed rarely.
type names struct {
	mu  sync.Mutex
	set atomic.Pointer[sets.Set[string]]
}

// all returns the names. The set is shared.
func (n *names) all() sets.Set[string] {
	if set := n.set.Load(); set != nil {
		return *set
	}
	return nil
}

func (n *names) add(name string) {
	n.change(func(set sets.Set[string]) { set.Insert(name) })
}

func (n *names) remove(name string) {
	n.change(func(set sets.Set[string]) { set.Delete(name) })
}

func (n *names) change(change func(sets.Set[string])) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := sets.New(n.all().UnsortedList()...)
	change(changed)
	n.set.Store(&changed)
}

// namedClasses are the priority classes that objects name, by the object's name. They are read often and changed rarely.
type namedClasses struct {
	mu      sync.Mutex
	classes atomic.Pointer[map[string]string]
}

// all returns them. The map is shared.
func (n *namedClasses) all() map[string]string {
	if classes := n.classes.Load(); classes != nil {
		return *classes
	}
	return nil
}

// set takes note of what an object names; "" for nothing.
func (n *namedClasses) set(name, class string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all()[name] == class {
		return
	}
	changed := maps.Clone(n.all())
	if changed == nil {
		changed = map[string]string{}
	}
	if changed[name] = class; class == "" {
		delete(changed, name)
	}
	n.classes.Store(&changed)
}
