package integration

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// expectVariables checks the environment of a pod's first container: only the variables given are looked at.
func (e *env) expectVariables(pod string, want map[string]string) {
	e.Helper()
	p := e.expectRunning(pod)
	for name, value := range want {
		if got := variable(p, name); got != value {
			e.Errorf("%s of %s: %q, want %q", name, pod, got, value)
		}
	}
}

// expectPort checks that the headless service of that name has this port and no other.
func (e *env) expectPort(service, name string, number int32) {
	e.Helper()
	s := now(e, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: service}})
	if s.Spec.ClusterIP != corev1.ClusterIPNone || len(s.Spec.Ports) != 1 || s.Spec.Ports[0].Name != name || s.Spec.Ports[0].Port != number {
		e.Errorf("service %s: %+v, want the port %s %d", service, s.Spec, name, number)
	}
}

// expectMasters checks that these pods have the role master, and no others.
func (e *env) expectMasters(names ...string) {
	e.Helper()
	var masters []string
	for _, p := range shared.watcher.in(e.namespace) {
		if p.Labels[trainingv1.JobRoleLabel] == trainingv1.JobRoleMaster {
			masters = append(masters, p.Name)
		}
	}
	if !slices.Equal(masters, names) {
		e.Errorf("the masters are %v, want %v", masters, names)
	}
}

// expectSuspension suspends a job that runs and resumes it: first none of its pods is left, then all are new.
func (e *env) expectSuspension(job trainingv1.Job, pods ...string) {
	e.Helper()
	set := func(is bool) { change(e, job, func(j trainingv1.Job) { suspend(is)(j.Policy()) }) }
	before := map[string]*corev1.Pod{}
	for _, name := range pods {
		before[name] = e.expectRunning(name)
	}
	e.expectConditions(job, "Created Running")
	set(true)
	e.expectConditions(job, "Created -Running Suspended")
	e.expectPods()
	e.expectServices()
	e.expectNone(&podgroupv1alpha1.PodGroup{}, job.GetName())
	set(false)
	e.expectConditions(job, "-Suspended Created Running")
	for _, name := range pods {
		if e.expectRunning(name).UID == before[name].UID {
			e.Errorf("%s has outlived the suspension", name)
		}
	}
	e.expectServices(pods...)
	e.expectRestarts(job, 0)
}

// expectFinished waits until the job has succeeded, and checks that nothing holds room for it any more.
func (e *env) expectFinished(kind string, job trainingv1.Job) {
	e.Helper()
	e.expectReasonGiven(job, trainingv1.JobSucceeded, kind+"Succeeded", "successfully completed")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, job.GetName())
	if now(e, job).State().CompletionTime == nil {
		e.Error("no completion time")
	}
	e.delete(job)
	e.expectPods()
	e.expectServices()
}

// expectFailure creates a job of which a pod ends with 1 and is not restarted, and waits until it has failed.
func expectFailure(t *testing.T, kind string, build func(failing *trainingv1.ReplicaSpec) trainingv1.Job) {
	t.Helper()
	e := setUp(t, node("node", cpu(2)))
	job := build(replicas(1, cpu(1), runFor("200ms"), exit(1), restarts(trainingv1.RestartPolicyNever)))
	e.create(job)
	e.expectReasonGiven(job, trainingv1.JobFailed, kind+"Failed", "replica(s) failed")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, job.GetName())
	e.expectRestarts(job, 0)
	e.delete(job)
	e.expectPods()
}

// expectRestart creates a job of which a pod is killed once and then ends well, waits until it has been replaced, and
// returns the job.
func expectRestart(e *env, build func(failing *trainingv1.ReplicaSpec) trainingv1.Job) trainingv1.Job {
	e.Helper()
	job := build(replicas(1, cpu(1), runFor("300ms"), exit(137), onTry(1), restarts(trainingv1.RestartPolicyExitCode)))
	e.mayBreak(job.GetName()) // until the pod is replaced
	e.create(job)
	e.expectRestarts(job, 1)
	return job
}
