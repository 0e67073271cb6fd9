package integration

import (
	"testing"

	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// A container that fails is restarted in its pod.
func TestRestartOnFailure(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	born := e.countBirths()
	job := pyTorchJob("job", specs{
		"Master": replicas(1, cpu(1), runFor("500ms")),
		"Worker": replicas(1, cpu(1), runFor("200ms"), exit(1), onTry(1)),
	})
	e.create(job)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectRestarts(job, 1)
	e.expectBirths(born, 2, 1)
}

// ExitCode: what a signal ended is replaced, under the same name, and told which attempt it is.
func TestRestartByExitCode(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	born := e.countBirths()
	job := tfJob("job", specs{
		"Worker": replicas(3, cpu(1), runFor("300ms"), exit(137), onTry(1), restarts(trainingv1.RestartPolicyExitCode)),
	})
	e.create(job)
	e.expectEvent("TFJob", "job", "TFJobRestarting", "exit code 137")
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectRestarts(job, 3)
	e.expectBirths(born, 3, 2)
}

// A pod that somebody deletes is replaced under every policy, and counts against no limit.
func TestDeletedPod(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	born := e.countBirths()
	none := int32(0)
	job := tfJob("job", specs{"Chief": replicas(1, cpu(1)), "Worker": replicas(1, cpu(1))},
		func(p *trainingv1.RunPolicy) { p.BackoffLimit = &none })
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.mayBreak("job") // until the pods are replaced
	e.delete(e.expectRunning("job-chief-0"), e.expectRunning("job-worker-0"))
	e.expectBirths(born, 2, 2)
	e.expectConditions(job, "Created Running")
	e.expectReplicas(job, "Chief", 1, 0, 0)
	e.expectReplicas(job, "Worker", 1, 0, 0)
	e.expectRestarts(job, 0)
}

// ExitCode and Never: an error of the program's own fails the job at once.
func TestFailure(t *testing.T) {
	for name, failing := range map[string]*trainingv1.ReplicaSpec{
		"ExitCode with 1": replicas(2, cpu(1), runFor("200ms"), exit(1), restarts(trainingv1.RestartPolicyExitCode)),
		"Never with 137":  replicas(2, cpu(1), runFor("200ms"), exit(137), restarts(trainingv1.RestartPolicyNever)),
	} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, node("node", cpu(2)))
			born := e.countBirths()
			job := tfJob("job", specs{"Worker": failing})
			e.create(job)
			e.expectConditions(job, "Created -Running Failed")
			e.expectReasonGiven(job, trainingv1.JobFailed, "TFJobFailed", "Worker replica(s) failed")
			e.expectEvent("TFJob", "job", "TFJobFailed", "job-worker-")
			e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
			if now(e, job).Status.CompletionTime == nil {
				t.Error("no completion time")
			}
			e.expectRestarts(job, 0)
			e.expectBirths(born, 2, 1)
		})
	}
}

// backoffLimit counts pods that were replaced as well as containers that were restarted.
func TestBackoffLimit(t *testing.T) {
	for name, failing := range map[string]*trainingv1.ReplicaSpec{
		"replaced": replicas(1, cpu(1), runFor("50ms"), exit(137), restarts(trainingv1.RestartPolicyExitCode)),
		"in place": replicas(1, cpu(1), runFor("50ms"), exit(1), restarts(trainingv1.RestartPolicyOnFailure)),
	} {
		t.Run(name, func(t *testing.T) {
			e := setUp(t, node("node", cpu(2)))
			born := e.countBirths()
			limit := int32(1)
			job := tfJob("job", specs{"Chief": failing, "PS": replicas(1, cpu(1))}, func(p *trainingv1.RunPolicy) { p.BackoffLimit = &limit })
			e.create(job)
			e.expectReasonGiven(job, trainingv1.JobFailed, "TFJobFailed", "reached the specified backoff limit")
			e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
			if name == "replaced" {
				e.expectPods("job-chief-0") // the last one, for its log; the parameter server is stopped
				e.expectRestarts(job, 2)
				e.expectBirthsOf(born, "job-chief-0", 2)
			} else {
				e.expectPods()
				e.expectBirthsOf(born, "job-chief-0", 1)
			}
		})
	}
}

// A job that runs for too long fails, and so does one that waits for too long. Neither leaves a pod that runs.
func TestActiveDeadline(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	limit := int64(1)
	limited := func(p *trainingv1.RunPolicy) { p.ActiveDeadlineSeconds = &limit }
	runs := pyTorchJob("runs", specs{"Worker": replicas(2, cpu(1))}, limited)
	waits := pyTorchJob("waits", specs{"Worker": replicas(2, cpu(2))}, limited)
	e.create(runs, waits)
	for _, job := range []trainingv1.Job{runs, waits} {
		e.expectReasonGiven(job, trainingv1.JobFailed, "PyTorchJobFailed", "active longer than specified deadline")
		e.expectNone(&podgroupv1alpha1.PodGroup{}, job.GetName())
	}
	e.expectPods()
	e.expectServices()
}

// A finished job goes when its time to live is over, and all that is left of it with it.
func TestTimeToLive(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	second := int32(1)
	brief := func(p *trainingv1.RunPolicy) { p.TTLSecondsAfterFinished = &second }
	done := tfJob("done", specs{"Worker": replicas(1, cpu(1), runFor("100ms"))}, brief)
	failed := tfJob("failed", specs{"Worker": replicas(1, cpu(1), runFor("100ms"), exit(1), restarts(trainingv1.RestartPolicyExitCode))}, brief)
	e.create(done, failed)
	e.expectNone(&trainingv1.TFJob{}, "done")
	e.expectNone(&trainingv1.TFJob{}, "failed")
	e.expectPods()
	e.expectServices()
	e.expectEvent("TFJob", "done", "TFJobSucceeded", "")
	e.expectEvent("TFJob", "failed", "TFJobFailed", "")
}
