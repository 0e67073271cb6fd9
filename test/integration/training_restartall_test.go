package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var rendezvousPods = []string{"job-master-0", "job-worker-0", "job-worker-1", "job-worker-2"}

// rendezvous is a PyTorchJob of a master and three workers of which all are replaced when one is.
func rendezvous(limit int32, edits ...func(*trainingv1.ReplicaSpec)) *trainingv1.PyTorchJob {
	job := pyTorchJob("job", specs{"Master": replicas(1, cpu(1), edits...), "Worker": replicas(3, cpu(1), edits...)},
		func(p *trainingv1.RunPolicy) { p.BackoffLimit = &limit })
	job.Annotations = map[string]string{schedulingv1alpha1.RestartAnnotation: schedulingv1alpha1.RestartAll}
	return job
}

// endSaying ends a running pod with 1 and a message, as a kubelet tells of it.
func (e *env) endSaying(name, message string) {
	e.Helper()
	before := e.expectRunning(name)
	after := before.DeepCopy()
	after.Status.Phase = corev1.PodFailed
	after.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: 1, Reason: "Error", Message: message, StartedAt: *before.Status.StartTime, FinishedAt: metav1.Now(),
	}}
	e.do(e.client.Status().Patch(e.Context(), after, client.MergeFrom(before)))
}

// expectGeneration waits until so many pods have been created under each name of the job, and the last ones run.
func (e *env) expectGeneration(b *births, n int) {
	e.Helper()
	e.expectBirths(b, len(rendezvousPods), n)
	for _, name := range rendezvousPods {
		e.expectRunning(name)
	}
}

// One pod fails, one vanishes, two fail at once: each time all are replaced together. What failed counts once, up to the
// limit. The gang stays the same one.
func TestRestartAll(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	born := e.countBirths()
	job := rendezvous(2)
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.expectGeneration(born, 1)
	e.mayBreak("job")
	group := e.getPodGroup("job").UID
	main := e.seen("job-worker-1").Spec
	if main.RestartPolicy != corev1.RestartPolicyNever || main.Containers[0].TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
		t.Errorf("restart policy %s, messages %s", main.RestartPolicy, main.Containers[0].TerminationMessagePolicy)
	}

	e.endSaying("job-worker-1", "Traceback (most recent call last):\n  File \"train.py\", line 7\nValueError: loss is NaN\n")
	e.expectEvent("PyTorchJob", "job", "PyTorchJobRestarting", "all of its pods because 1 Worker replica(s) failed or were lost "+
		"(job-worker-1: exit code 1: ValueError: loss is NaN | ")
	e.expectGeneration(born, 2)
	e.expectConditions(job, "Created Running")
	e.expectRestarts(job, 1)

	e.force(e.seen("job-worker-2")) // nobody sees it go
	e.expectGeneration(born, 3)
	e.expectRestarts(job, 1)
	e.expectConditions(job, "Created Running")

	e.withoutManager(func() {
		e.end("job-worker-0", 1)
		e.end("job-master-0", 1)
	})
	e.expectGeneration(born, 4)
	e.expectRestarts(job, 2)
	e.expectConditions(job, "Created Running")
	if now := e.getPodGroup("job").UID; now != group {
		t.Error("the PodGroup is another one")
	}

	e.end("job-worker-0", 1)
	e.expectReasonGiven(job, trainingv1.JobFailed, "PyTorchJobFailed", "backoff limit (job-worker-0: exit code 1)")
	e.expectRestarts(job, 3)
	e.expectPods("job-worker-0") // for its log
	e.expectBirths(born, len(rendezvousPods), 4)
}

// The manager is killed while it replaces all pods: when the failure is on record, when some of the pods are gone, and when
// some of the new ones are there. No new pod meets an old one, and it is one restart.
func TestManagerKilledWhileRestartingAll(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	born := e.countBirths()
	job := rendezvous(1)
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.expectGeneration(born, 1)
	e.mayBreak("job")
	for _, name := range rendezvousPods {
		e.keep(name, true)
	}
	e.end("job-worker-1", 137)
	e.expectRestarts(job, 1)
	e.killManager()
	e.expectPods() // all are on their way out
	for _, name := range rendezvousPods[:3] {
		e.keep(name, false)
		e.killManager()
		e.expectBirths(born, len(rendezvousPods), 1)
	}
	quota := e.limitPods(2)
	e.keep(rendezvousPods[3], false)
	e.expectReasonGiven(job, trainingv1.JobCreated, "PyTorchJobCreateFailed", "exceeded quota")
	e.killManager()
	e.delete(quota)
	e.expectGeneration(born, 2)
	e.expectConditions(job, "Created Running")
	e.expectRestarts(job, 1)
	for _, name := range rendezvousPods {
		if got := e.seen(name).Annotations[trainingv1.GangAttemptAnnotation]; got != "1" {
			t.Errorf("%s is of attempt %q", name, got)
		}
	}
	e.end("job-master-0", 0)
	e.expectConditions(job, "Created -Running Succeeded")
}
