package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// A launcher that fails is replaced, so that the next one waits for the workers again; these stay. That counts.
func TestMPIJobRestarts(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	born := e.countBirths()
	job := mpiJob(replicas(1, cpu(1), runFor("300ms"), exit(1), onTry(1)), 2)
	e.mayBreak("job") // until the launcher is replaced
	e.create(job)
	e.expectReasonGiven(job, trainingv1.JobSucceeded, "MPIJobSucceeded", "successfully completed")
	e.expectRestarts(job, 1)
	e.expectBirthsOf(born, "job-launcher", 2)
	e.expectBirthsOf(born, "job-worker-0", 1)
	e.expectPods("job-launcher")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.delete(job)
	e.expectPods()
	e.expectServices()
}

// A launcher that fails again and again ends the job, as does one that is never to be restarted; no worker runs on.
func TestMPIJobFails(t *testing.T) {
	e := setUp(t, node("node", cpu(6)))
	limit := int32(1)
	again := mpiJob(replicas(1, cpu(1), runFor("50ms"), exit(1)), 2, func(p *trainingv1.RunPolicy) { p.BackoffLimit = &limit })
	once := mpiJob(replicas(1, cpu(1), runFor("50ms"), exit(2), restarts(trainingv1.RestartPolicyNever)), 2)
	once.Name = "once"
	e.mayBreak("job")
	e.create(again, once)
	e.expectReasonGiven(again, trainingv1.JobFailed, "MPIJobFailed", "reached the specified backoff limit")
	e.expectReasonGiven(once, trainingv1.JobFailed, "MPIJobFailed", "1 Launcher replica(s) failed (once-launcher: exit code 2")
	e.expectPods("job-launcher", "once-launcher") // for their logs
	e.expectRestarts(again, 2)
	e.expectRestarts(once, 0)
}

// A launcher that fails because a worker was taken from it is no failure of the program, even if it is never to be restarted.
func TestMPIJobLosesWorker(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	born := e.countBirths()
	job := execJob(replicas(1, cpu(1)), 2)
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.mayBreak("job")
	e.nextSecond()
	e.delete(e.expectRunning("job-worker-1"))
	e.expectBirthsOf(born, "job-worker-1", 2)
	e.expectRunning("job-worker-1")
	e.end("job-launcher", 1)
	e.expectBirthsOf(born, "job-launcher", 2)
	e.expectConditions(job, "Created Running")
	e.expectRestarts(job, 0)
	e.end("job-launcher", 0)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectBirthsOf(born, "job-worker-0", 1)
}

// Suspended, a job has no pods but keeps its keys; the number of its workers may be changed then, and later.
func TestMPIJobSuspendedAndScaled(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	ssh, exec := mpiJob(replicas(1, cpu(1)), 1), execJob(replicas(1, cpu(1)), 1)
	exec.Name = "exec"
	e.create(ssh, exec)
	keys := func() string { return string(object(e, &corev1.Secret{}, "job-ssh").Data["ssh-privatekey"]) }
	jobs := []trainingv1.Job{ssh, exec}
	for _, job := range jobs {
		e.expectConditions(job, "Created Running")
	}
	first := keys()
	for _, job := range jobs {
		change(e, job, func(j trainingv1.Job) { suspend(true)(j.Policy()) })
		e.expectConditions(job, "Created -Running Suspended")
		e.expectNone(&podgroupv1alpha1.PodGroup{}, job.GetName())
	}
	e.expectPods()
	e.expectServices("job")
	for _, job := range jobs {
		change(e, job, func(j trainingv1.Job) {
			suspend(false)(j.Policy())
			*j.Replicas()["Worker"].Replicas = 2
		})
	}
	e.createNodes(node("more", cpu(2)))
	for _, job := range jobs {
		e.expectConditions(job, "-Suspended Created Running")
		e.expectMinimum(job.GetName(), 3)
	}
	if keys() != first {
		t.Error("the keys are other ones than before")
	}
	host := func(pod string) string { return pod + ".job." + e.namespace + ".svc" }
	e.expectHosts("job", host("job-worker-0"), host("job-worker-1"))
	e.expectHosts("exec", "exec-worker-0:1", "exec-worker-1:1")
	for _, job := range jobs {
		change(e, job, func(j trainingv1.Job) { *j.Replicas()["Worker"].Replicas = 1 })
	}
	e.expectPods("exec-launcher", "exec-worker-0", "job-launcher", "job-worker-0")
	e.expectHosts("job", host("job-worker-0"))
	e.expectHosts("exec", "exec-worker-0:1")
	e.eventually("the launcher may enter the one worker only", func(context.Context) (bool, string) {
		rules := object(e, &rbacv1.Role{}, "exec-launcher").Rules
		return strings.Join(rules[1].ResourceNames, " ") == "exec-worker-0", fmt.Sprint(rules)
	})
	for _, job := range jobs {
		e.expectRestarts(job, 0)
	}
}

// Launcher and workers are placed together or not at all; those with which the job may start have the launcher among them. A
// deadline ends it.
func TestMPIJobIsOneGang(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	job := mpiJob(replicas(1, cpu(1)), 3)
	e.create(job)
	e.expectRefused("job")
	e.expectMinimum("job", 4)
	change(e, trainingv1.Job(job), func(j trainingv1.Job) {
		j.Policy().SchedulingPolicy = &trainingv1.SchedulingPolicy{MinAvailable: new(int32(3))}
	})
	e.expectBound("job", 3)
	e.expectRunning("job-launcher")
	e.eventually("two hosts are told", func(context.Context) (bool, string) {
		text := object(e, &corev1.ConfigMap{}, "job-config").Data["discover_hosts.sh"]
		return strings.Count(text, "echo ") == 2, text
	})
	e.expectConditions(job, "Created Running")
	limit := int64(1)
	change(e, trainingv1.Job(job), func(j trainingv1.Job) { j.Policy().ActiveDeadlineSeconds = &limit })
	e.expectReasonGiven(job, trainingv1.JobFailed, "MPIJobFailed", "active longer than specified deadline")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.expectPods()
}
