package gangs

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/workload"
)

// reconciler keeps PodGroups right, each by the name that its pods have for it.
type reconciler struct {
	client     client.Client
	live       client.Reader
	cache      cache.Cache
	controller controller.Controller

	mu      sync.Mutex
	watched map[string]bool // kinds of workloads, as apiVersion/kind
}

// Reconcile creates, updates or deletes one PodGroup.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	group, pods, err := r.read(ctx, request.NamespacedName)
	if err != nil {
		return reconcile.Result{}, err
	}
	ref, ok := refOf(request.Name, group, pods)
	if !ok {
		return reconcile.Result{}, nil
	}
	object, err := r.workload(ctx, ref, request.Namespace)
	if err != nil || object == nil {
		return reconcile.Result{}, err // of one that is gone, the garbage collector takes the PodGroup
	}
	if workload.Over(object) || len(pods) == 0 && superfluous(object, ref) {
		return reconcile.Result{}, r.remove(ctx, object, group)
	}
	if group == nil && len(pods) == 0 {
		return reconcile.Result{}, nil
	}
	gang, again, err := r.gang(ctx, object, ref, request.NamespacedName)
	if err != nil {
		return reconcile.Result{}, err
	}
	if mayHaveStrays(group, gang, pods, time.Now()) {
		strays, err := r.strays(ctx, ref, request.NamespacedName)
		if err != nil {
			return reconcile.Result{}, err
		}
		if strays > 0 {
			gang, again = gang.Without(strays), lookAgain
		}
	}
	return reconcile.Result{RequeueAfter: again}, r.write(ctx, object, gang, group, request.NamespacedName)
}

// read returns the PodGroup, nil where there is none, and the pods that name it.
func (r *reconciler) read(ctx context.Context, key types.NamespacedName) (*podgroupv1alpha1.PodGroup, []metav1.PartialObjectMetadata, error) {
	pods := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	if err := r.client.List(ctx, pods, client.InNamespace(key.Namespace), client.MatchingFields{ofGang: key.Name}); err != nil {
		return nil, nil, fmt.Errorf("list the pods of PodGroup %s: %w", key, err)
	}
	group := &podgroupv1alpha1.PodGroup{}
	if err := r.client.Get(ctx, key, group); apierrors.IsNotFound(err) {
		return nil, pods.Items, nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("read PodGroup %s: %w", key, err)
	}
	return group, pods.Items, nil
}

// refOf is the workload that a PodGroup of the name is for, as the group or one of the pods says. It is false where the name is not
// that of the workload's gang: then somebody else made the label or the group.
func refOf(name string, group *podgroupv1alpha1.PodGroup, pods []metav1.PartialObjectMetadata) (workload.Ref, bool) {
	texts := make([]string, 0, len(pods)+1)
	if group != nil {
		texts = append(texts, group.Annotations[v1alpha1.WorkloadAnnotation])
	}
	for _, pod := range pods {
		texts = append(texts, pod.Annotations[v1alpha1.WorkloadAnnotation])
	}
	for _, text := range texts {
		if ref, err := workload.ParseRef(text); err == nil && ref.PodGroup() == name && workload.Known(ref.GroupVersionKind()) {
			return ref, true
		}
	}
	return workload.Ref{}, false
}

// workload reads the workload, and from then on watches its kind; nil where it is gone, or going.
func (r *reconciler) workload(ctx context.Context, ref workload.Ref, namespace string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(ref.GroupVersionKind())
	if err := r.watch(object); err != nil {
		return nil, err
	}
	informer, err := r.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil && !meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("watch %ss: %w", ref.Kind, err)
	}
	key := client.ObjectKey{Namespace: namespace, Name: ref.Name}
	synced := err == nil && informer.HasSynced()
	if synced {
		err = r.cache.Get(ctx, key, object)
	}
	if !synced || apierrors.IsNotFound(err) || object.GetUID() != ref.UID { // the cache may be behind
		err = r.live.Get(ctx, key, object)
	}
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", ref.Kind, key, err)
	}
	if object.GetUID() != ref.UID || object.GetDeletionTimestamp() != nil {
		return nil, nil
	}
	return object, nil
}

// watch watches a kind of workloads, if it is not watched yet.
func (r *reconciler) watch(object *unstructured.Unstructured) error {
	kind := object.GetAPIVersion() + "/" + object.GetKind()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watched[kind] {
		return nil
	}
	sample := &unstructured.Unstructured{}
	sample.SetGroupVersionKind(object.GroupVersionKind())
	err := r.controller.Watch(source.Kind(r.cache, sample, handler.TypedEnqueueRequestsFromMapFunc(r.gangsOf)))
	if err != nil {
		return fmt.Errorf("watch %ss: %w", object.GetKind(), err)
	}
	r.watched[kind] = true
	return nil
}

// gangsOf names the PodGroups of a workload: those that exist, and those that pods name.
func (r *reconciler) gangsOf(ctx context.Context, object *unstructured.Unstructured) []reconcile.Request {
	names := sets.New[string]()
	of := client.MatchingFields{ofWorkload: string(object.GetUID())}
	groups := &podgroupv1alpha1.PodGroupList{}
	if err := r.client.List(ctx, groups, client.InNamespace(object.GetNamespace()), of); err == nil { // of the cache: it does not fail
		for _, group := range groups.Items {
			names.Insert(group.Name)
		}
	}
	pods := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	if err := r.client.List(ctx, pods, client.InNamespace(object.GetNamespace()), of); err == nil {
		for _, pod := range pods.Items {
			names.Insert(pod.Labels[v1alpha1.PodGroupLabel])
		}
	}
	requests := make([]reconcile.Request, 0, len(names))
	for _, name := range sets.List(names) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}})
	}
	return requests
}

// superfluous says whether a LeaderWorkerSet has no group of that index any more.
func superfluous(object *unstructured.Unstructured, ref workload.Ref) bool {
	index, err := strconv.ParseInt(ref.Part, 10, 64)
	replicas, given, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	return object.GetKind() == "LeaderWorkerSet" && err == nil && given && index >= replicas
}
