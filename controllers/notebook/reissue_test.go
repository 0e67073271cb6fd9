package notebook

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// podEvent is an event about the notebook's pod, in the older form.
func podEvent(count int32, last time.Time) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "team", Name: "nb-0.1", UID: "event-uid"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "team", Name: "nb-0"},
		Type:           corev1.EventTypeWarning, Reason: "BackOff", Message: "Back-off pulling image",
		FirstTimestamp: metav1.NewTime(noon), LastTimestamp: metav1.NewTime(last), Count: count,
	}
}

func (w *world) reissue() {
	w.t.Helper()
	r := &reissuer{client: w.cache}
	if _, err := r.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Namespace: "team", Name: "nb-0.1"}}); err != nil {
		w.t.Fatal(err)
	}
}

func TestReissue(t *testing.T) {
	event := podEvent(1, noon)
	w := newWorld(t, plain(t), event)
	for range 3 { // as if the controller had been started again
		w.reissue()
	}
	if n := w.writes.Load(); n != 1 {
		t.Errorf("%d writes", n)
	}
	told := get(w, &corev1.Event{}, "nb.event-uid")
	if told.Message != "Reissued from pod/nb-0: Back-off pulling image" || told.InvolvedObject.Kind != "Notebook" ||
		told.InvolvedObject.UID != "notebook-uid" || told.Type != corev1.EventTypeWarning || told.Reason != "BackOff" || told.Count != 1 {
		t.Errorf("%+v", told)
	}
	again := get(w, &corev1.Event{}, "nb-0.1")
	again.Count, again.LastTimestamp = 5, metav1.NewTime(noon.Add(time.Minute))
	if err := w.client.Update(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.reissue()
	if told = get(w, &corev1.Event{}, "nb.event-uid"); told.Count != 5 || !told.LastTimestamp.Time.Equal(noon.Add(time.Minute)) {
		t.Errorf("%+v", told)
	}
}

func TestNotReissued(t *testing.T) {
	for name, event := range map[string]*corev1.Event{
		"an earlier notebook's": podEvent(1, noon.Add(-time.Minute)),
		"another pod's":         about(podEvent(1, noon), "Pod", "other-0"),
		"no notebook's pod":     about(podEvent(1, noon), "Pod", "nb"),
		"a job's":               about(podEvent(1, noon), "Job", "nb"),
		"a notebook's own":      about(podEvent(1, noon), "Notebook", "nb"),
	} {
		w := newWorld(t, plain(t), event)
		w.reissue()
		if n := w.writes.Load(); n != 0 {
			t.Errorf("%s: %d writes", name, n)
		}
	}
}

func about(event *corev1.Event, kind, name string) *corev1.Event {
	event.InvolvedObject.Kind, event.InvolvedObject.Name = kind, name
	return event
}

func TestHistory(t *testing.T) {
	later := noon.Add(time.Minute)
	newer := podEvent(0, time.Time{})
	newer.FirstTimestamp, newer.EventTime = metav1.Time{}, metav1.NewMicroTime(noon.Add(time.Millisecond))
	series := newer.DeepCopy()
	series.Series = &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(later)}
	for name, tt := range map[string]struct {
		event *corev1.Event
		last  time.Time
		count int32
	}{
		"older form":              {podEvent(3, later), later, 3},
		"newer form":              {newer, noon, 1},
		"newer form, more of one": {series, later, 7},
	} {
		first, last, count := history(tt.event)
		if !first.Time.Equal(noon) || !last.Time.Equal(tt.last) || count != tt.count {
			t.Errorf("%s: %v %v %d", name, first, last, count)
		}
	}
}

func TestSlim(t *testing.T) {
	kept, err := slim(podEvent(1, noon))
	if err != nil || kept.(*corev1.Event).Message == "" {
		t.Errorf("%+v, %v", kept, err)
	}
	cut, err := slim(about(podEvent(1, noon), "Job", "nb"))
	if err != nil || cut.(*corev1.Event).Message != "" || cut.(*corev1.Event).Name != "nb-0.1" {
		t.Errorf("%+v, %v", cut, err)
	}
}

func TestShorten(t *testing.T) {
	if got := shorten(strings.Repeat("é", 600)); len(got) > maxMessage || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes, ends with %q", len(got), got[len(got)-6:])
	}
}
