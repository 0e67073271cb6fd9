package notebook

import (
	"context"
	"fmt"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// How many notebooks are looked at at a time. Those who cull mostly wait for answers.
const (
	workers     = 4
	cullWorkers = 64
)

// AddToScheme registers the types of which the manager's client needs to know besides those of Kubernetes itself.
func AddToScheme(scheme *runtime.Scheme) error {
	if err := notebookv1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering Notebook: %w", err)
	}
	return nil
}

// Setup adds the controllers of notebooks to a manager. They have a cache of their own, which holds only what belongs to
// notebooks.
func Setup(_ context.Context, m manager.Manager, config Config) error {
	if err := config.validate(); err != nil {
		return err
	}
	cl, err := newCluster(m)
	if err != nil {
		return err
	}
	if err := m.Add(manager.RunnableFunc(cl.Start)); err != nil { // not as a cluster: a replica that stands by needs none of it
		return fmt.Errorf("adding the cache of notebooks: %w", err)
	}
	recorder := m.GetEventRecorder("muster-notebook")
	err = build(m, cl, "notebook", workers, everyChange()).
		WatchesRawSource(source.Kind(cl.GetCache(), &appsv1.StatefulSet{}, byLabel[*appsv1.StatefulSet]())).
		WatchesRawSource(source.Kind(cl.GetCache(), &corev1.Service{}, byLabel[*corev1.Service]())).
		WatchesRawSource(source.Kind(cl.GetCache(), &corev1.Pod{}, byLabel[*corev1.Pod]())).
		Complete(&reconciler{config: config, client: cl.GetClient(), live: cl.GetAPIReader(), recorder: recorder, now: time.Now})
	if err != nil {
		return fmt.Errorf("setting up the controller of notebooks: %w", err)
	}
	err = builder.ControllerManagedBy(m).Named("notebook-events").
		WatchesRawSource(source.Kind(cl.GetCache(), &corev1.Event{}, &handler.TypedEnqueueRequestForObject[*corev1.Event]{}, perhapsOurs())).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&reissuer{client: cl.GetClient()})
	if err != nil {
		return fmt.Errorf("setting up the controller of notebooks' events: %w", err)
	}
	if !config.CullIdle {
		return nil
	}
	err = build(m, cl, "notebook-culling", cullWorkers, changesOfUsers()).
		WatchesRawSource(source.Kind(cl.GetCache(), &corev1.Pod{}, byLabel[*corev1.Pod](), starts())).
		Complete(&culler{config: config, client: cl.GetClient(), recorder: recorder, ask: newProber(config).ask, now: time.Now})
	if err != nil {
		return fmt.Errorf("setting up the culling of notebooks: %w", err)
	}
	return nil
}

// newCluster is a view of the manager's cluster that holds only what belongs to notebooks, and its own writes.
func newCluster(m manager.Manager) (cluster.Cluster, error) {
	ours, err := labels.NewRequirement(notebookv1.NotebookNameLabel, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("the selector of a constant label: %v", err))
	}
	only := cache.ByObject{Label: labels.NewSelector().Add(*ours)}
	cl, err := cluster.New(m.GetConfig(), func(o *cluster.Options) {
		o.Scheme, o.Logger, o.HTTPClient = m.GetScheme(), m.GetLogger(), m.GetHTTPClient()
		o.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return m.GetRESTMapper(), nil }
		o.Cache = cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: map[client.Object]cache.ByObject{
			&appsv1.StatefulSet{}: only, &corev1.Service{}: only, &corev1.Pod{}: only,
			&corev1.Event{}: {Transform: slim},
		}}
		o.Client = client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}}
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the cache of notebooks: %w", err)
	}
	return cl, nil
}

// build begins a controller of notebooks.
func build(m manager.Manager, cl cluster.Cluster, name string, workers int, p predicate.TypedPredicate[*notebookv1.Notebook]) *builder.Builder {
	return builder.ControllerManagedBy(m).Named(name).
		WatchesRawSource(source.Kind(cl.GetCache(), &notebookv1.Notebook{}, &handler.TypedEnqueueRequestForObject[*notebookv1.Notebook]{}, p)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		})
}

// byLabel leads from what belongs to a notebook to the notebook.
func byLabel[T client.Object]() handler.TypedEventHandler[T, reconcile.Request] {
	return handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, object T) []reconcile.Request {
		name := object.GetLabels()[notebookv1.NotebookNameLabel]
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}}
	})
}

func everyChange() predicate.TypedPredicate[*notebookv1.Notebook] {
	return predicate.TypedFuncs[*notebookv1.Notebook]{}
}

// changesOfUsers leaves out what the culling itself writes: it would look at a notebook again at once.
func changesOfUsers() predicate.TypedPredicate[*notebookv1.Notebook] {
	return predicate.TypedFuncs[*notebookv1.Notebook]{
		UpdateFunc: func(e ctrlevent.TypedUpdateEvent[*notebookv1.Notebook]) bool {
			for _, key := range []string{notebookv1.IdleTimeAnnotation, notebookv1.ActivityPathAnnotation, notebookv1.ServerTypeAnnotation} {
				if e.ObjectOld.Annotations[key] != e.ObjectNew.Annotations[key] {
					return true
				}
			}
			return stopped(e.ObjectOld) != stopped(e.ObjectNew) || e.ObjectOld.UID != e.ObjectNew.UID
		},
	}
}

// starts lets through the moment in which a pod becomes ready.
func starts() predicate.TypedPredicate[*corev1.Pod] {
	return predicate.TypedFuncs[*corev1.Pod]{
		CreateFunc: func(ctrlevent.TypedCreateEvent[*corev1.Pod]) bool { return false }, // its Notebook is looked at anyway
		DeleteFunc: func(ctrlevent.TypedDeleteEvent[*corev1.Pod]) bool { return false },
		UpdateFunc: func(e ctrlevent.TypedUpdateEvent[*corev1.Pod]) bool {
			return !isReady(e.ObjectOld) && isReady(e.ObjectNew)
		},
	}
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// perhapsOurs lets through events that may be about a notebook's pod or StatefulSet.
func perhapsOurs() predicate.TypedPredicate[*corev1.Event] {
	return predicate.TypedFuncs[*corev1.Event]{
		CreateFunc:  func(e ctrlevent.TypedCreateEvent[*corev1.Event]) bool { return notebookOf(e.Object) != "" },
		UpdateFunc:  func(e ctrlevent.TypedUpdateEvent[*corev1.Event]) bool { return notebookOf(e.ObjectNew) != "" },
		DeleteFunc:  func(ctrlevent.TypedDeleteEvent[*corev1.Event]) bool { return false },
		GenericFunc: func(ctrlevent.TypedGenericEvent[*corev1.Event]) bool { return false },
	}
}
