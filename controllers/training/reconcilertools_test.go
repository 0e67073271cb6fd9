package training

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// testScheme knows what the manager's scheme knows.
func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// world is an API server with one job in it, a controller, and a clock.
type world struct {
	t      *testing.T
	kind   *kind
	client client.Client
	key    types.NamespacedName
	now    time.Time
	events *events.FakeRecorder
	writes atomic.Int32

	// refuse, if set, may refuse a write: "create", "delete", "update" or "status".
	refuse func(verb string, object client.Object) error
}

// newWorld has the job as the user wrote it, and other objects.
func newWorld(t *testing.T, text string, others ...client.Object) *world {
	t.Helper()
	k, job := readJob(t, text)
	w := &world{t: t, kind: k, now: noon, key: client.ObjectKeyFromObject(job), events: events.NewFakeRecorder(1000)}
	var uids atomic.Int32
	write := func(verb string, object client.Object) error {
		if w.refuse != nil {
			if err := w.refuse(verb, object); err != nil {
				return err
			}
		}
		w.writes.Add(1)
		return nil
	}
	w.client = fake.NewClientBuilder().WithScheme(testScheme(t)).
		WithObjects(append(others, job)...).
		WithStatusSubresource(&trainingv1.TFJob{}, &trainingv1.PyTorchJob{}, &trainingv1.MPIJob{}, &corev1.Pod{}).
		WithIndex(&corev1.Pod{}, k.ownerIndex(), k.indexOwner).
		WithIndex(&corev1.Service{}, k.ownerIndex(), k.indexOwner).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
				if err := write("create", object); err != nil {
					return err
				}
				object.SetUID(types.UID(fmt.Sprint("uid-", uids.Add(1))))
				return c.Create(ctx, object, options...)
			},
			Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
				if err := write("update", object); err != nil {
					return err
				}
				return c.Update(ctx, object, options...)
			},
			Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
				if err := write("delete", object); err != nil {
					return err
				}
				return c.Delete(ctx, object, options...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
				if err := write(sub, object); err != nil {
					return err
				}
				return c.SubResource(sub).Patch(ctx, object, patch, options...)
			},
		}).Build()
	return w
}

// reconcile lets a controller that was just started look at the job once.
func (w *world) reconcile() (reconcile.Result, error) {
	r := &reconciler{
		kind: w.kind, client: w.client, live: w.client, recorder: w.events,
		now: func() time.Time { return w.now },
	}
	return r.Reconcile(w.t.Context(), w.request())
}

// settle looks at the job until nothing is written any more, and returns when to look again.
func (w *world) settle() time.Duration {
	w.t.Helper()
	for range 20 {
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

func (w *world) job() trainingv1.Job {
	w.t.Helper()
	job := w.kind.newJob()
	if err := w.client.Get(w.t.Context(), w.key, job); err != nil {
		w.t.Fatal(err)
	}
	return job
}

// editJob changes the job as a user would.
func (w *world) editJob(change func(trainingv1.Job)) {
	w.t.Helper()
	job := w.job()
	change(job)
	if err := w.client.Update(w.t.Context(), job); err != nil {
		w.t.Fatal(err)
	}
}

// expectStates checks the job's conditions.
func (w *world) expectStates(want string) {
	w.t.Helper()
	if got := states(w.job().State()); got != want {
		w.t.Errorf("conditions: got %q, want %q", got, want)
	}
}

// message is that of a condition.
func (w *world) message(t trainingv1.JobConditionType) string {
	w.t.Helper()
	c := findCondition(w.job().State(), t)
	if c == nil {
		w.t.Fatalf("no condition %s", t)
	}
	return c.Message
}

// names lists the objects of a type.
func (w *world) names(list client.ObjectList) string {
	w.t.Helper()
	if err := w.client.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	switch list := list.(type) {
	case *corev1.PodList:
		for _, o := range list.Items {
			names = append(names, o.Name)
		}
	case *corev1.ServiceList:
		for _, o := range list.Items {
			names = append(names, o.Name)
		}
	case *podgroupv1alpha1.PodGroupList:
		for _, o := range list.Items {
			names = append(names, o.Name)
		}
	default:
		w.t.Fatalf("names of %T", list)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (w *world) expectPods(want string) {
	w.t.Helper()
	if got := w.names(&corev1.PodList{}); got != want {
		w.t.Errorf("pods: got %q, want %q", got, want)
	}
}

func (w *world) pod(name string) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{}
	if err := w.client.Get(w.t.Context(), types.NamespacedName{Namespace: w.key.Namespace, Name: name}, pod); err != nil {
		w.t.Fatal(err)
	}
	return pod
}

// setPod gives pods a phase, and with it what a kubelet would add.
func (w *world) setPod(phase corev1.PodPhase, names string, options ...podOption) {
	w.t.Helper()
	for name := range strings.FieldsSeq(names) {
		pod := w.pod(name)
		pod.Status = podIn(w.kind, name, phase).Status
		for _, o := range options {
			o(pod)
		}
		if err := w.client.Status().Update(w.t.Context(), pod); err != nil {
			w.t.Fatal(err)
		}
	}
}

// told says whether there was an event with this text in it, and forgets all events.
func (w *world) told(text string) bool {
	found := false
	for {
		select {
		case e := <-w.events.Events:
			found = found || strings.Contains(e, text)
		default:
			return found
		}
	}
}

// isPod is a refusal of pods only.
func forPods(verb string, err error) func(string, client.Object) error {
	return func(v string, object client.Object) error {
		if _, ok := object.(*corev1.Pod); ok && v == verb {
			return err
		}
		return nil
	}
}

var errForbidden = apierrors.NewForbidden(corev1.Resource("pods"), "p", fmt.Errorf("exceeded quota"))

func (w *world) request() reconcile.Request { return reconcile.Request{NamespacedName: w.key} }

// services are those that there are.
func (w *world) services() *corev1.ServiceList {
	w.t.Helper()
	list := &corev1.ServiceList{}
	if err := w.client.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	return list
}
