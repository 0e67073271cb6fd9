package training

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// together is a job of which all pods are replaced when one is.
func together(policy, worker string) string {
	return strings.Replace(tfWorkers(policy, worker), "metadata: {name: tf", "metadata: {annotations: {"+allTogether+"}, name: tf", 1)
}

func TestRestartOfAllIsDelayedOnce(t *testing.T) {
	w := newWorld(t, together("", "restartPolicy: OnFailure,"))
	w.settle()
	first := w.pod("tf-worker-0").UID
	if got := w.pod("tf-worker-0").Spec.RestartPolicy; got != corev1.RestartPolicyNever {
		t.Errorf("restart policy %s: the others would not learn of a restart in place", got)
	}
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(1, w.now))
	w.settle() // at once
	w.expectStates("Created Restarting")
	want := "TFJob ns/tf is restarting all of its pods because 1 Worker replica(s) failed or were lost (tf-worker-1: exit code 1)."
	if got := w.message(trainingv1.JobRestarting); got != want {
		t.Errorf("got %q", got)
	}
	second := w.pod("tf-worker-0")
	if second.UID == first || second.Annotations[trainingv1.GangAttemptAnnotation] != "1" || second.Annotations[trainingv1.AttemptAnnotation] != "1" {
		t.Errorf("worker 0: %+v", second.ObjectMeta)
	}

	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(1, w.now))
	if after := w.settle(); after != time.Second {
		t.Errorf("looks again after %v, want 1s", after)
	}
	w.now = w.now.Add(500 * time.Millisecond)
	w.setPod(corev1.PodFailed, "tf-worker-0", exited(1, w.now)) // since it has lost the other one
	if after := w.settle(); after != 500*time.Millisecond {
		t.Errorf("looks again after %v, want 0.5s", after)
	}
	w.now = w.now.Add(500 * time.Millisecond)
	w.settle()
	if got := w.pod("tf-worker-0").Annotations[trainingv1.GangAttemptAnnotation]; got != "2" {
		t.Errorf("worker 0 is of attempt %s", got)
	}
	if got := w.job().State().Restarts; got != 2 {
		t.Errorf("%d restarts, want 2", got)
	}
}

// Of several pods that ended the one that ended first says what follows.
func TestTheFirstToEndDecides(t *testing.T) {
	tests := []struct {
		name         string
		first, later podOption
		states       string
		restarts     int32
	}{
		{"killed, then an error", exited(137, noon), exited(1, noon.Add(time.Second)), "Created Restarting", 1},
		{"an error, then killed", exited(1, noon), exited(137, noon.Add(time.Second)), "Created Failed", 0},
		{"preempted, then killed", preempted(), exited(137, noon.Add(time.Second)), "Created Restarting", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, together("", "restartPolicy: ExitCode,"))
			w.settle()
			w.now = noon.Add(time.Minute)
			w.setPod(corev1.PodFailed, "tf-worker-1", tt.first)
			w.setPod(corev1.PodFailed, "tf-worker-0", tt.later)
			w.settle()
			w.expectStates(tt.states)
			if got := w.job().State().Restarts; got != tt.restarts {
				t.Errorf("%d restarts, want %d", got, tt.restarts)
			}
		})
	}
}

// A cache that lags shows no pod though it exists: that is no loss.
func TestAPodOutOfSightIsNotLost(t *testing.T) {
	w := newWorld(t, together("", ""))
	w.settle()
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	before, writes := w.pod("tf-worker-0").UID, w.writes.Load()
	hidden := w.pod("tf-worker-1")
	stale := fake.NewClientBuilder().WithScheme(testScheme(t)).WithObjects(w.job().(client.Object), w.pod("tf-worker-0"), w.group()).
		WithStatusSubresource(w.job().(client.Object)).WithLists(w.services()).WithIndex(&corev1.Pod{}, w.kind.ownerIndex(), w.kind.indexOwner).
		WithIndex(&corev1.Service{}, w.kind.ownerIndex(), w.kind.indexOwner).Build()
	r := &reconciler{kind: w.kind, client: stale, live: w.client, recorder: w.events, now: func() time.Time { return w.now }}
	if _, err := r.Reconcile(t.Context(), w.request()); err != nil || w.writes.Load() != writes {
		t.Errorf("%d writes, %v", w.writes.Load()-writes, err)
	}
	job := w.kind.newJob()
	if err := stale.Get(t.Context(), w.key, job); err != nil || gangAttempts(job.State()) != 0 {
		t.Errorf("the attempt has ended: %+v, %v", job.State(), err)
	}

	if err := w.client.Delete(t.Context(), hidden); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.pod("tf-worker-0").UID == before || gangAttempts(w.job().State()) != 1 || w.job().State().Restarts != 0 {
		t.Errorf("a pod is gone, and the others live on: %+v", w.job().State())
	}
}

func TestOtherRestartsAreRefused(t *testing.T) {
	w := newWorld(t, strings.Replace(together("", ""), "restart: all", "restart: workers", 1))
	w.settle()
	w.expectStates("Failed")
	want := `TFJob tf is not valid: metadata.annotations[scheduling.muster.dev/restart]: Unsupported value: "workers": supported values: "all"`
	if got := w.message(trainingv1.JobFailed); got != want {
		t.Errorf("got %q", got)
	}
	w.expectPods("")
}

// Who has a replica type scaled down and up again loses no pod.
func TestScalingIsNoLoss(t *testing.T) {
	w := newWorld(t, together("", ""))
	scale := func(n int32) {
		w.editJob(func(job trainingv1.Job) { job.Replicas()["Worker"].Replicas = &n })
		w.settle()
	}
	w.settle()
	scale(4)
	w.setPod(corev1.PodRunning, "tf-worker-0 tf-worker-1 tf-worker-2 tf-worker-3")
	w.settle()
	scale(1)
	scale(3)
	w.expectPods("tf-worker-0 tf-worker-1 tf-worker-2")
	if got := gangAttempts(w.job().State()); got != 0 {
		t.Errorf("%d attempts are over", got)
	}
}

// A pod that ends well while it is being deleted has not done its work.
func TestSuccessOfADeletedPodIsNone(t *testing.T) {
	for _, annotation := range []string{"", allTogether} {
		k, job := simpleTFJob(t, "replicas: 1", "")
		if annotation != "" {
			job.SetAnnotations(map[string]string{"scheduling.muster.dev/restart": "all"})
		}
		p := k.decide(Config{}, job, seeing(podIn(k, "tf-worker-0", corev1.PodSucceeded, deletedAt(noon))), noon)
		if finished(p.status) {
			t.Errorf("%q: %s", annotation, states(p.status))
		}
	}
}

// What has begun is completed, even if nobody asks for it any more.
func TestRestartOfAllIsCompleted(t *testing.T) {
	s := newSimulation(t, jaxJob, example(t, jaxJob, "", allTogether))
	s.settle()
	s.all(corev1.PodRunning)
	s.settle()
	s.end("j-worker-1", corev1.PodFailed, exited(137, s.now))
	if !s.pass(2, "") { // the status, and one pod of three
		t.Fatal("the status has not been stored")
	}
	s.job.SetAnnotations(nil)
	s.settle()
	for _, name := range s.names() {
		if got := s.pods[name].Annotations[trainingv1.GangAttemptAnnotation]; got != "1" {
			t.Errorf("%s is of attempt %q", name, got)
		}
	}
	if got := s.job.State().Restarts; len(s.pods) != 3 || got != 1 {
		t.Errorf("%d pods, %d restarts", len(s.pods), got)
	}
}
