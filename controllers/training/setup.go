package training

import (
	"context"
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
)

// workers is the number of jobs of one kind that are looked at at a time.
const workers = 8

// AddToScheme registers the types of which the manager's client needs to know besides those of Kubernetes itself.
func AddToScheme(scheme *runtime.Scheme) error {
	if err := trainingv1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering the training jobs: %w", err)
	}
	if err := trainingv2beta1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering the newer MPIJob: %w", err)
	}
	if err := podgroupv1alpha1.AddToScheme(scheme); err != nil {
		return fmt.Errorf("registering PodGroup: %w", err)
	}
	return nil
}

// CachedObjects says which objects the manager's cache has to hold: of the kinds that others use too, only what a
// training controller created.
func CachedObjects() map[client.Object]cache.ByObject {
	ours, err := labels.NewRequirement(trainingv1.OperatorNameLabel, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("the selector of a constant label: %v", err))
	}
	only := cache.ByObject{Label: labels.NewSelector().Add(*ours)}
	return map[client.Object]cache.ByObject{
		&corev1.Pod{}:                            only,
		&corev1.Service{}:                        only,
		&podgroupv1alpha1.PodGroup{}:             only,
		&autoscalingv2.HorizontalPodAutoscaler{}: only,
		&corev1.ConfigMap{}:                      only,
		&corev1.ServiceAccount{}:                 only,
		&rbacv1.Role{}:                           only,
		&rbacv1.RoleBinding{}:                    only,
		&trainingv1.MPIJob{}:                     {Transform: keepCreation},
	}
}

// ownerIndex is the name of the index that finds the pods and services of a job of this kind by the job's UID.
func (k *kind) ownerIndex() string {
	return strings.ToLower(k.name) + ".uid"
}

// indexOwner returns the UID of the job of this kind that controls an object.
func (k *kind) indexOwner(object client.Object) []string {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.Kind != k.name || !strings.HasPrefix(owner.APIVersion, trainingv1.GroupVersion.Group+"/") {
		return nil
	}
	return []string{string(owner.UID)}
}

func (k *kind) setup(ctx context.Context, m manager.Manager, config Config) error {
	for _, object := range []client.Object{&corev1.Pod{}, &corev1.Service{}} {
		if err := m.GetFieldIndexer().IndexField(ctx, object, k.ownerIndex(), k.indexOwner); err != nil {
			return fmt.Errorf("indexing the %T of %ss: %w", object, k.name, err)
		}
	}
	build := builder.ControllerManagedBy(m).
		For(k.newJob().(client.Object)).
		Owns(&corev1.Pod{}, builder.WithPredicates(podNews())).
		Owns(&corev1.Service{}, builder.WithPredicates(onlyDeletes())).
		Owns(&podgroupv1alpha1.PodGroup{}, builder.WithPredicates(specNews()))
	if k.elastic != nil {
		build = build.Owns(&autoscalingv2.HorizontalPodAutoscaler{}, builder.WithPredicates(onlyDeletes()))
	}
	for _, object := range k.supportTypes {
		build = build.Owns(object, builder.WithPredicates(onlyDeletes()))
	}
	err := build.WithOptions(controller.Options{
		MaxConcurrentReconciles: workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
	}).Complete(&reconciler{
		kind: k, config: config, client: m.GetClient(), live: m.GetAPIReader(),
		recorder: m.GetEventRecorder("muster-" + k.operator()), now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("setting up the controller of %ss: %w", k.name, err)
	}
	return nil
}

// podNews lets through what changes a job: pods that go to another phase, are restarted, are being deleted or are gone.
// A new pod is no news, since it was created here, unless it has got further before anybody saw it.
func podNews() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e ctrlevent.CreateEvent) bool {
			pod, ok := e.Object.(*corev1.Pod)
			return !ok || pod.Status.Phase != corev1.PodPending || pod.DeletionTimestamp != nil
		},
		GenericFunc: func(ctrlevent.GenericEvent) bool { return false },
		UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*corev1.Pod)
			after, ok2 := e.ObjectNew.(*corev1.Pod)
			return !ok || !ok2 || before.UID != after.UID || before.Status.Phase != after.Status.Phase ||
				containerRestarts(before) != containerRestarts(after) ||
				(before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil)
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
