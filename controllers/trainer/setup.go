package trainer

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	labelsapi "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

const (
	// workers is the number of jobs that are looked at at a time.
	workers = 8

	// ownerIndex is the index that finds what a TrainJob controls by the job's UID.
	ownerIndex = "trainjob.uid"
)

// AddToScheme registers the types of which the manager's client needs to know besides those of Kubernetes itself.
func AddToScheme(scheme *runtime.Scheme) error {
	if err := trainerv1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering TrainJob: %w", err)
	}
	if err := podgroupv1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering PodGroup: %w", err)
	}
	return nil
}

// Setup adds the controller of TrainJobs to a manager.
func Setup(ctx context.Context, m manager.Manager) error {
	for _, object := range []client.Object{&batchv1.Job{}, &podgroupv1alpha1.PodGroup{}} {
		if err := m.GetFieldIndexer().IndexField(ctx, object, ownerIndex, indexOwner); err != nil {
			return fmt.Errorf("indexing the %T of TrainJobs: %w", object, err)
		}
	}
	kinds, err := discovery.NewDiscoveryClientForConfigAndClient(m.GetConfig(), m.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("setting up the controller of TrainJobs: %w", err)
	}
	jobSets := &jobSetWatch{manager: m}
	r := &reconciler{
		client: m.GetClient(), live: m.GetAPIReader(), discovery: kinds, jobSets: jobSets,
		recorder: m.GetEventRecorder("muster-" + operatorName), now: time.Now,
	}
	jobSets.controller, err = builder.ControllerManagedBy(m).
		For(&trainerv1alpha1.TrainJob{}).
		Owns(&batchv1.Job{}, builder.WithPredicates(jobNews())).
		Owns(&corev1.Service{}, builder.WithPredicates(onlyDeletes())).
		Owns(&podgroupv1alpha1.PodGroup{}, builder.WithPredicates(specNews())).
		Watches(&trainerv1alpha1.TrainingRuntime{}, handler.EnqueueRequestsFromMapFunc(r.waitingFor)).
		Watches(&trainerv1alpha1.ClusterTrainingRuntime{}, handler.EnqueueRequestsFromMapFunc(r.waitingFor)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		}).Build(r)
	if err != nil {
		return fmt.Errorf("setting up the controller of TrainJobs: %w", err)
	}
	// The cache holds the sets that jobs were made from before the first of them is looked at.
	if _, err := m.GetCache().GetInformer(ctx, &appsv1.ControllerRevision{}); err != nil {
		return fmt.Errorf("watching ControllerRevisions: %w", err)
	}
	return nil
}

// indexOwner returns the UID of the TrainJob that controls an object.
func indexOwner(object client.Object) []string {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != trainerv1alpha1.TrainJobKind || owner.APIVersion != trainerv1alpha1.GroupVersion.String() {
		return nil
	}
	return []string{string(owner.UID)}
}

// waitingFor returns the TrainJobs that wait for a runtime.
func (r *reconciler) waitingFor(ctx context.Context, runtime client.Object) []reconcile.Request {
	var jobs trainerv1alpha1.TrainJobList
	err := r.client.List(ctx, &jobs, client.InNamespace(runtime.GetNamespace()), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil // only if the manager ends: the cache is filled
	}
	_, cluster := runtime.(*trainerv1alpha1.ClusterTrainingRuntime)
	var waiting []reconcile.Request
	for i := range jobs.Items {
		job := &jobs.Items[i]
		ref := job.Spec.RuntimeRef
		same := ref.Name == runtime.GetName() && cluster == (runtimeKind(ref) == trainerv1alpha1.ClusterTrainingRuntimeKind)
		if same && !finished(&job.Status) && !isTrue(&job.Status, trainerv1alpha1.TrainJobCreated) {
			waiting = append(waiting, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(job)})
		}
	}
	return waiting
}

// jobSetWatch watches JobSets from the first time on that one is needed: a cluster may get the kind at any time, or never.
type jobSetWatch struct {
	manager    manager.Manager
	controller controller.Controller
	mutex      sync.Mutex
	started    bool
}

func (w *jobSetWatch) start() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.started {
		return nil
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(jobSetKind)
	owners := handler.TypedEnqueueRequestForOwner[*unstructured.Unstructured](
		w.manager.GetScheme(), w.manager.GetRESTMapper(), &trainerv1alpha1.TrainJob{}, handler.OnlyControllerOwner())
	if err := w.controller.Watch(source.Kind(w.manager.GetCache(), object, owners)); err != nil {
		return fmt.Errorf("watching JobSets: %w", err)
	}
	w.started = true
	return nil
}

// jobNews lets through what changes a TrainJob: how its Jobs do, and that they go or are gone.
func jobNews() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e ctrlevent.CreateEvent) bool {
			job, ok := e.Object.(*batchv1.Job)
			return !ok || len(job.Status.Conditions) > 0 // a new one was created here
		},
		GenericFunc: func(ctrlevent.GenericEvent) bool { return false },
		UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*batchv1.Job)
			after, ok2 := e.ObjectNew.(*batchv1.Job)
			return !ok || !ok2 || before.UID != after.UID || (before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil) ||
				before.Status.Active != after.Status.Active || before.Status.Succeeded != after.Status.Succeeded ||
				!equality.Semantic.DeepEqual(before.Status.Ready, after.Status.Ready) ||
				len(before.Status.Conditions) != len(after.Status.Conditions)
		},
	}
}

func onlyDeletes() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(ctrlevent.CreateEvent) bool { return false },
		UpdateFunc:  func(ctrlevent.UpdateEvent) bool { return false },
		GenericFunc: func(ctrlevent.GenericEvent) bool { return false },
	}
}

// specNews lets through changes of what the controller itself writes, not those of status.
func specNews() predicate.Predicate {
	return predicate.And(
		predicate.Funcs{CreateFunc: func(ctrlevent.CreateEvent) bool { return false }},
		predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}, predicate.AnnotationChangedPredicate{}))
}

// CachedObjects says which objects the manager's cache has to hold, of kinds that no other controller looks at: only what
// was created for a TrainJob.
func CachedObjects() map[client.Object]cache.ByObject {
	ours := cache.ByObject{Label: labelsapi.SelectorFromSet(labelsapi.Set{trainingv1.OperatorNameLabel: operatorName})}
	return map[client.Object]cache.ByObject{&appsv1.ControllerRevision{}: ours}
}
