package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// takenDelay is when a job looks again whether a name is free that belonged to something else.
const takenDelay = 10 * time.Second

// takenError says that a name which the job needs belongs to something else.
type takenError struct{ message string }

func (e *takenError) Error() string { return e.message }

// leftoverError says that a name which the job needs belongs to an object that will be gone soon.
type leftoverError struct{ message string }

func (e *leftoverError) Error() string { return e.message }

// setName is the name of the ControllerRevision that keeps a job's set.
func setName(job *trainerv1alpha1.TrainJob) string { return job.Name + "-trainjob" }

// createAll creates and updates what the plan says: first the set that the rest is made of, then the gangs, so that no pod
// is placed without its own.
func (r *reconciler) createAll(ctx context.Context, job *trainerv1alpha1.TrainJob, p *plan) error {
	if p.store != nil {
		if err := r.storeSet(ctx, job, p.store); err != nil {
			return err
		}
	}
	for _, group := range p.groups {
		if err := r.createOne(ctx, job, group); err != nil {
			return err
		}
	}
	for _, object := range p.update {
		if err := r.client.Update(ctx, object); err != nil {
			return fmt.Errorf("updating %s: %w", r.describe(object), err)
		}
	}
	if p.keys {
		if err := r.createKeys(ctx, job); err != nil {
			return err
		}
	}
	for _, object := range p.create {
		if err := r.createOne(ctx, job, object); err != nil {
			return err
		}
	}
	return r.changeJobSet(ctx, job, p)
}

// storeSet keeps what a job is made from. Nothing may be made of it if another one is kept already.
func (r *reconciler) storeSet(ctx context.Context, job *trainerv1alpha1.TrainJob, s *set) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the set of TrainJob %s/%s as JSON: %w", job.Namespace, job.Name, err)
	}
	revision := &appsv1.ControllerRevision{ObjectMeta: metadata(job, setName(job)), Data: runtime.RawExtension{Raw: text}, Revision: 1}
	if err := r.client.Create(ctx, revision); apierrors.IsAlreadyExists(err) {
		if err := r.checkTaken(ctx, job, revision); err != nil {
			return err
		}
		return &leftoverError{"the set is kept already"}
	} else if err != nil {
		return fmt.Errorf("creating ControllerRevision %s: %w", revision.Name, err)
	}
	return nil
}

// createOne creates an object. That it exists is no error if it is the job's: the names are such that an object can only
// be created once, whatever the caches say.
func (r *reconciler) createOne(ctx context.Context, job *trainerv1alpha1.TrainJob, object client.Object) error {
	wanted := object.DeepCopyObject().(client.Object)
	var options []client.CreateOption
	switch object.(type) {
	case *corev1.Secret, *corev1.PersistentVolumeClaim:
		options = append(options, client.DisableReadYourWritesConsistency) // or the cache would have to hold all of them
	}
	err := r.client.Create(ctx, object, options...)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("creating %s: %w", r.describe(object), err)
		}
		return nil
	}
	if err := r.checkTaken(ctx, job, wanted); err != nil {
		return err
	}
	if hostfile, ok := wanted.(*corev1.ConfigMap); ok {
		return r.updateHostfile(ctx, hostfile)
	}
	return nil
}

// updateHostfile brings the host file up to date: the number of nodes may be another after a suspension.
func (r *reconciler) updateHostfile(ctx context.Context, wanted *corev1.ConfigMap) error {
	existing := &corev1.ConfigMap{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(wanted), existing); err != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", wanted.Name, err)
	}
	if maps.Equal(existing.Data, wanted.Data) {
		return nil
	}
	existing.Data = wanted.Data
	if err := r.client.Update(ctx, existing); err != nil {
		return fmt.Errorf("updating ConfigMap %s: %w", wanted.Name, err)
	}
	return nil
}

// checkTaken says who has the name of an object that could not be created; nobody else if it returns nil.
func (r *reconciler) checkTaken(ctx context.Context, job *trainerv1alpha1.TrainJob, object client.Object) error {
	what := r.describe(object)
	holder := object.DeepCopyObject().(client.Object)
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(object), holder); err != nil {
		if apierrors.IsNotFound(err) {
			return &leftoverError{what + " was there a moment ago"}
		}
		return fmt.Errorf("reading %s: %w", what, err)
	}
	owner := metav1.GetControllerOf(holder)
	former := owner != nil && owner.Kind == trainerv1alpha1.TrainJobKind && owner.Name == job.Name && owner.UID != job.UID
	switch {
	case holder.GetDeletionTimestamp() != nil:
		return &leftoverError{what + " is being deleted"}
	case former:
		return &leftoverError{what + " belongs to an earlier job of this name"}
	case owner == nil && metav1.GetControllerOf(object) == nil:
		return nil // a claim that outlives its job
	case owner == nil:
		return &takenError{what + " exists already and does not belong to this job; delete it or rename the job"}
	case owner.UID != job.UID:
		return &takenError{fmt.Sprintf("%s exists already and belongs to %s %s; rename one of the two", what, owner.Kind, owner.Name)}
	}
	return nil
}

// changeJobSet suspends or resumes a JobSet. One that is resumed is made what the runtime says now, as far as JobSet lets it.
func (r *reconciler) changeJobSet(ctx context.Context, job *trainerv1alpha1.TrainJob, p *plan) error {
	if p.jobSet == nil {
		return nil
	}
	spec := map[string]any{"suspend": p.jobSet.suspend}
	if p.jobSet.jobs != nil {
		spec["replicatedJobs"] = p.jobSet.jobs
	}
	err := r.patchJobSet(ctx, job, spec)
	if p.jobSet.jobs != nil && apierrors.IsInvalid(err) {
		p.events = append(p.events, event{corev1.EventTypeWarning, "JobSetNotChanged",
			"The JobSet goes on as it was: what has changed since cannot be changed in a JobSet: " + err.Error()})
		delete(spec, "replicatedJobs")
		err = r.patchJobSet(ctx, job, spec)
	}
	return err
}

func (r *reconciler) patchJobSet(ctx context.Context, job *trainerv1alpha1.TrainJob, spec map[string]any) error {
	object := (&set{Spec: trainerv1alpha1.JobSetSpec{}}).newJobSet(job)
	text, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return fmt.Errorf("writing a change of JobSet %s/%s as JSON: %w", job.Namespace, job.Name, err)
	}
	if err := r.client.Patch(ctx, object, client.RawPatch("application/merge-patch+json", text)); err != nil {
		return fmt.Errorf("changing JobSet %s/%s: %w", job.Namespace, job.Name, err)
	}
	return nil
}

// removeAll deletes what the plan says, each object only as the one that was looked at. Jobs go when their pods are gone, so
// that none of an earlier attempt is there when the next begins. The set is forgotten last.
func (r *reconciler) removeAll(ctx context.Context, job *trainerv1alpha1.TrainJob, p *plan) error {
	propagation := client.PropagationPolicy(metav1.DeletePropagationForeground)
	if p.atOnce {
		propagation = client.PropagationPolicy(metav1.DeletePropagationBackground)
	}
	for _, object := range p.remove {
		err := r.client.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())}, propagation)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting %s: %w", r.describe(object), err)
		}
	}
	if p.forget {
		revision := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: setName(job)}}
		if err := r.client.Delete(ctx, revision); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting ControllerRevision %s: %w", revision.Name, err)
		}
	}
	return nil
}

// describe names an object for a message.
func (r *reconciler) describe(object client.Object) string {
	gvk, err := r.client.GroupVersionKindFor(object)
	if err != nil {
		return fmt.Sprintf("%T %s", object, object.GetName())
	}
	return gvk.Kind + " " + object.GetName()
}

// inTheWay says whether a reason of the condition Created is one that ends when everything has been created.
func inTheWay(reason string) bool {
	return reason == reasonNameTaken || reason == reasonCreateFailed
}

// report turns the outcome of creating into what the job says about it, and returns the error that is left to try again.
// What the API server finds invalid fails a job that has no Job yet, since it would do so for ever.
func report(job *trainerv1alpha1.TrainJob, first bool, err error, p *plan, now time.Time) error {
	if err == nil {
		if created := meta.FindStatusCondition(p.status.Conditions, trainerv1alpha1.TrainJobCreated); created != nil && inTheWay(created.Reason) {
			explain(p, metav1.ConditionTrue, reasonCreated, createdMessage(job), now)
		}
		return nil
	}
	var taken *takenError
	var leftover *leftoverError
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil
	case errors.As(err, &taken):
		explain(p, metav1.ConditionFalse, reasonNameTaken, taken.message, now)
		p.lookAfter(takenDelay) // what is in the way is not watched
		return nil
	case errors.As(err, &leftover), apierrors.IsConflict(err):
		p.lookAfter(time.Second)
		return nil
	case first && apierrors.IsInvalid(err):
		refused := &pass{plan: *p, job: job, now: now}
		refused.fail(reasonInvalid, "TrainJob %s is not valid: %v", job.Name, err)
		*p = refused.plan
		return nil
	default:
		explain(p, metav1.ConditionFalse, reasonCreateFailed, err.Error(), now)
	}
	return err
}
