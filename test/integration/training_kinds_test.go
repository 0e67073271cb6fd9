package integration

import (
	"slices"

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
