package notebook

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// reissuer tells about a notebook what was told about its pod and its StatefulSet: `kubectl describe notebook` and the
// notebooks' web application look there. Its event is named after the first one, so that it is told once, however
// often the controller starts, and the same event counts on.
type reissuer struct {
	client client.Client
}

// Reconcile looks at one event.
func (r *reissuer) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	event := &corev1.Event{}
	if err := r.client.Get(ctx, request.NamespacedName, event); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	nb := &notebookv1.Notebook{}
	key := client.ObjectKey{Namespace: event.Namespace, Name: notebookOf(event)}
	if key.Name == "" {
		return reconcile.Result{}, nil
	}
	if err := r.client.Get(ctx, key, nb); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	wanted := reissue(nb, event)
	if wanted == nil {
		return reconcile.Result{}, nil
	}
	existing := &corev1.Event{}
	switch err := r.client.Get(ctx, client.ObjectKeyFromObject(wanted), existing); {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, r.create(ctx, wanted)
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("reading Event %s/%s: %w", wanted.Namespace, wanted.Name, err)
	case existing.Count == wanted.Count && existing.LastTimestamp.Equal(&wanted.LastTimestamp):
		return reconcile.Result{}, nil
	}
	next := existing.DeepCopy()
	next.Count, next.LastTimestamp, next.Message = wanted.Count, wanted.LastTimestamp, wanted.Message
	err := r.client.Update(ctx, next)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil // it was old
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("updating Event %s/%s: %w", next.Namespace, next.Name, err)
	}
	return reconcile.Result{}, nil
}

func (r *reissuer) create(ctx context.Context, event *corev1.Event) error {
	err := r.client.Create(ctx, event)
	if err == nil || apierrors.IsAlreadyExists(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return fmt.Errorf("creating Event %s/%s: %w", event.Namespace, event.Name, err)
}

// notebookOf is the name of the notebook that an event may be about: empty if it is about something else.
func notebookOf(event *corev1.Event) string {
	switch about := event.InvolvedObject; about.Kind {
	case "StatefulSet":
		return about.Name
	case "Pod":
		name, is := strings.CutSuffix(about.Name, PodName(""))
		if is {
			return name
		}
	}
	return ""
}

// reissue is the event that tells about a notebook what an event tells about its pod or StatefulSet; nil if that happened
// before there was the notebook, to another of its name.
func reissue(nb *notebookv1.Notebook, event *corev1.Event) *corev1.Event {
	first, last, count := history(event)
	if last.Before(&nb.CreationTimestamp) {
		return nil
	}
	about := event.InvolvedObject
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: nb.Namespace, Name: fmt.Sprintf("%s.%s", nb.Name, event.UID)},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: notebookv1.GroupVersion.String(), Kind: "Notebook",
			Namespace: nb.Namespace, Name: nb.Name, UID: nb.UID,
		},
		Type:           event.Type,
		Reason:         event.Reason,
		Message:        shorten(fmt.Sprintf("Reissued from %s/%s: %s", strings.ToLower(about.Kind), about.Name, event.Message)),
		Source:         corev1.EventSource{Component: "muster-notebook"},
		FirstTimestamp: first, LastTimestamp: last, Count: count,
	}
}

// history is when an event happened first and last, in seconds, and how often. Events have one of two forms.
func history(event *corev1.Event) (first, last metav1.Time, count int32) {
	first, last, count = event.FirstTimestamp, event.LastTimestamp, max(event.Count, 1)
	if first.IsZero() {
		first = metav1.NewTime(event.EventTime.Time)
	}
	if last.IsZero() {
		last = first
	}
	if event.Series != nil {
		last, count = metav1.NewTime(event.Series.LastObservedTime.Time), event.Series.Count
	}
	if last.IsZero() {
		first, last = event.CreationTimestamp, event.CreationTimestamp
	}
	return first.Rfc3339Copy(), last.Rfc3339Copy(), count
}

// slim keeps of events no more than the cache needs: most of a cluster's are about no notebook.
func slim(object any) (any, error) {
	event, ok := object.(*corev1.Event)
	if !ok {
		return object, nil
	}
	if notebookOf(event) == "" && event.InvolvedObject.Kind != "Notebook" {
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{
			Namespace: event.Namespace, Name: event.Name, UID: event.UID, ResourceVersion: event.ResourceVersion,
		}}, nil
	}
	event.ManagedFields = nil
	return event, nil
}
