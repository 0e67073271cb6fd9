package notebook

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// look lets the culler look at the notebook once, whose server answers with a.
func (w *world) look(a activity) (reconcile.Result, error) {
	c := &culler{config: testConfig(), client: w.cache, recorder: w.events, now: func() time.Time { return w.now },
		ask: func(context.Context, *notebookv1.Notebook) (activity, error) {
			if !a.known {
				return a, errors.New("no answer")
			}
			return a, nil
		}}
	return c.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: key})
}

// expectLook looks once, and checks what is then noted on the notebook, and whether anything was written.
func (w *world) expectLook(a activity, last string, stopped, written bool) {
	w.t.Helper()
	before := w.writes.Load()
	result, err := w.look(a)
	if err != nil {
		w.t.Fatal(err)
	}
	if !stopped && result.RequeueAfter != time.Minute {
		w.t.Errorf("looks again after %v", result.RequeueAfter)
	}
	annotations := w.notebook().Annotations
	_, is := annotations[notebookv1.StoppedAnnotation]
	if got := annotations[notebookv1.LastActivityAnnotation]; got != last || is != stopped {
		w.t.Errorf("last activity %q, want %q; stopped %v, want %v", got, last, is, stopped)
	}
	if got := w.writes.Load() > before; got != written {
		w.t.Errorf("written: %v, want %v", got, written)
	}
}

func TestCuller(t *testing.T) {
	nb := plain(t)
	w := newWorld(t, nb, runningPod(nb, noon.Add(-time.Hour)))
	w.expectLook(activity{}, "", false, false)
	w.expectLook(activity{known: true}, "2026-11-22T11:00:00Z", false, true)
	w.expectLook(activity{known: true}, "2026-11-22T11:00:00Z", false, false)
	w.now = noon.Add(20 * time.Hour)
	w.expectLook(activity{known: true, busy: true}, "2026-11-23T08:00:00Z", false, true)
	w.now = noon.Add(40 * time.Hour)
	w.expectLook(activity{known: true, last: noon.Add(30 * time.Hour)}, "2026-11-23T18:00:00Z", false, true)
	w.now = noon.Add(400 * time.Hour)
	w.expectLook(activity{}, "2026-11-23T18:00:00Z", false, false) // long idle, but who knows
	w.expectLook(activity{known: true}, "", true, true)
	if told := <-w.events.Events; !strings.Contains(told, "Culled") || !strings.Contains(told, "2026-11-23T18:00:00Z") {
		t.Errorf("told %q", told)
	}
	if _, checked := w.notebook().Annotations[notebookv1.LastCheckAnnotation]; checked {
		t.Error("what was known is not forgotten")
	}
	w.expectLook(activity{known: true}, "", true, false)
}

func TestCullerLeavesAlone(t *testing.T) {
	long := activity{known: true, last: noon.Add(-1000 * time.Hour)}
	nb := plain(t)
	w := newWorld(t, nb) // without a pod
	w.expectLook(long, "", false, false)

	pod := runningPod(nb, noon.Add(-1000*time.Hour))
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	w = newWorld(t, nb, pod)
	w.expectLook(long, "", false, false)

	nb.Annotations = map[string]string{notebookv1.IdleTimeAnnotation: "soon"}
	w = newWorld(t, nb, runningPod(nb, noon.Add(-1000*time.Hour)))
	w.expectLook(long, "2026-10-11T20:00:00Z", false, true)

	foreign := runningPod(nb, noon.Add(-1000*time.Hour))
	foreign.OwnerReferences = nil
	w = newWorld(t, nb, foreign)
	w.expectLook(long, "", false, false)
}

// Somebody edits the notebook while its server is asked: what was concluded from the old one is dropped.
func TestCullerMeetsAnEdit(t *testing.T) {
	nb := plain(t)
	w := newWorld(t, nb, runningPod(nb, noon.Add(-1000*time.Hour)))
	w.refuse = func(verb string, _ client.Object) error {
		if verb == "patch" {
			return apierrors.NewConflict(schema.GroupResource{Resource: "notebooks"}, "nb", nil)
		}
		return nil
	}
	if _, err := w.look(activity{known: true}); err == nil {
		t.Error("no error, so it would not be looked at again")
	}
	if len(w.events.Events) != 0 || stopped(w.notebook()) {
		t.Error("stopped nevertheless")
	}
}

func TestStoppedByHandForgets(t *testing.T) {
	nb := plain(t)
	nb.Annotations = map[string]string{
		notebookv1.StoppedAnnotation: "", notebookv1.LastActivityAnnotation: "x", notebookv1.LastCheckAnnotation: "y", "other": "z",
	}
	w := newWorld(t, nb)
	w.expectLook(activity{}, "", true, true)
	if got := w.notebook().Annotations; len(got) != 2 || got["other"] != "z" {
		t.Errorf("annotations: %v", got)
	}
}
