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

// backoffLimit counts containers that were restarted in place as well as pods that were replaced.
func TestBackoffLimit(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	born := e.countBirths()
	limit := int32(1)
	job := tfJob("job", specs{
		"Chief": replicas(1, cpu(1), runFor("50ms"), exit(1), restarts(trainingv1.RestartPolicyOnFailure)),
		"PS":    replicas(1, cpu(1)),
	}, func(p *trainingv1.RunPolicy) { p.BackoffLimit = &limit })
	e.create(job)
	e.expectReasonGiven(job, trainingv1.JobFailed, "TFJobFailed", "reached the specified backoff limit (job-chief-0: exit code 1)")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.expectPods() // whatever runs is stopped
	e.expectBirthsOf(born, "job-chief-0", 1)
}
