package training

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// parallelism is the number of objects of one job that are created or deleted at a time.
const parallelism = 32

// takenDelay is when a job looks again whether a name is free that belonged to something else.
const takenDelay = 10 * time.Second

// takenError says that a name which the job needs belongs to something else.
type takenError struct{ message string }

func (e *takenError) Error() string { return e.message }

// leftoverError says that a name which the job needs belongs to an object that will be gone soon.
type leftoverError struct{ message string }

func (e *leftoverError) Error() string { return e.message }

// createAll creates and updates what the plan says: the gang before any of its pods, so that none is placed without it.
func (r *reconciler) createAll(ctx context.Context, job trainingv1.Job, p *plan) error {
	err := each(p.before, func(object client.Object) error { return r.createOne(ctx, job, object) })
	if err != nil {
		return err
	}
	if p.group != nil {
		if err := r.createOne(ctx, job, p.group); err != nil {
			return err
		}
	}
	err = each(p.update, func(object client.Object) error {
		if err := r.client.Update(ctx, object); err != nil {
			return fmt.Errorf("updating %s: %w", r.describe(object), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return each(p.create, func(object client.Object) error { return r.createOne(ctx, job, object) })
}

// createOne creates an object. That it exists is no error if it is the job's: the names are such that an object can only
// be created once, whatever the caches say.
func (r *reconciler) createOne(ctx context.Context, job trainingv1.Job, object client.Object) error {
	if err := fillIn(object); err != nil {
		return err
	}
	var options []client.CreateOption
	if isSecret(object) {
		options = append(options, client.DisableReadYourWritesConsistency) // or the cache would have to hold all secrets
	}
	err := r.client.Create(ctx, object, options...)
	if apierrors.IsAlreadyExists(err) {
		return r.checkTaken(ctx, job, object)
	}
	if err != nil {
		return fmt.Errorf("creating %s: %w", r.describe(object), err)
	}
	return nil
}

// checkTaken says who has the name of an object that could not be created.
func (r *reconciler) checkTaken(ctx context.Context, job trainingv1.Job, object client.Object) error {
	what := r.describe(object)
	holder := object.DeepCopyObject().(client.Object)
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(object), holder); err != nil {
		if apierrors.IsNotFound(err) {
			return &leftoverError{what + " was there a moment ago"}
		}
		return fmt.Errorf("reading %s: %w", what, err)
	}
	owner := metav1.GetControllerOf(holder)
	former := owner != nil && owner.Kind == r.kind.name && owner.Name == job.GetName() && owner.UID != job.GetUID()
	switch {
	case holder.GetDeletionTimestamp() != nil:
		return &leftoverError{what + " is being deleted"}
	case former:
		return &leftoverError{what + " belongs to an earlier job of this name"}
	case owner == nil:
		return &takenError{what + " exists already and does not belong to this job; delete it or rename the job"}
	case owner.UID != job.GetUID():
		return &takenError{fmt.Sprintf("%s exists already and belongs to %s %s; rename one of the two",
			what, owner.Kind, owner.Name)}
	}
	return nil
}

// removeAll deletes what the plan says, each object only as the one that was looked at.
func (r *reconciler) removeAll(ctx context.Context, p *plan) error {
	return each(p.remove, func(object client.Object) error {
		err := r.client.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting %s: %w", r.describe(object), err)
		}
		return nil
	})
}

// describe names an object for a message.
func (r *reconciler) describe(object client.Object) string {
	gvk, err := r.client.GroupVersionKindFor(object)
	if err != nil {
		return fmt.Sprintf("%T %s", object, object.GetName())
	}
	return gvk.Kind + " " + object.GetName()
}

// each calls f for all items, several at a time. After an error no further call begins; the first of the errors, in the
// order of the items, is returned, since the others rarely say anything else.
func each[T any](items []T, f func(T) error) error {
	var group errgroup.Group
	group.SetLimit(parallelism)
	var failed atomic.Bool
	errs := make([]error, len(items))
	for i, item := range items {
		if failed.Load() {
			break
		}
		group.Go(func() error {
			if errs[i] = f(item); errs[i] != nil {
				failed.Store(true)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// report turns the outcome of creating into what the job says about it, and returns the error that is left to try again.
// A pod that the API server finds invalid fails a job that has no pod yet, since it would do so for ever.
func (k *kind) report(job trainingv1.Job, first bool, err error, p *plan, now time.Time) error {
	if err == nil {
		if n := countPods(p.create); n > 0 {
			p.events = append(p.events, normal("SuccessfulCreatePod", "Created %d pod(s)", n))
		}
		if p.whole != nil {
			p.status.RestartedGang.Created = p.whole
		}
		if !finished(p.status) {
			explain(p.status, k.name+string(trainingv1.JobCreated), fmt.Sprintf("%s %s is created.", k.name, job.GetName()), now)
		}
		return nil
	}
	var taken *takenError
	var leftover *leftoverError
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return nil
	case errors.As(err, &taken):
		k.obstacle(p, reasonNameTaken, taken.message, now)
		p.lookAfter(takenDelay) // what is in the way is not watched
		return nil
	case errors.As(err, &leftover), apierrors.IsConflict(err):
		p.lookAfter(time.Second)
		return nil
	case first && apierrors.IsInvalid(err):
		refused := &pass{kind: k, plan: *p, job: job, now: now}
		refused.failWith(k.name+reasonInvalid, fmt.Sprintf("%s %s is not valid: %s", k.name, job.GetName(), err))
		*p = refused.plan
		return nil
	default:
		k.obstacle(p, reasonCreateFailed, err.Error(), now)
	}
	return err
}

// obstacle says on the job what keeps it from getting its pods.
func (k *kind) obstacle(p *plan, reason, message string, now time.Time) {
	message = shorten(message)
	explain(p.status, k.name+reason, message, now)
	p.events = append(p.events, warning(k.name+reason, "%s", message))
}

func countPods(objects []client.Object) int {
	n := 0
	for _, object := range objects {
		if _, ok := object.(*corev1.Pod); ok {
			n++
		}
	}
	return n
}
