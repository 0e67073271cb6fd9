package training

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// reconciler carries out what is decided about the jobs of one kind.
//
// The client must see its own writes: what is decided next rests on the status and the pods written before.
type reconciler struct {
	kind     *kind
	config   Config
	client   client.Client
	live     client.Reader // past the cache, for what the cache does not hold
	recorder events.EventRecorder
	now      func() time.Time
}

// conflictDelay is when a job is looked at again that was edited while it was looked at.
const conflictDelay = 100 * time.Millisecond

// Reconcile looks at one job: observe, decide, create, write the status, tell, remove.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	stored := r.kind.newJob()
	if err := r.client.Get(ctx, request.NamespacedName, stored); err != nil {
		if apierrors.IsNotFound(err) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading %s %s: %w", r.kind.name, request, err)
	}
	if stored.GetDeletionTimestamp() != nil || r.kind.managedElsewhere(stored) {
		return reconcile.Result{}, nil
	}
	if err := r.recordVersion(ctx, stored); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	k, job := r.kind.of(stored), stored.DeepCopyObject().(trainingv1.Job)
	k.setAllDefaults(job)
	seen, err := r.observe(ctx, k, job)
	if err != nil {
		return reconcile.Result{}, err
	}
	p := k.decide(r.config, job, seen, r.now())
	if found, err := r.find(ctx, stored, p.vanished, seen.pods); err != nil {
		return reconcile.Result{}, err
	} else if found {
		p = k.decide(r.config, job, seen, r.now())
	}
	if p.expired {
		return reconcile.Result{}, r.expire(ctx, stored)
	}

	// What belongs to a job that was deleted may be seen to vanish before the job is: nothing of it must be made again.
	if len(p.before)+len(p.create) > 0 && len(stored.State().Conditions) > 0 {
		if gone, err := r.isGone(ctx, stored); err != nil || gone {
			return reconcile.Result{}, err
		}
	}
	createErr := r.createAll(ctx, job, &p)
	createErr = k.report(job, len(seen.pods) == 0, createErr, &p, r.now())
	if err := r.writeStatus(ctx, stored, p.status); apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil // somebody has edited the job meanwhile
	} else if err != nil {
		return reconcile.Result{}, errors.Join(err, createErr)
	}
	for _, e := range p.events {
		r.recorder.Eventf(stored, nil, e.kind, e.reason, "Reconcile", "%s", shorten(e.message))
	}
	countJob(r.kind.name, stored.State(), p.status)
	if err := errors.Join(createErr, r.removeAll(ctx, &p)); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: p.after}, nil
}

// find looks past the cache for pods that are not in it, adds those of the job that exist, and reports whether there are any.
func (r *reconciler) find(ctx context.Context, job trainingv1.Job, names []string, pods map[string]*corev1.Pod) (bool, error) {
	var mu sync.Mutex
	found := false
	err := each(names, func(name string) error {
		pod := &corev1.Pod{}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: job.GetNamespace(), Name: name}, pod)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading the pod %s/%s: %w", job.GetNamespace(), name, err)
		}
		if err == nil && metav1.IsControlledBy(pod, job) {
			mu.Lock()
			defer mu.Unlock()
			pods[name], found = pod, true
		}
		return nil
	})
	return found, err
}

// isGone asks past the cache whether a job has been deleted.
func (r *reconciler) isGone(ctx context.Context, stored trainingv1.Job) (bool, error) {
	now := r.kind.newJob()
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(stored), now); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading %s %s/%s: %w", r.kind.name, stored.GetNamespace(), stored.GetName(), err)
	}
	return now.GetUID() != stored.GetUID() || now.GetDeletionTimestamp() != nil, nil
}

// managedElsewhere says whether another controller runs the job.
func (k *kind) managedElsewhere(job trainingv1.Job) bool {
	by := job.Policy().ManagedBy
	return by != nil && *by != trainingv1.ManagedByTrainingOperator && (k.manager == "" || *by != k.manager)
}

// observe collects what the job controls.
func (r *reconciler) observe(ctx context.Context, k *kind, job trainingv1.Job) (observed, error) {
	seen := observed{pods: map[string]*corev1.Pod{}, services: map[string]*corev1.Service{}}
	mine := []client.ListOption{
		client.InNamespace(job.GetNamespace()),
		client.MatchingFields{r.kind.ownerIndex(): string(job.GetUID())},
		client.UnsafeDisableDeepCopy, // they are only read
	}
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, mine...); err != nil {
		return seen, fmt.Errorf("listing pods of %s %s/%s: %w", r.kind.name, job.GetNamespace(), job.GetName(), err)
	}
	for i := range pods.Items {
		seen.pods[pods.Items[i].Name] = &pods.Items[i]
	}
	if k.portName != "" {
		var services corev1.ServiceList
		if err := r.client.List(ctx, &services, mine...); err != nil {
			return seen, fmt.Errorf("listing services of %s %s/%s: %w", r.kind.name, job.GetNamespace(), job.GetName(), err)
		}
		for i := range services.Items {
			seen.services[services.Items[i].Name] = &services.Items[i]
		}
	}
	if err := r.observeSupport(ctx, k, job, &seen); err != nil {
		return seen, err
	}
	group, autoscaler := &podgroupv1alpha1.PodGroup{}, &autoscalingv2.HorizontalPodAutoscaler{}
	if found, err := r.getOwned(ctx, job, job.GetName(), group); err != nil {
		return seen, err
	} else if found {
		seen.podGroup = group
	}
	if k.elastic == nil {
		return seen, nil
	}
	if found, err := r.getOwned(ctx, job, job.GetName(), autoscaler); err != nil {
		return seen, err
	} else if found {
		seen.autoscaler = autoscaler
	}
	return seen, nil
}

// getOwned reads the object of a name, and reports whether it exists and is the job's.
func (r *reconciler) getOwned(ctx context.Context, job trainingv1.Job, name string, object client.Object) (bool, error) {
	err := r.client.Get(ctx, client.ObjectKey{Namespace: job.GetNamespace(), Name: name}, object)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %T %s/%s: %w", object, job.GetNamespace(), name, err)
	}
	return metav1.IsControlledBy(object, job), nil
}

// writeStatus stores a changed status, unless the job has changed since it was read.
func (r *reconciler) writeStatus(ctx context.Context, stored trainingv1.Job, status *trainingv1.JobStatus) error {
	if equality.Semantic.DeepEqual(stored.State(), status) {
		return nil
	}
	changed := stored.DeepCopyObject().(trainingv1.Job)
	*changed.State() = *status
	patch := client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, changed, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of %s %s/%s: %w", r.kind.name, stored.GetNamespace(), stored.GetName(), err)
	}
	return nil
}

// expire deletes a job whose time to live is over; what belongs to it goes with it.
func (r *reconciler) expire(ctx context.Context, job trainingv1.Job) error {
	err := r.client.Delete(ctx, job, client.Preconditions{UID: new(job.GetUID())},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting the finished %s %s/%s: %w", r.kind.name, job.GetNamespace(), job.GetName(), err)
	}
	return nil
}
