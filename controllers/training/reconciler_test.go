package training

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// tfWorkers is a TFJob of two workers; policy is its run policy, worker what else a worker has.
func tfWorkers(policy, worker string) string {
	return `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: tf, namespace: ns}
spec:
  runPolicy: {` + policy + `}
  tfReplicaSpecs:
    Worker: {replicas: 2, ` + worker + ` template: {spec: {containers: [{name: tensorflow, image: i}]}}}
`
}

const bothWorkers = "tf-worker-0 tf-worker-1"

func TestLifeOfAJob(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	if after := w.settle(); after != 0 {
		t.Errorf("looks again after %v though there is nothing to wait for", after)
	}
	w.expectPods(bothWorkers)
	w.expectStates("Created")
	if got := w.names(&corev1.ServiceList{}); got != bothWorkers {
		t.Errorf("services: %q", got)
	}
	if got := w.names(&podgroupv1alpha1.PodGroupList{}); got != "tf" {
		t.Errorf("pod groups: %q", got)
	}
	if !w.told("TFJobCreated") {
		t.Error("no event for the creation")
	}

	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.expectStates("Created Running")
	if got := w.job().State().ReplicaStatuses["Worker"].Active; got != 2 {
		t.Errorf("%d active", got)
	}

	w.now = noon.Add(time.Minute)
	w.setPod(corev1.PodSucceeded, "tf-worker-0")
	w.settle()
	w.expectStates("Created !Running Succeeded")
	w.expectPods(bothWorkers) // the default is to keep them
	status := w.job().State()
	if status.CompletionTime == nil || !status.CompletionTime.Time.Equal(w.now) {
		t.Errorf("completed at %v", status.CompletionTime)
	}
	if got := status.ReplicaStatuses["Worker"]; got.Succeeded != 2 || got.Active != 0 {
		t.Errorf("worker 1 is not counted with worker 0: %+v", got)
	}
	if got := w.names(&podgroupv1alpha1.PodGroupList{}); got != "" {
		t.Errorf("pod groups left: %q", got)
	}
}

func TestCleanPodPolicy(t *testing.T) {
	for policy, left := range map[string]string{"None": bothWorkers, "Running": "tf-worker-0", "All": ""} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, tfWorkers("cleanPodPolicy: "+policy, ""))
			w.settle()
			w.setPod(corev1.PodSucceeded, "tf-worker-0")
			w.setPod(corev1.PodRunning, "tf-worker-1")
			w.settle()
			w.expectPods(left)
			if got := w.names(&corev1.ServiceList{}); got != left {
				t.Errorf("services: got %q, want %q", got, left)
			}
		})
	}
}

func TestAFailedPodFailsTheJob(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.settle()
	w.setPod(corev1.PodRunning, "tf-worker-0")
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(1, noon))
	w.settle()
	w.expectStates("Created Failed")
	want := "TFJob ns/tf is failed because 1 Worker replica(s) failed (tf-worker-1: exit code 1)."
	if got := w.message(trainingv1.JobFailed); got != want {
		t.Errorf("got %q", got)
	}
	if w.job().State().CompletionTime == nil {
		t.Error("no completion time")
	}
}

func TestExitCodeRestartsAreLimited(t *testing.T) {
	w := newWorld(t, tfWorkers("backoffLimit: 2", "restartPolicy: ExitCode,"))
	w.settle()
	for try := range 2 {
		w.setPod(corev1.PodRunning, bothWorkers)
		w.settle()
		w.setPod(corev1.PodFailed, "tf-worker-1", exited(137, w.now))
		if _, err := w.reconcile(); err != nil {
			t.Fatal(err)
		}
		w.expectStates("Created Restarting")
		w.now = w.now.Add(time.Minute) // longer than any delay so far
		w.settle()
		w.expectPods(bothWorkers)
		if got, want := w.pod("tf-worker-1").Annotations[trainingv1.AttemptAnnotation], []string{"1", "2"}[try]; got != want {
			t.Errorf("attempt %q, want %q", got, want)
		}
		if got := w.job().State().Restarts; got != int32(try+1) {
			t.Errorf("%d restarts after %d", got, try+1)
		}
	}
	w.setPod(corev1.PodRunning, "tf-worker-0")
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(137, w.now))
	w.settle()
	w.expectStates("Created !Running Failed")
	w.expectPods("tf-worker-1") // the one that runs is stopped, or the limit would limit nothing
	if got, want := w.message(trainingv1.JobFailed), "Job tf has failed because it has reached the specified backoff limit (tf-worker-1: exit code 137)"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestRestartsInPlaceAreLimited(t *testing.T) {
	w := newWorld(t, tfWorkers("backoffLimit: 3", "restartPolicy: OnFailure,"))
	w.settle()
	w.setPod(corev1.PodRunning, "tf-worker-0", restarted(2))
	w.setPod(corev1.PodRunning, "tf-worker-1", restarted(1))
	w.settle()
	w.expectStates("Created Running")
	w.setPod(corev1.PodRunning, "tf-worker-1", restarted(2))
	w.settle()
	w.expectStates("Created !Running Failed")
}

func TestARestartCountsOnceWhateverFails(t *testing.T) {
	w := newWorld(t, tfWorkers("", "restartPolicy: ExitCode,"))
	w.settle()
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(137, noon))
	w.refuse = func(verb string, _ client.Object) error {
		if verb == "status" {
			return apierrors.NewConflict(trainingv1.GroupVersion.WithResource("tfjobs").GroupResource(), "tf", nil)
		}
		return nil
	}
	result, err := w.reconcile()
	if err != nil || result.RequeueAfter == 0 {
		t.Errorf("a conflict is no error but a reason to look again: %v, %v", result, err)
	}
	w.expectPods(bothWorkers) // nothing is deleted that is not on record
	w.refuse = forPods("delete", errForbidden)
	for range 3 {
		if _, err := w.reconcile(); err == nil {
			t.Error("no error though the pod cannot be deleted")
		}
	}
	w.refuse = nil
	w.settle()
	w.expectPods(bothWorkers)
	if got := w.job().State().Restarts; got != 1 {
		t.Errorf("%d restarts, want 1", got)
	}
}

func TestRestartsWaitLongerAndLonger(t *testing.T) {
	w := newWorld(t, tfWorkers("", "restartPolicy: OnFailure,"))
	w.settle()
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(1, noon))
	w.settle() // at once
	w.setPod(corev1.PodFailed, "tf-worker-1", exited(1, noon))
	if after := w.settle(); after != time.Second {
		t.Errorf("looks again after %v, want 1s", after)
	}
	failed := w.pod("tf-worker-1").UID
	w.now = noon.Add(time.Second)
	w.settle()
	if w.pod("tf-worker-1").UID == failed {
		t.Error("the pod has not been replaced after its delay")
	}
}

func TestDisruptionIsNoFailure(t *testing.T) {
	w := newWorld(t, tfWorkers("backoffLimit: 0", ""))
	w.settle()
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.setPod(corev1.PodFailed, bothWorkers, preempted(), exited(143, noon))
	w.settle()
	w.expectPods(bothWorkers)
	w.expectStates("Created Restarting")
	if got := w.job().State().Restarts; got != 0 {
		t.Errorf("%d restarts counted", got)
	}
	if got := w.pod("tf-worker-0").Annotations[trainingv1.AttemptAnnotation]; got != "1" {
		t.Errorf("attempt %q, want 1", got)
	}
}

func TestDeletedPodsComeBack(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.settle()
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	for name := range strings.FieldsSeq(bothWorkers) {
		pod := w.pod(name)
		pod.Finalizers = []string{"test/hold"} // so that it is there for a while
		if err := w.client.Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		if err := w.client.Delete(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	w.expectStates("Created Restarting")
	for name := range strings.FieldsSeq(bothWorkers) {
		pod := w.pod(name)
		pod.Finalizers = nil
		if err := w.client.Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	w.expectPods(bothWorkers)
	if got := w.pod("tf-worker-0").Annotations[trainingv1.AttemptAnnotation]; got != "1" {
		t.Errorf("attempt %q, want 1", got)
	}
	if got := w.job().State().Restarts; got != 0 {
		t.Errorf("%d restarts counted", got)
	}
}

func TestDeadline(t *testing.T) {
	w := newWorld(t, tfWorkers("activeDeadlineSeconds: 60", ""))
	if after := w.settle(); after != time.Minute {
		t.Errorf("looks again after %v, want 1m", after)
	}
	w.setPod(corev1.PodRunning, bothWorkers)
	w.now = noon.Add(time.Minute)
	w.settle()
	w.expectStates("Created Failed")
	w.expectPods("")
	if got, want := w.message(trainingv1.JobFailed), "Job tf has failed because it was active longer than specified deadline"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestTimeToLive(t *testing.T) {
	w := newWorld(t, tfWorkers("ttlSecondsAfterFinished: 30", ""))
	w.settle()
	w.setPod(corev1.PodFailed, "tf-worker-0", exited(1, noon))
	if after := w.settle(); after != 30*time.Second {
		t.Errorf("looks again after %v, want 30s", after)
	}
	w.now = noon.Add(30 * time.Second)
	w.settle()
	if err := w.client.Get(t.Context(), w.key, w.kind.newJob()); !apierrors.IsNotFound(err) {
		t.Errorf("the job is still there: %v", err)
	}
}

func TestSuspendAndResume(t *testing.T) {
	w := newWorld(t, tfWorkers("activeDeadlineSeconds: 60", ""))
	w.settle()
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.editJob(func(job trainingv1.Job) { job.Policy().Suspend = new(true) })
	if after := w.settle(); after != 0 {
		t.Errorf("a suspended job looks at its deadline after %v", after)
	}
	w.expectPods("")
	w.expectStates("Created !Running Suspended")
	if got := w.names(&corev1.ServiceList{}) + w.names(&podgroupv1alpha1.PodGroupList{}); got != "" {
		t.Errorf("left: %q", got)
	}

	w.now = noon.Add(time.Hour)
	w.editJob(func(job trainingv1.Job) { job.Policy().Suspend = new(false) })
	w.settle()
	w.expectPods(bothWorkers)
	w.expectStates("!Running !Suspended Created")
	if got := w.job().State().StartTime; !got.Time.Equal(w.now) {
		t.Errorf("started at %v, want the time of resuming", got)
	}
	w.setPod(corev1.PodRunning, bothWorkers)
	w.settle()
	w.expectStates("!Suspended Created Running")
}

func TestCreatedSuspended(t *testing.T) {
	w := newWorld(t, tfWorkers("suspend: true", ""))
	w.settle()
	w.expectPods("")
	w.expectStates("Created Suspended")
	if got := w.job().State().StartTime; got != nil {
		t.Errorf("started at %v though suspended from the beginning", got)
	}
}
