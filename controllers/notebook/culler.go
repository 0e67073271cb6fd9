package notebook

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// culler looks at notebooks again and again, and stops those that are idle.
type culler struct {
	config   Config
	client   client.Client
	recorder events.EventRecorder
	ask      func(context.Context, *notebookv1.Notebook) (activity, error)
	now      func() time.Time
}

// Reconcile looks at one notebook. It writes only if there was activity since it last wrote, or to stop the notebook.
func (c *culler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	nb := &notebookv1.Notebook{}
	if err := c.client.Get(ctx, request.NamespacedName, nb); err != nil {
		if apierrors.IsNotFound(err) {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading Notebook %s: %w", request, err)
	}
	if nb.DeletionTimestamp != nil {
		return reconcile.Result{}, nil
	}
	if stopped(nb) {
		return c.write(ctx, nb, forgotten(nb), 0)
	}
	pod, err := podOf(ctx, c.client, nb)
	if err != nil {
		return reconcile.Result{}, err
	}
	started := serverStart(nb, pod)
	if started.IsZero() {
		return reconcile.Result{RequeueAfter: c.config.CheckPeriod}, nil
	}
	idle, err := idleTime(c.config, nb, pod)
	if err != nil {
		idle = 0 // the notebook's status tells it
	}
	a, err := c.ask(ctx, nb)
	if err != nil {
		log.FromContext(ctx).V(1).Info("Nothing is known about the activity of a notebook", "notebook", request, "why", err.Error())
	}
	now := c.now()
	v := judge(now, started, recordedActivity(nb), idle, a)
	result, err := c.write(ctx, nb, noted(nb, v, now), c.config.CheckPeriod)
	if err == nil && v.idle {
		culled.Inc()
		c.recorder.Eventf(nb, nil, corev1.EventTypeNormal, "Culled", "Cull",
			"Stopped, since it has not been used since %s; remove the annotation %s to start it again",
			v.last.UTC().Format(time.RFC3339), notebookv1.StoppedAnnotation)
	}
	return result, err
}

// serverStart is since when the notebook's server runs; zero if it does not.
func serverStart(nb *notebookv1.Notebook, pod *corev1.Pod) time.Time {
	if pod == nil || pod.DeletionTimestamp != nil {
		return time.Time{}
	}
	server := serverStatus(nb.Name, pod)
	if server == nil || server.State.Running == nil {
		return time.Time{}
	}
	return server.State.Running.StartedAt.Time
}

// forgotten is a notebook that is stopped, without what was known about its activity; nil if nothing was.
func forgotten(nb *notebookv1.Notebook) *notebookv1.Notebook {
	_, last := nb.Annotations[notebookv1.LastActivityAnnotation]
	_, check := nb.Annotations[notebookv1.LastCheckAnnotation]
	if !last && !check {
		return nil
	}
	next := nb.DeepCopy()
	delete(next.Annotations, notebookv1.LastActivityAnnotation)
	delete(next.Annotations, notebookv1.LastCheckAnnotation)
	return next
}

// noted is a notebook with what was judged; nil if that changes nothing.
func noted(nb *notebookv1.Notebook, v verdict, now time.Time) *notebookv1.Notebook {
	if v.idle {
		next := nb.DeepCopy()
		if kept := forgotten(nb); kept != nil {
			next = kept
		}
		if next.Annotations == nil {
			next.Annotations = map[string]string{}
		}
		next.Annotations[notebookv1.StoppedAnnotation] = now.UTC().Format(time.RFC3339)
		return next
	}
	text := v.last.UTC().Format(time.RFC3339)
	if v.last.IsZero() || nb.Annotations[notebookv1.LastActivityAnnotation] == text {
		return nil
	}
	next := nb.DeepCopy()
	if next.Annotations == nil {
		next.Annotations = map[string]string{}
	}
	next.Annotations[notebookv1.LastActivityAnnotation] = text
	next.Annotations[notebookv1.LastCheckAnnotation] = now.UTC().Format(time.RFC3339)
	return next
}

// write stores the annotations of next, if the notebook is still the one that was looked at, and looks again later.
func (c *culler) write(ctx context.Context, nb, next *notebookv1.Notebook, after time.Duration) (reconcile.Result, error) {
	if next == nil {
		return reconcile.Result{RequeueAfter: after}, nil
	}
	err := c.client.Patch(ctx, next, client.MergeFromWithOptions(nb, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("noting the activity of Notebook %s/%s: %w", nb.Namespace, nb.Name, err)
	}
	return reconcile.Result{RequeueAfter: after}, nil
}
