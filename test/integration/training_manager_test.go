package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// The manager is killed as soon as the first pods of a job are there. The next one creates what is missing.
func TestManagerKilledWhileCreating(t *testing.T) {
	e := setUp(t, nodes(8, gpu(8))...)
	born := e.countBirths()
	job := pyTorchJob("job", specs{"Worker": replicas(64, gpu(1))})
	e.create(job)
	e.eventually("there are pods", func(context.Context) (bool, string) { return len(e.podNames()) > 0, "" })
	e.killManager()
	e.expectBound("job", 64)
	e.expectReplicas(job, "Worker", 64, 0, 0)
	e.expectConditions(job, "Created Running")
	e.expectBirths(born, 64, 1)
}

// The API server refuses some of a job's pods, and the manager is killed meanwhile. The job says what is wrong, and holds
// nothing; when the cause is gone, another manager creates what is missing.
func TestManagerKilledHalfWay(t *testing.T) {
	e := setUp(t, node("node", cpu(5)))
	born := e.countBirths()
	quota := e.limitPods(2)
	job := pyTorchJob("job", specs{"Worker": replicas(5, cpu(1))})
	e.create(job)
	e.expectReasonGiven(job, trainingv1.JobCreated, "PyTorchJobCreateFailed", "exceeded quota")
	e.expectEvent("PyTorchJob", "job", "PyTorchJobCreateFailed", "exceeded quota")
	e.expectNoneBound("job")
	e.withoutManager(func() { e.delete(quota) })
	e.expectBound("job", 5)
	e.expectReasonGiven(job, trainingv1.JobCreated, "PyTorchJobCreated", "is created")
	e.expectBirths(born, 5, 1)
}

// limitPods allows so many pods in the namespace, from when it returns.
func (e *env) limitPods(n int) *corev1.ResourceQuota {
	e.Helper()
	limit := corev1.ResourceList{corev1.ResourcePods: quantity(fmt.Sprint(n))}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota"}, Spec: corev1.ResourceQuotaSpec{Hard: limit}}
	e.create(quota)
	e.eventually("the quota is in force", func(context.Context) (bool, string) {
		status := now(e, quota).Status
		return status.Hard.Pods().Value() == int64(n) && status.Used != nil, fmt.Sprintf("%+v", status)
	})
	return quota
}

// Pods fail while no manager runs, and others while one is being killed again and again. Each counts once.
func TestManagerKilledWhileRestarting(t *testing.T) {
	e := setUp(t, nodes(2, cpu(8))...)
	born := e.countBirths()
	job := pyTorchJob("job", specs{
		"Master": replicas(1, cpu(1)),
		"Worker": replicas(8, cpu(1), exit(137), restarts(trainingv1.RestartPolicyExitCode)),
	})
	e.create(job)
	e.expectBound("job", 9)
	e.mayBreak("job")
	e.withoutManager(func() {
		for i := range 4 {
			e.end(fmt.Sprintf("job-worker-%d", i), 137)
		}
	})
	e.expectRestarts(job, 4)
	for i := 4; i < 8; i++ {
		e.end(fmt.Sprintf("job-worker-%d", i), 137)
		e.killManager()
	}
	e.expectBirthsInAll(born, 17)
	e.expectRestarts(job, 8)
	e.expectReplicas(job, "Worker", 8, 0, 0)
	e.expectConditions(job, "Created Running")
	for i := range 8 {
		e.expectBirthsOf(born, fmt.Sprintf("job-worker-%d", i), 2)
	}
	e.end("job-master-0", 0)
	e.expectConditions(job, "Created -Running Succeeded")
	e.delete(job)
	e.expectPods()
}

// The failure of a pod has been counted, and the pod is on its way out, when the manager is killed.
func TestManagerKilledInTheMiddleOfARestart(t *testing.T) {
	e := setUp(t, node("node", cpu(1)))
	born := e.countBirths()
	job := tfJob("job", specs{"Worker": replicas(1, cpu(1), restarts(trainingv1.RestartPolicyExitCode))})
	e.create(job)
	e.keep("job-worker-0", true)
	e.end("job-worker-0", 137)
	e.expectPods()
	e.expectRestarts(job, 1)
	e.expectReasonGiven(job, trainingv1.JobRestarting, "TFJobRestarting", "job-worker-0: exit code 137")
	e.withoutManager(func() { e.keep("job-worker-0", false) })
	e.expectRunning("job-worker-0")
	e.expectConditions(job, "Created Running")
	e.expectRestarts(job, 1)
	e.expectBirths(born, 1, 2)
}

// keep sets a finalizer on a pod, or takes it away.
func (e *env) keep(name string, is bool) {
	e.Helper()
	e.expectExists(name)
	change(e, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}, func(p *corev1.Pod) {
		p.Finalizers = nil
		if is {
			p.Finalizers = []string{"test.muster.dev/keep"}
		}
	})
}

func (e *env) expectExists(name string) {
	e.Helper()
	e.eventually(fmt.Sprintf("there is a pod %s", name), func(context.Context) (bool, string) { return e.seen(name) != nil, "" })
}
