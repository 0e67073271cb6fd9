// Package firm lets go on what a pod policy made firm and what then does not fit the guarantee of its queue. The webhook looks before,
// but cannot see everything: another pod that comes at the same moment, or other gangs that are firm. A firm pod would wait for ever.
package firm

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
)

// patience is how long a pod waits before it is looked at, and between looks.
const patience = 5 * time.Second

// notebookLabel is on the pods that policies make firm.
const notebookLabel = "notebook-name"

// reconciler looks at notebooks that wait.
type reconciler struct {
	client   client.Client // of a cache that holds only those
	queues   client.Reader // Queues and Namespaces
	recorder events.EventRecorder
	now      func() time.Time
}

// Setup adds the controller to a manager.
func Setup(_ context.Context, m manager.Manager) error {
	cl, err := newCluster(m)
	if err != nil {
		return err
	}
	if err := m.Add(manager.RunnableFunc(cl.Start)); err != nil { // not as a cluster: a replica that stands by needs none of it
		return fmt.Errorf("adding the cache of firm pods: %w", err)
	}
	c, err := controller.New("firm", m, controller.Options{Reconciler: &reconciler{
		client: cl.GetClient(), queues: m.GetClient(), recorder: m.GetEventRecorder("muster-firm"), now: time.Now,
	}})
	if err != nil {
		return fmt.Errorf("setting up the controller of firm pods: %w", err)
	}
	if err := c.Watch(source.Kind(cl.GetCache(), &corev1.Pod{}, &handler.TypedEnqueueRequestForObject[*corev1.Pod]{})); err != nil {
		return fmt.Errorf("setting up the controller of firm pods: %w", err)
	}
	return nil
}

// newCluster is a view of the manager's cluster that holds only notebooks without a node.
func newCluster(m manager.Manager) (cluster.Cluster, error) {
	notebooks, err := labels.NewRequirement(notebookLabel, selection.Exists, nil)
	if err != nil {
		panic(fmt.Sprintf("the selector of a constant label: %v", err))
	}
	cl, err := cluster.New(m.GetConfig(), func(o *cluster.Options) {
		o.Scheme, o.Logger, o.HTTPClient = m.GetScheme(), m.GetLogger(), m.GetHTTPClient()
		o.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return m.GetRESTMapper(), nil }
		o.Cache = cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: {Label: labels.NewSelector().Add(*notebooks), Field: fields.OneTermEqualSelector("spec.nodeName", "")},
		}}
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the cache of firm pods: %w", err)
	}
	return cl, nil
}

// Reconcile makes one pod an ordinary one if it waits for quota.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	pod := &corev1.Pod{}
	if err := r.client.Get(ctx, request.NamespacedName, pod); apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read pod %s: %w", request, err)
	}
	if !byPolicy(pod) {
		return reconcile.Result{}, nil
	}
	if left := patience - r.now().Sub(pod.CreationTimestamp.Time); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	waits, err := r.waitsForQuota(ctx, pod)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !waits {
		return reconcile.Result{RequeueAfter: patience}, nil
	}
	before := pod.DeepCopy()
	delete(pod.Annotations, v1alpha1.PreemptibleAnnotation)
	delete(pod.Annotations, v1alpha1.FirmForAnnotation)
	err = r.client.Patch(ctx, pod, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: time.Second}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("make pod %s an ordinary one: %w", request, err)
	}
	r.recorder.Eventf(pod, nil, corev1.EventTypeNormal, "NotFirm", "LetGo",
		"The guarantee of its queue is used up by others that nothing evicts; it starts as one that may be evicted")
	return reconcile.Result{}, nil
}

// byPolicy says whether a policy made the pod firm, and it waits.
func byPolicy(pod *corev1.Pod) bool {
	_, counted := pod.Annotations[v1alpha1.FirmForAnnotation]
	return counted && pod.Annotations[v1alpha1.PreemptibleAnnotation] == "false" && pod.Spec.NodeName == "" &&
		pod.DeletionTimestamp == nil && pod.Spec.SchedulerName == v1alpha1.SchedulerName
}

// waitsForQuota says whether it seems so: the scheduler has not told the pod that it lacks room, and of the queue it tells that some
// gang waits for quota.
func (r *reconciler) waitsForQuota(ctx context.Context, pod *corev1.Pod) (bool, error) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Reason == corev1.PodReasonUnschedulable {
			return false, nil
		}
	}
	namespace := &corev1.Namespace{}
	if err := r.queues.Get(ctx, client.ObjectKey{Name: pod.Namespace}, namespace); err != nil {
		return false, fmt.Errorf("read namespace %s: %w", pod.Namespace, err)
	}
	name := cmp.Or(pod.Labels[v1alpha1.QueueLabel], namespace.Labels[v1alpha1.QueueLabel], v1alpha1.DefaultQueue)
	queue := &v1alpha1.Queue{}
	if err := r.queues.Get(ctx, client.ObjectKey{Name: name}, queue); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("read Queue %s: %w", name, err)
	}
	return slices.ContainsFunc(queue.Status.Waiting, func(w v1alpha1.WaitingGangs) bool {
		return w.Reason == string(gang.QuotaExceeded) || w.Reason == string(gang.ExceedsLimit)
	}), nil
}
