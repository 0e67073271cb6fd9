package notebook

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// world is an API server with one notebook in it, and a clock.
type world struct {
	t      *testing.T
	client client.Client // sees all, as past a cache
	cache  client.Client // sees what has the label
	now    time.Time
	events *events.FakeRecorder
	writes atomic.Int32

	// refuse, if set, may refuse a write: "create", "update", "patch" or "status".
	refuse func(verb string, object client.Object) error
}

var key = types.NamespacedName{Namespace: "team", Name: "nb"}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{t: t, now: noon, events: events.NewFakeRecorder(100)}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	write := func(verb string, object client.Object) error {
		w.writes.Add(1)
		if w.refuse != nil {
			return w.refuse(verb, object)
		}
		return nil
	}
	base := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&notebookv1.Notebook{}, &corev1.Pod{}, &appsv1.StatefulSet{}).Build()
	w.client = interceptor.NewClient(base, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if err := write("create", o); err != nil {
				return err
			}
			return c.Create(ctx, o, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			if err := write("update", o); err != nil {
				return err
			}
			return c.Update(ctx, o, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := write("patch", o); err != nil {
				return err
			}
			return c.Patch(ctx, o, patch, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if err := write(sub, o); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, o, patch, options...)
		},
	})
	w.cache = interceptor.NewClient(w.client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if err := c.Get(ctx, key, o, options...); err != nil {
				return err
			}
			switch o.(type) {
			case *notebookv1.Notebook, *corev1.Event:
				return nil
			}
			if o.GetLabels()[notebookv1.NotebookNameLabel] == "" {
				return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
			}
			return nil
		},
	})
	return w
}

func (w *world) reconcile() (reconcile.Result, error) {
	r := &reconciler{config: testConfig(), client: w.cache, live: w.client, recorder: w.events, now: func() time.Time { return w.now }}
	return r.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: key})
}

// settle looks at the notebook until nothing is written any more, and returns when to look again.
func (w *world) settle() time.Duration {
	w.t.Helper()
	for range 10 {
		before := w.writes.Load()
		result, err := w.reconcile()
		if err != nil {
			w.t.Fatal(err)
		}
		if w.writes.Load() == before {
			return result.RequeueAfter
		}
	}
	w.t.Fatal("the controller writes for ever")
	return 0
}

func get[T client.Object](w *world, object T, name string) T {
	w.t.Helper()
	if err := w.client.Get(w.t.Context(), types.NamespacedName{Namespace: key.Namespace, Name: name}, object); err != nil {
		w.t.Fatal(err)
	}
	return object
}

func (w *world) notebook() *notebookv1.Notebook { return get(w, &notebookv1.Notebook{}, key.Name) }

func (w *world) edit(edit func(*notebookv1.Notebook)) {
	w.t.Helper()
	nb := w.notebook()
	edit(nb)
	if err := w.client.Update(w.t.Context(), nb); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) set() *appsv1.StatefulSet { return get(w, &appsv1.StatefulSet{}, key.Name) }

// expectProblem checks the notebook's condition Degraded; the empty reason is for none.
func (w *world) expectProblem(reason, words string) {
	w.t.Helper()
	c := findDegraded(w.notebook().Status)
	switch {
	case reason == "" && c == nil:
	case reason == "" || c == nil || c.Reason != reason || !strings.Contains(c.Message, words):
		w.t.Errorf("condition %+v, want %q %q", c, reason, words)
	}
}

func TestRunsStopsAndStarts(t *testing.T) {
	w := newWorld(t, plain(t))
	w.settle()
	w.expectProblem("", "")
	if got := *w.set().Spec.Replicas; got != 1 {
		t.Errorf("%d replicas", got)
	}
	revision := w.set().Spec.Template
	w.edit(func(nb *notebookv1.Notebook) {
		nb.Annotations = map[string]string{notebookv1.StoppedAnnotation: ""}
	})
	w.settle()
	if got := *w.set().Spec.Replicas; got != 0 {
		t.Errorf("%d replicas though it is stopped", got)
	}
	w.edit(func(nb *notebookv1.Notebook) { nb.Annotations = nil })
	w.settle()
	if got := w.set(); *got.Spec.Replicas != 1 || !reflect.DeepEqual(got.Spec.Template, revision) {
		t.Errorf("started again: %+v", got.Spec)
	}
}

func TestStatusMirrorsThePod(t *testing.T) {
	nb := plain(t)
	w := newWorld(t, nb, runningPod(nb, noon))
	w.settle()
	set := w.set()
	set.Status.ReadyReplicas = 1
	if err := w.client.Status().Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	w.settle()
	status := w.notebook().Status
	if status.ReadyReplicas != 1 || status.ContainerState.Running == nil || len(status.Conditions) != 1 ||
		status.Conditions[0].Type != "Ready" || status.Conditions[0].Status != "True" || status.Conditions[0].LastProbeTime != nil {
		t.Errorf("status: %+v", status)
	}
}

// What the API server fills in, and what users add, is left; what the notebook says is restored.
func TestCorrections(t *testing.T) {
	nb := plain(t)
	nb.Spec.Template.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/api"}}}
	w := newWorld(t, nb)
	w.settle()
	set := w.set()
	set.Spec.Template.Spec.Containers[0].ReadinessProbe.PeriodSeconds = 10
	set.Spec.RevisionHistoryLimit = new(int32(10))
	set.Spec.Template.Spec.DNSPolicy = corev1.DNSClusterFirst
	set.Spec.Template.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
	set.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
	service := get(w, &corev1.Service{}, key.Name)
	service.Spec.ClusterIP, service.Spec.Type = "10.0.0.1", corev1.ServiceTypeLoadBalancer
	service.Spec.Ports[0].NodePort = 30000
	for _, o := range []client.Object{set, service} {
		if err := w.client.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	before := w.writes.Load()
	w.settle()
	if w.writes.Load() != before {
		t.Errorf("what is right was corrected: %+v", w.set().Spec)
	}

	set = w.set()
	set.Spec.Replicas = new(int32(3))
	set.Spec.Template.Spec.Containers[0].Image = "other"
	service = get(w, &corev1.Service{}, key.Name)
	service.Spec.Type, service.Spec.ExternalName = corev1.ServiceTypeExternalName, "example.com"
	service.Spec.Selector, service.Spec.Ports = map[string]string{"app": "other"}, nil
	service.Labels = nil
	for _, o := range []client.Object{set, service} {
		if err := w.client.Update(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	set, service = w.set(), get(w, &corev1.Service{}, key.Name)
	if *set.Spec.Replicas != 1 || set.Spec.Template.Spec.Containers[0].Image != "jupyter" {
		t.Errorf("StatefulSet: %+v", set.Spec)
	}
	if service.Spec.Type != corev1.ServiceTypeClusterIP || service.Spec.Selector["statefulset"] != "nb" || len(service.Spec.Ports) != 1 {
		t.Errorf("Service: %+v", service.Spec)
	}

	w.edit(func(nb *notebookv1.Notebook) { nb.Spec.Template.Spec.NodeSelector = map[string]string{"a": "b"} })
	w.settle()
	w.edit(func(nb *notebookv1.Notebook) { nb.Spec.Template.Spec.NodeSelector = nil })
	w.settle()
	if got := w.set().Spec.Template.Spec.NodeSelector; got != nil {
		t.Errorf("what was taken out of the notebook is still there: %v", got)
	}
}

// What Kubeflow's controller has made of the notebook is taken over as it is named.
func TestTakesOver(t *testing.T) {
	nb := plain(t)
	owner := []metav1.OwnerReference{{APIVersion: "kubeflow.org/v1beta1", Kind: "Notebook", Name: nb.Name, UID: nb.UID, Controller: new(true)}}
	meta := metav1.ObjectMeta{Namespace: nb.Namespace, Name: nb.Name, OwnerReferences: owner}
	set := testConfig().newStatefulSet(nb)
	set.ObjectMeta, set.Spec.PodManagementPolicy = meta, appsv1.OrderedReadyPodManagement
	service := newService(nb)
	service.ObjectMeta = meta
	w := newWorld(t, nb, set, service)
	w.settle()
	w.expectProblem("", "")
	if got := w.set(); got.Labels[notebookv1.NotebookNameLabel] != "nb" || got.Spec.PodManagementPolicy != appsv1.OrderedReadyPodManagement {
		t.Errorf("%+v", got)
	}
}

func TestTakenNames(t *testing.T) {
	stranger := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "nb"}}
	w := newWorld(t, plain(t), stranger)
	if result, err := w.reconcile(); err != nil || result.RequeueAfter != takenDelay {
		t.Errorf("%v, %v", result, err)
	}
	w.expectProblem("NameTaken", "StatefulSet nb exists already and does not belong to this notebook")
	theirs := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "nb",
		Labels:          map[string]string{notebookv1.NotebookNameLabel: "nb"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Other", Name: "o", UID: "other", Controller: new(true)}}}}
	w = newWorld(t, plain(t), theirs)
	if _, err := w.reconcile(); err != nil {
		t.Error(err)
	}
	w.expectProblem("NameTaken", "Service nb exists already and belongs to Other o")
	former := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "nb",
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "kubeflow.org/v1", Kind: "Notebook", Name: "nb", UID: "former", Controller: new(true)}}}}
	w = newWorld(t, plain(t), former)
	if result, err := w.reconcile(); err != nil || result.RequeueAfter != soon {
		t.Errorf("%v, %v", result, err)
	}
	w.expectProblem("", "") // it will be gone soon
}

func TestRefusals(t *testing.T) {
	forSets := func(err error) func(string, client.Object) error {
		return func(verb string, o client.Object) error {
			if _, is := o.(*appsv1.StatefulSet); is {
				return err
			}
			return nil
		}
	}
	group := schema.GroupResource{Group: "apps", Resource: "statefulsets"}
	w := newWorld(t, plain(t))
	w.refuse = forSets(apierrors.NewForbidden(group, "nb", fmt.Errorf("exceeded quota")))
	if _, err := w.reconcile(); err == nil {
		t.Error("a quota may be raised: it has to be tried again")
	}
	w.expectProblem("Refused", "creating StatefulSet nb: statefulsets.apps \"nb\" is forbidden: exceeded quota")
	since := findDegraded(w.notebook().Status).LastTransitionTime
	w.now = noon.Add(time.Hour)
	w.refuse = forSets(apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, "nb", nil))
	if _, err := w.reconcile(); err != nil {
		t.Errorf("invalid as long as it is the same: %v", err)
	}
	w.expectProblem("Refused", "is invalid")
	if now := findDegraded(w.notebook().Status).LastTransitionTime; !now.Equal(since) {
		t.Errorf("degraded since %v, want %v", now, since)
	}
	if told := len(w.events.Events); told != 2 {
		t.Errorf("%d events", told)
	}
	w.refuse = nil
	w.settle()
	w.expectProblem("", "")
}

// An edit that makes no sense leaves what runs as it is.
func TestInvalidEdit(t *testing.T) {
	w := newWorld(t, plain(t))
	w.settle()
	w.edit(func(nb *notebookv1.Notebook) { nb.Spec.Template.Spec.Containers = nil })
	w.settle()
	w.expectProblem("InvalidTemplate", "at least one container is needed")
	if got := w.set(); *got.Spec.Replicas != 1 || got.Spec.Template.Spec.Containers[0].Image != "jupyter" {
		t.Errorf("%+v", got.Spec)
	}
}

func TestDeletedNotebooks(t *testing.T) {
	nb := plain(t)
	w := newWorld(t, nb)
	stale := interceptor.NewClient(w.client.(client.WithWatch), interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
			if found, is := o.(*notebookv1.Notebook); is {
				*found = *nb.DeepCopy() // the cache still has it
				return nil
			}
			return apierrors.NewNotFound(schema.GroupResource{}, "nb")
		},
	})
	if err := w.client.Delete(t.Context(), nb.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	r := &reconciler{config: testConfig(), client: stale, live: w.client, recorder: w.events, now: time.Now}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	if n := w.writes.Load(); n != 0 {
		t.Errorf("%d writes for a notebook that is gone", n)
	}
	if _, err := w.reconcile(); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"a": "", strings.Repeat("a", 52): "", strings.Repeat("a", 54): "too long by 2", "1a": "metadata.name", "a.b": "metadata.name",
	} {
		nb := plain(t)
		nb.Name = name
		p := validate(nb)
		if want == "" && p != nil || want != "" && (p == nil || p.reason != notebookv1.ReasonInvalidName || !strings.Contains(p.message, want)) {
			t.Errorf("%s: %+v, want %q", name, p, want)
		}
	}
}

func TestMalformedTemplates(t *testing.T) {
	for text, want := range map[string]string{
		`{metadata: {name: nb}, spec: {template: {spec: {containers: 7}}}}`:                                                          "is not the spec of a pod",
		`{metadata: {name: nb}, spec: {template: {spec: {containers: [{name: nb, image: [a]}]}}}}`:                                   "is not the spec of a pod",
		`{metadata: {name: nb}, spec: {template: {spec: {containers: [{name: nb, image: a}, {name: b}]}}}}`:                          `container "b" has no image`,
		`{metadata: {name: nb}, spec: {template: {spec: {containers: [{name: nb, image: a, resources: {limits: {cpu: "much"}}}]}}}}`: "is not the spec of a pod",
		`{metadata: {name: nb}, spec: {template: {}}}`:                                                                               "at least one container",
	} {
		if p := validate(readNotebook(t, text)); p == nil || p.reason != notebookv1.ReasonInvalidTemplate || !strings.Contains(p.message, want) {
			t.Errorf("%s: %+v, want %q", text, p, want)
		}
	}
}
