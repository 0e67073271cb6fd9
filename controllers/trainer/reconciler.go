package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// reconciler carries out what is decided about TrainJobs.
//
// The client must see its own writes: what is decided next rests on the status and the set written before.
type reconciler struct {
	client    client.Client
	live      client.Reader // past the cache, for what the cache does not hold
	discovery discovery.ServerResourcesInterface
	jobSets   *jobSetWatch
	recorder  events.EventRecorder
	now       func() time.Time
}

// conflictDelay is when a job is looked at again that was edited while it was looked at.
const conflictDelay = 100 * time.Millisecond

// Reconcile looks at one job: observe, decide, create, write the status, tell, remove.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	stored := &trainerv1alpha1.TrainJob{}
	if err := r.client.Get(ctx, request.NamespacedName, stored); err != nil {
		if apierrors.IsNotFound(err) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading TrainJob %s: %w", request, err)
	}
	if stored.DeletionTimestamp != nil || managedElsewhere(stored) {
		return reconcile.Result{}, nil
	}
	seen, err := r.observe(ctx, stored)
	if err != nil {
		return reconcile.Result{}, err
	}
	p := decide(stored, seen, r.now())
	if p.expired {
		return reconcile.Result{}, r.expire(ctx, stored)
	}

	// What belongs to a job that was deleted may be seen to vanish before the job is: nothing of it must be made again.
	if len(p.create) > 0 && len(stored.Status.Conditions) > 0 {
		if gone, err := r.isGone(ctx, stored); err != nil || gone {
			return reconcile.Result{}, err
		}
	}
	createErr := report(stored, len(seen.jobs) == 0, r.createAll(ctx, stored, &p), &p, r.now())
	if err := r.writeStatus(ctx, stored, p.status); apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil // somebody has edited the job meanwhile
	} else if err != nil {
		return reconcile.Result{}, errors.Join(err, createErr)
	}
	for _, e := range p.events {
		r.recorder.Eventf(stored, nil, e.kind, e.reason, "Reconcile", "%s", shorten(e.message))
	}
	if err := errors.Join(createErr, r.removeAll(ctx, stored, &p)); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: p.after}, nil
}

// managedElsewhere says whether another controller runs the job.
func managedElsewhere(job *trainerv1alpha1.TrainJob) bool {
	by := job.Spec.ManagedBy
	return by != nil && *by != trainerv1alpha1.ManagedByTrainJobController
}

// isGone asks past the cache whether a job has been deleted.
func (r *reconciler) isGone(ctx context.Context, stored *trainerv1alpha1.TrainJob) (bool, error) {
	now := &trainerv1alpha1.TrainJob{}
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(stored), now); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading TrainJob %s/%s: %w", stored.Namespace, stored.Name, err)
	}
	return now.UID != stored.UID || now.DeletionTimestamp != nil, nil
}

// observe collects what the job controls, and what it would be made from.
func (r *reconciler) observe(ctx context.Context, job *trainerv1alpha1.TrainJob) (observed, error) {
	seen := observed{groups: map[string]*podgroupv1alpha1.PodGroup{}}
	for _, look := range []func(context.Context, *trainerv1alpha1.TrainJob, *observed) error{
		r.observeNamespace, r.observeSet, r.observeJobs, r.observeObjects, r.observeJobSet,
	} {
		if err := look(ctx, job, &seen); err != nil {
			return seen, fmt.Errorf("looking at TrainJob %s/%s: %w", job.Namespace, job.Name, err)
		}
	}
	return seen, nil
}

func (r *reconciler) observeNamespace(ctx context.Context, job *trainerv1alpha1.TrainJob, seen *observed) error {
	namespace := &corev1.Namespace{}
	if err := r.client.Get(ctx, client.ObjectKey{Name: job.Namespace}, namespace); err != nil {
		return fmt.Errorf("reading its namespace: %w", err)
	}
	seen.namespaceEnds = namespace.DeletionTimestamp != nil
	return nil
}

// observeSet reads what the job was made from; where there is nothing, what it would be made from.
func (r *reconciler) observeSet(ctx context.Context, job *trainerv1alpha1.TrainJob, seen *observed) error {
	revision := &appsv1.ControllerRevision{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: job.Namespace, Name: setName(job)}, revision)
	switch {
	case err == nil && metav1.IsControlledBy(revision, job):
		seen.set = &set{}
		if err := json.Unmarshal(revision.Data.Raw, seen.set); err != nil {
			return fmt.Errorf("reading ControllerRevision %s: %w", revision.Name, err)
		}
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return fmt.Errorf("reading ControllerRevision %s: %w", setName(job), err)
	case finished(&job.Status) || suspended(job) || unknownKind(job.Spec.RuntimeRef) != "":
		return nil
	}
	if err := r.observeRuntime(ctx, job, seen); err != nil {
		return err
	}
	seen.jobSetServed, err = r.jobSetServed()
	return err
}

// observeRuntime reads the runtime past the cache: the job will keep what it is made from, and whoever edits a runtime and then
// creates a job counts on the edit.
func (r *reconciler) observeRuntime(ctx context.Context, job *trainerv1alpha1.TrainJob, seen *observed) error {
	ref := job.Spec.RuntimeRef
	var runtime client.Object
	key := client.ObjectKey{Name: ref.Name}
	if runtimeKind(ref) == trainerv1alpha1.TrainingRuntimeKind {
		own := &trainerv1alpha1.TrainingRuntime{}
		key.Namespace, runtime, seen.runtime = job.Namespace, own, &own.Spec
	} else {
		shared := &trainerv1alpha1.ClusterTrainingRuntime{}
		runtime, seen.runtime = shared, &shared.Spec
	}
	err := r.live.Get(ctx, key, runtime)
	if apierrors.IsNotFound(err) {
		seen.runtime = nil
		seen.noRuntime = fmt.Sprintf("There is no %s %s; the job starts when there is", runtimeKind(ref), ref.Name)
		return nil
	}
	seen.deprecated = runtime.GetLabels()[trainerv1alpha1.SupportLabel] == trainerv1alpha1.SupportDeprecated
	return err
}

// jobSetServed asks the API server whether it has the kind JobSet.
func (r *reconciler) jobSetServed() (bool, error) {
	kinds, err := r.discovery.ServerResourcesForGroupVersion(jobSetKind.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for the kinds of %s: %w", jobSetKind.GroupVersion(), err)
	}
	for _, k := range kinds.APIResources {
		if k.Kind == jobSetKind.Kind {
			return true, nil
		}
	}
	return false, nil
}

// observeJobs reads the job's Jobs, and the pods of those that failed.
func (r *reconciler) observeJobs(ctx context.Context, job *trainerv1alpha1.TrainJob, seen *observed) error {
	var jobs batchv1.JobList
	err := r.client.List(ctx, &jobs, client.InNamespace(job.Namespace),
		client.MatchingFields{ownerIndex: string(job.UID)}, client.UnsafeDisableDeepCopy) // they are only read
	if err != nil {
		return fmt.Errorf("listing its Jobs: %w", err)
	}
	for i := range jobs.Items {
		seen.jobs = append(seen.jobs, &jobs.Items[i])
		if finished(&job.Status) || !failed(&jobs.Items[i]) {
			continue
		}
		var pods corev1.PodList
		err := r.live.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: jobs.Items[i].Name})
		if err != nil {
			return fmt.Errorf("listing the pods of Job %s: %w", jobs.Items[i].Name, err)
		}
		seen.pods = append(seen.pods, pods.Items...)
	}
	return nil
}

// observeObjects reads the PodGroups and the service.
func (r *reconciler) observeObjects(ctx context.Context, job *trainerv1alpha1.TrainJob, seen *observed) error {
	var groups podgroupv1alpha1.PodGroupList
	err := r.client.List(ctx, &groups, client.InNamespace(job.Namespace), client.MatchingFields{ownerIndex: string(job.UID)})
	if err != nil {
		return fmt.Errorf("listing its PodGroups: %w", err)
	}
	for i := range groups.Items {
		seen.groups[groups.Items[i].Name] = &groups.Items[i]
	}
	if seen.set == nil || seen.set.JobSet {
		return nil
	}
	service := &corev1.Service{}
	err = r.client.Get(ctx, client.ObjectKey{Namespace: job.Namespace, Name: seen.set.Spec.Network.Subdomain}, service)
	if err == nil && metav1.IsControlledBy(service, job) {
		seen.service = service
	}
	return client.IgnoreNotFound(err)
}

// observeJobSet reads the job's JobSet, and has JobSets watched from then on.
func (r *reconciler) observeJobSet(ctx context.Context, job *trainerv1alpha1.TrainJob, seen *observed) error {
	if !seen.jobSetServed && (seen.set == nil || !seen.set.JobSet) {
		return nil
	}
	if err := r.jobSets.start(); err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(jobSetKind)
	err := r.live.Get(ctx, client.ObjectKeyFromObject(job), object)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading its JobSet: %w", err)
	}
	if !metav1.IsControlledBy(object, job) {
		return nil
	}
	seen.jobSet, err = readJobSet(object)
	return err
}

// writeStatus stores a changed status, unless the job has changed since it was read.
func (r *reconciler) writeStatus(ctx context.Context, stored *trainerv1alpha1.TrainJob, status *trainerv1alpha1.TrainJobStatus) error {
	if equality.Semantic.DeepEqual(&stored.Status, status) {
		return nil
	}
	changed := stored.DeepCopy()
	changed.Status = *status
	patch := client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
	if err := r.client.Status().Patch(ctx, changed, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of TrainJob %s/%s: %w", stored.Namespace, stored.Name, err)
	}
	return nil
}

// expire deletes a job whose time to live is over; what belongs to it goes with it.
func (r *reconciler) expire(ctx context.Context, job *trainerv1alpha1.TrainJob) error {
	err := r.client.Delete(ctx, job, client.Preconditions{UID: new(job.UID)}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting the finished TrainJob %s/%s: %w", job.Namespace, job.Name, err)
	}
	return nil
}
