// Package gangs makes the PodGroups of workloads that have none: Jobs, JobSets, LeaderWorkerSets and Kubeflow's jobs of another
// operator. A pod policy makes their pods members of a gang when they are created, and names it; the controller creates the
// PodGroup of that name, and keeps its minimum right.
//
// It reads the kinds only once a pod of theirs exists, and so copes with kinds that are not installed, or come later.
package gangs

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/workload"
)

// Indexes of the cache.
const (
	ofGang     = "gang"     // pods by the name of their PodGroup
	ofWorkload = "workload" // pods and PodGroups by the UID of their workload
)

// Setup adds the controller to a manager. It has a cache of its own, which holds the metadata of pods that policies made members of
// gangs, their PodGroups, and their workloads without the templates of pods. The manager's scheme has to know PodGroup.
func Setup(ctx context.Context, m manager.Manager) error {
	cl, err := newCluster(m)
	if err != nil {
		return err
	}
	if err := m.Add(manager.RunnableFunc(cl.Start)); err != nil { // not as a cluster: a replica that stands by needs none of it
		return fmt.Errorf("adding the cache of gangs: %w", err)
	}
	informers := cl.GetCache()
	uid := func(object client.Object) []string {
		if ref, err := workload.ParseRef(object.GetAnnotations()[v1alpha1.WorkloadAnnotation]); err == nil {
			return []string{string(ref.UID)}
		}
		return nil
	}
	gang := func(object client.Object) []string { return []string{object.GetLabels()[v1alpha1.PodGroupLabel]} }
	for _, index := range []struct {
		object client.Object
		name   string
		values client.IndexerFunc
	}{{podMetadata(), ofGang, gang}, {podMetadata(), ofWorkload, uid}, {&podgroupv1alpha1.PodGroup{}, ofWorkload, uid}} {
		if err := informers.IndexField(ctx, index.object, index.name, index.values); err != nil {
			return fmt.Errorf("indexing %T by %s: %w", index.object, index.name, err)
		}
	}
	r := &reconciler{client: cl.GetClient(), live: cl.GetAPIReader(), cache: informers, watched: map[string]bool{}}
	r.controller, err = controller.New("gangs", m, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: 4,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
	})
	if err != nil {
		return fmt.Errorf("setting up the controller of gangs: %w", err)
	}
	for _, watch := range []source.Source{
		source.Kind(informers, podMetadata(), handler.TypedEnqueueRequestsFromMapFunc(gangOfPod)),
		source.Kind(informers, &podgroupv1alpha1.PodGroup{}, &handler.TypedEnqueueRequestForObject[*podgroupv1alpha1.PodGroup]{}),
	} {
		if err := r.controller.Watch(watch); err != nil {
			return fmt.Errorf("setting up the controller of gangs: %w", err)
		}
	}
	return nil
}

func podMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
}

func gangOfPod(_ context.Context, pod *metav1.PartialObjectMetadata) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[v1alpha1.PodGroupLabel]}}}
}

// newCluster is a view of the manager's cluster that holds only what belongs to gangs.
func newCluster(m manager.Manager) (cluster.Cluster, error) {
	ours, err := labels.NewRequirement(v1alpha1.GangOfLabel, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("the selector of a constant label: %v", err))
	}
	only := cache.ByObject{Label: labels.NewSelector().Add(*ours)}
	cl, err := cluster.New(m.GetConfig(), func(o *cluster.Options) {
		o.Scheme, o.Logger, o.HTTPClient = m.GetScheme(), m.GetLogger(), m.GetHTTPClient()
		o.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return m.GetRESTMapper(), nil }
		o.Cache = cache.Options{DefaultTransform: slim, ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: only, &podgroupv1alpha1.PodGroup{}: only,
		}}
		o.Client = client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}}
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the cache of gangs: %w", err)
	}
	return cl, nil
}

// slim takes away what is large and of no use here: who manages which field, and templates of pods.
func slim(object any) (any, error) {
	stripped, err := cache.TransformStripManagedFields()(object)
	if err != nil {
		return nil, err
	}
	if object, ok := stripped.(*unstructured.Unstructured); ok {
		dropTemplates(object.Object["spec"])
	}
	return stripped, nil
}

// dropTemplates removes the spec of every template that has containers.
func dropTemplates(value any) {
	switch value := value.(type) {
	case map[string]any:
		if spec, ok := value["spec"].(map[string]any); ok && spec["containers"] != nil {
			delete(value, "spec")
		}
		for _, inner := range value {
			dropTemplates(inner)
		}
	case []any:
		for _, inner := range value {
			dropTemplates(inner)
		}
	}
}
