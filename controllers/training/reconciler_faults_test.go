package training

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestCreationRefusedHalfWay(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	var pods atomic.Int32
	w.refuse = func(verb string, object client.Object) error {
		if _, ok := object.(*corev1.Pod); ok && verb == "create" && pods.Add(1) > 1 {
			return errForbidden
		}
		return nil
	}
	if _, err := w.reconcile(); !errors.Is(err, errForbidden) {
		t.Errorf("got %v, want the refusal", err)
	}
	if got := w.message(trainingv1.JobCreated); !strings.Contains(got, "exceeded quota") {
		t.Errorf("the job does not say what is wrong but %q", got)
	}
	if !w.told("TFJobCreateFailed") {
		t.Error("no event")
	}
	w.refuse = nil
	w.settle()
	w.expectPods(bothWorkers)
	if got, want := w.message(trainingv1.JobCreated), "TFJob tf is created."; got != want {
		t.Errorf("got %q, want %q again", got, want)
	}
}

func TestAnInvalidPodFailsTheJob(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.refuse = forPods("create", apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("Pod").GroupKind(), "tf-worker-0", nil))
	w.settle()
	w.expectStates("Created Failed")
	if got := w.message(trainingv1.JobFailed); !strings.Contains(got, "is invalid") {
		t.Errorf("got %q", got)
	}
	w.expectPods("")
	if got := w.names(&corev1.ServiceList{}); got != "" {
		t.Errorf("services: %q", got)
	}
}

func TestAnInvalidJobGetsNothing(t *testing.T) {
	w := newWorld(t, strings.Replace(tfWorkers("", ""), "name: tensorflow", "name: main", 1))
	w.settle()
	w.expectStates("Failed")
	want := `TFJob tf is not valid: spec.tfReplicaSpecs[Worker].template.spec.containers: Invalid value: "main": in jobs of kind TFJob one container must be named "tensorflow"`
	if got := w.message(trainingv1.JobFailed); got != want {
		t.Errorf("got %q", got)
	}
	if !w.told("TFJobFailedValidation") {
		t.Error("no event")
	}
	w.expectPods("")
	if got := w.names(&podgroupv1alpha1.PodGroupList{}); got != "" {
		t.Errorf("pod groups: %q", got)
	}
	if w.job().State().CompletionTime == nil {
		t.Error("no completion time, so a time to live would never end")
	}
}

func TestAnAcceptedJobSurvivesABadEdit(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.settle()
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.told("")
	w.editJob(func(job trainingv1.Job) { job.Replicas()["Worker"].Template.Spec.Containers[0].Name = "main" })
	w.settle()
	w.expectPods(bothWorkers)
	w.expectStates("Created Running")
	if !w.told("left as it is until its spec is valid again") {
		t.Error("no event")
	}
}

func TestANameThatIsTaken(t *testing.T) {
	meta := func(name string, owner ...metav1.OwnerReference) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "ns", Name: name, OwnerReferences: owner}
	}
	other := metav1.OwnerReference{APIVersion: "kubeflow.org/v1", Kind: "PyTorchJob", Name: "tf", UID: "x", Controller: new(true)}
	tests := []struct {
		name   string
		holder client.Object
		want   string
		pods   string
	}{
		{"a pod of nobody", &corev1.Pod{ObjectMeta: meta("tf-worker-1")},
			"Pod tf-worker-1 exists already and does not belong to this job; delete it or rename the job", bothWorkers},
		{"a pod of another job", &corev1.Pod{ObjectMeta: meta("tf-worker-1", other)},
			"Pod tf-worker-1 exists already and belongs to PyTorchJob tf; rename one of the two", bothWorkers},
		{"a gang of another job", &podgroupv1alpha1.PodGroup{ObjectMeta: meta("tf", other)},
			"PodGroup tf exists already and belongs to PyTorchJob tf; rename one of the two", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tfWorkers("", ""), tt.holder)
			result, err := w.reconcile()
			if err != nil || result.RequeueAfter != takenDelay {
				t.Errorf("looks again after %v, error %v", result.RequeueAfter, err)
			}
			w.expectStates("Created")
			if got := w.message(trainingv1.JobCreated); got != tt.want {
				t.Errorf("got %q", got)
			}
			if !w.told("TFJobNameTaken") {
				t.Error("no event")
			}
			w.expectPods(tt.pods)
			if err := w.client.Delete(t.Context(), tt.holder); err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.expectPods(bothWorkers)
			if got, want := w.message(trainingv1.JobCreated), "TFJob tf is created."; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestAPodOfAnEarlierJobIsWaitedFor(t *testing.T) {
	old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "tf-worker-0", OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "kubeflow.org/v1", Kind: "TFJob", Name: "tf", UID: "earlier", Controller: new(true),
	}}}}
	w := newWorld(t, tfWorkers("", ""), old)
	result, err := w.reconcile()
	if err != nil || result.RequeueAfter != time.Second {
		t.Errorf("looks again after %v, error %v", result.RequeueAfter, err)
	}
	if got, want := w.message(trainingv1.JobCreated), "TFJob tf is created."; got != want {
		t.Errorf("got %q: there is nothing to complain of", got)
	}
}

// A cache that lags shows no pods though they exist.
func TestNothingIsCreatedTwice(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.settle()
	r := &reconciler{kind: w.kind, client: w.client, live: w.client, recorder: w.events, now: func() time.Time { return w.now }}
	k, job := w.kind, w.job()
	k.setAllDefaults(job)
	p := k.decide(Config{}, job, seeing(), w.now)
	if len(p.create) != 4 {
		t.Fatalf("%d objects to create, want 2 pods and 2 services", len(p.create))
	}
	if err := r.createAll(t.Context(), job, &p); err != nil {
		t.Errorf("that they exist is no error: %v", err)
	}
	w.expectPods(bothWorkers)
}

// What a deleted job had is collected, and the caches may tell of that before they tell that the job is gone, or that another one
// has its name.
func TestNothingIsMadeAgainForAJobThatIsGone(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.settle()
	if err := w.client.Delete(t.Context(), w.pod("tf-worker-0")); err != nil {
		t.Fatal(err)
	}
	other := w.job()
	other.SetUID("another")
	other.SetResourceVersion("")
	before := w.writes.Load()
	for name, live := range map[string]client.Reader{
		"gone":       fake.NewClientBuilder().WithScheme(testScheme(t)).Build(),
		"made again": fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(other).Build(),
	} {
		r := &reconciler{kind: w.kind, client: w.client, live: live, recorder: w.events, now: func() time.Time { return w.now }}
		if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: w.key}); err != nil || w.writes.Load() != before {
			t.Errorf("%s: %d writes, %v", name, w.writes.Load()-before, err)
		}
	}
	w.settle()
	w.expectPods(bothWorkers)
}

func TestJobsOfOthersAreLeftAlone(t *testing.T) {
	for _, policy := range []string{"managedBy: kueue.x-k8s.io/multikueue", "managedBy: kubeflow.org/training-operator"} {
		w := newWorld(t, tfWorkers(policy, ""))
		w.settle()
		ours := strings.Contains(policy, "training-operator")
		if wrote := w.writes.Load() > 0; wrote != ours {
			t.Errorf("%s: %d writes", policy, w.writes.Load())
		}
	}
}

func TestAJobThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.editJob(func(job trainingv1.Job) { job.SetFinalizers([]string{"test/hold"}) })
	if err := w.client.Delete(t.Context(), w.job()); err != nil {
		t.Fatal(err)
	}
	before := w.writes.Load()
	w.settle()
	if w.writes.Load() != before {
		t.Error("something was written")
	}
	w.expectPods("")
}
