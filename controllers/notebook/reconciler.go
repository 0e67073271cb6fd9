package notebook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// When a notebook is looked at again if nothing that is watched will tell.
const (
	soon       = time.Second      // somebody has edited what was looked at, or it is about to go
	takenDelay = 10 * time.Second // a name is taken by what is not watched
)

// reconciler carries out what is decided about notebooks.
type reconciler struct {
	config   Config
	client   client.Client
	live     client.Reader // past the cache, for what the cache does not hold
	recorder events.EventRecorder
	now      func() time.Time
}

// Reconcile looks at one notebook: observe, decide, create and correct, write the status, tell.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	nb := &notebookv1.Notebook{}
	if err := r.client.Get(ctx, request.NamespacedName, nb); err != nil {
		if apierrors.IsNotFound(err) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading Notebook %s: %w", request, err)
	}
	if nb.DeletionTimestamp != nil {
		return reconcile.Result{}, nil
	}
	s, err := r.observe(ctx, nb)
	if err != nil {
		return reconcile.Result{}, err
	}
	p := decide(r.config, nb, s)
	if len(p.create) > 0 {
		if gone, err := r.isGone(ctx, nb); err != nil || gone {
			return reconcile.Result{}, err // what belonged to it may be seen to vanish first
		}
	}
	after, err := r.carryOut(ctx, nb, &p)
	if statusErr := r.report(ctx, nb, nextStatus(nb, s, p.problem, r.now())); apierrors.IsConflict(statusErr) {
		return reconcile.Result{RequeueAfter: soon}, err
	} else if statusErr != nil {
		return reconcile.Result{}, errors.Join(err, statusErr)
	}
	return reconcile.Result{RequeueAfter: after}, err
}

// observe reads what there is of a notebook.
func (r *reconciler) observe(ctx context.Context, nb *notebookv1.Notebook) (seen, error) {
	s := seen{set: &appsv1.StatefulSet{}, service: &corev1.Service{}}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(nb), s.set); apierrors.IsNotFound(err) {
		s.set = nil
	} else if err != nil {
		return seen{}, fmt.Errorf("reading StatefulSet %s/%s: %w", nb.Namespace, nb.Name, err)
	}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(nb), s.service); apierrors.IsNotFound(err) {
		s.service = nil
	} else if err != nil {
		return seen{}, fmt.Errorf("reading Service %s/%s: %w", nb.Namespace, nb.Name, err)
	}
	var err error
	s.pod, err = podOf(ctx, r.client, nb)
	return s, err
}

// podOf reads a notebook's pod, nil if there is none. A pod of that name which belongs to anything else is not in the
// cache: it lacks the label.
func podOf(ctx context.Context, reader client.Reader, nb *notebookv1.Notebook) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	key := client.ObjectKey{Namespace: nb.Namespace, Name: PodName(nb.Name)}
	if err := reader.Get(ctx, key, pod); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading Pod %s: %w", key, err)
	}
	if owner := metav1.GetControllerOf(pod); owner == nil || owner.Kind != "StatefulSet" || owner.Name != nb.Name {
		return nil, nil
	}
	return pod, nil
}

// PodName is the name of a notebook's pod.
func PodName(notebook string) string { return notebook + "-0" }

// isGone asks past the cache whether a notebook has been deleted.
func (r *reconciler) isGone(ctx context.Context, nb *notebookv1.Notebook) (bool, error) {
	current := &notebookv1.Notebook{}
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(nb), current); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading Notebook %s/%s: %w", nb.Namespace, nb.Name, err)
	}
	return current.UID != nb.UID || current.DeletionTimestamp != nil, nil
}

// carryOut writes what is planned. What keeps it from that becomes the plan's problem, and is returned as an error if
// trying again may help. It also returns when to look again.
func (r *reconciler) carryOut(ctx context.Context, nb *notebookv1.Notebook, p *plan) (time.Duration, error) {
	after := time.Duration(0)
	if p.problem != nil && p.problem.reason == notebookv1.ReasonNameTaken {
		after = takenDelay
	}
	for _, object := range p.create {
		err := r.client.Create(ctx, object)
		if apierrors.IsAlreadyExists(err) {
			var met *problem
			if met, after, err = r.meetHolder(ctx, nb, object); met != nil {
				p.problem = met
			}
		}
		if err != nil || p.problem != nil && p.problem.reason == notebookv1.ReasonNameTaken {
			return after, p.refuse("creating", object, err)
		}
	}
	for _, object := range p.update {
		if err := r.client.Update(ctx, object); apierrors.IsConflict(err) {
			return soon, nil
		} else if err != nil {
			return after, p.refuse("updating", object, err)
		}
	}
	return after, nil
}

// meetHolder looks at who has the name of an object that could not be created, past the cache. If it is the notebook's
// own, made by another controller, it is brought into the cache.
func (r *reconciler) meetHolder(ctx context.Context, nb *notebookv1.Notebook, object client.Object) (*problem, time.Duration, error) {
	holder := object.DeepCopyObject().(client.Object)
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(object), holder); apierrors.IsNotFound(err) {
		return nil, soon, nil
	} else if err != nil {
		return nil, 0, err
	}
	owner := metav1.GetControllerOf(holder)
	former := owner != nil && owner.Kind == "Notebook" && owner.Name == nb.Name && owner.UID != nb.UID
	switch {
	case holder.GetDeletionTimestamp() != nil || former:
		return nil, soon, nil
	case !owns(nb, holder):
		return taken(kindOf(object), holder), takenDelay, nil
	}
	switch wanted := object.(type) {
	case *appsv1.StatefulSet:
		if next := correctSet(holder.(*appsv1.StatefulSet), wanted); next != nil {
			return nil, 0, r.client.Update(ctx, next)
		}
	case *corev1.Service:
		if next := correctService(holder.(*corev1.Service), wanted); next != nil {
			return nil, 0, r.client.Update(ctx, next)
		}
	}
	return nil, soon, nil
}

// refuse makes an error of the API server the plan's problem, and returns it if trying again may help.
func (p *plan) refuse(doing string, object client.Object, err error) error {
	switch {
	case err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s %s %s: %w", doing, kindOf(object), object.GetName(), err)
	}
	err = fmt.Errorf("%s %s %s: %w", doing, kindOf(object), object.GetName(), err)
	p.problem = &problem{notebookv1.ReasonRefused, err.Error()}
	if apierrors.IsInvalid(err) {
		return nil // it will be as long as the notebook is the same
	}
	return err
}

func kindOf(object client.Object) string {
	if _, ok := object.(*corev1.Service); ok {
		return "Service"
	}
	return "StatefulSet"
}

// report writes the status if it says anything new, and tells a new problem.
func (r *reconciler) report(ctx context.Context, nb *notebookv1.Notebook, status notebookv1.NotebookStatus) error {
	if equality.Semantic.DeepEqual(nb.Status, status) {
		return nil
	}
	next := nb.DeepCopy()
	next.Status = status
	err := r.client.Status().Patch(ctx, next, client.MergeFromWithOptions(nb, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("writing the status of Notebook %s/%s: %w", nb.Namespace, nb.Name, err)
	}
	before, now := findDegraded(nb.Status), findDegraded(status)
	if now != nil && (before == nil || before.Reason != now.Reason || before.Message != now.Message) {
		r.recorder.Eventf(nb, nil, corev1.EventTypeWarning, now.Reason, "Reconcile", "%s", now.Message)
	}
	return nil
}

// maxMessage is the greatest length, in bytes, of an event's note.
const maxMessage = 1024

// shorten cuts a message so that the API server takes it in an event.
func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage-len("…")], "") + "…"
}
