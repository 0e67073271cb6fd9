package integration

import (
	"testing"

	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func suspend(is bool) func(*trainingv1.RunPolicy) {
	return func(p *trainingv1.RunPolicy) { p.Suspend = &is }
}

// A job that is suspended from the start has no pods; nor has one that is suspended later. Both start anew when resumed.
func TestSuspendAndResume(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := pyTorchJob("job", specs{"Master": replicas(1, cpu(1)), "Worker": replicas(1, cpu(1))}, suspend(true))
	set := func(is bool) {
		change(e, job, func(j *trainingv1.PyTorchJob) { suspend(is)(&j.Spec.RunPolicy) })
	}
	e.create(job)
	e.expectConditions(job, "Created Suspended")
	e.expectPods()
	e.expectServices()
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	if now(e, job).Status.StartTime != nil {
		t.Error("a job that never ran has a start time")
	}

	set(false)
	e.expectConditions(job, "-Suspended Created Running")
	first := now(e, job).Status.StartTime
	e.expectEvent("PyTorchJob", "job", "PyTorchJobResumed", "is resumed")
	before := e.seen("job-worker-0").UID

	set(true)
	e.expectConditions(job, "Created -Running Suspended")
	e.expectPods()
	e.expectServices()
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.expectReplicas(job, "Worker", 0, 0, 0)
	e.nextSecond()

	set(false)
	e.expectConditions(job, "-Suspended Created Running")
	if second := now(e, job).Status.StartTime; !first.Before(second) {
		t.Errorf("start time %v after %v", second, first)
	}
	if e.expectRunning("job-worker-0").UID == before {
		t.Error("the pod has outlived the suspension")
	}
	e.end("job-master-0", 0)
	e.expectConditions(job, "-Suspended Created -Running Succeeded")
	e.expectRestarts(job, 0)
	e.delete(job)
	e.expectPods()
}
