package integration

import (
	"context"
	"fmt"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

const userTrainJob = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata:
  name: llm
spec:
  runtimeRef: {name: torch-distributed}
  trainer:
    image: train
    command: [torchrun, train.py]
    numNodes: 2
    resourcesPerNode: {limits: {cpu: 1}}
    env: [{name: EPOCHS, value: "3"}]
`

// A TrainJob of a runtime that comes with Muster: its pods are known by JobSet's labels, placed together, and told about
// each other; its end is theirs.
func TestTrainJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.create(e.manifest(userTrainJob))
	job := now(e, &trainerv1alpha1.TrainJob{ObjectMeta: metav1.ObjectMeta{Name: "llm"}})
	seen := e.expectStates(job, "Created Running")
	if seen.Status.StartTime == nil || seen.Status.CompletionTime != nil {
		e.Errorf("start %v and end %v of a running job", seen.Status.StartTime, seen.Status.CompletionTime)
	}
	for i := range 2 {
		pod := e.podAt("llm-node-0", i)
		e.expectEnvironment(pod, "node", map[string]string{
			"PET_NNODES": "2", "PET_NPROC_PER_NODE": "1", "PET_NODE_RANK": fmt.Sprint(i),
			"PET_MASTER_ADDR": "llm-node-0-0.llm", "PET_MASTER_PORT": "29500", "EPOCHS": "3",
		})
		if want := fmt.Sprintf("llm-node-0-%d", i); pod.Spec.Hostname != want || pod.Spec.Subdomain != "llm" {
			e.Errorf("%s is the host %s.%s, want %s.llm", pod.Name, pod.Spec.Hostname, pod.Spec.Subdomain, want)
		}
		for key, want := range map[string]string{
			"jobset.sigs.k8s.io/jobset-name": "llm", "jobset.sigs.k8s.io/replicatedjob-name": "node",
			"jobset.sigs.k8s.io/job-index": "0", "jobset.sigs.k8s.io/restart-attempt": "0", "scheduling.x-k8s.io/pod-group": "llm",
		} {
			if pod.Labels[key] != want {
				e.Errorf("label %s of %s: %q, want %q", key, pod.Name, pod.Labels[key], want)
			}
		}
		if pod.Spec.SchedulerName != schedulingv1alpha1.SchedulerName {
			e.Errorf("%s is for the scheduler %s", pod.Name, pod.Spec.SchedulerName)
		}
	}
	e.expectMinimum("llm", 2)
	service := now(e, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "llm"}})
	if service.Spec.ClusterIP != corev1.ClusterIPNone || !service.Spec.PublishNotReadyAddresses || service.Spec.Selector["jobset.sigs.k8s.io/jobset-name"] != "llm" {
		e.Errorf("service: %+v", service.Spec)
	}
	e.end(e.podAt("llm-node-0", 0).Name, 0)
	e.eventually("one pod has succeeded", func(context.Context) (bool, string) {
		s := now(e, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "llm-node-0"}}).Status
		return s.Succeeded == 1, fmt.Sprintf("%+v", s)
	})
	e.end(e.podAt("llm-node-0", 1).Name, 0)
	seen = e.expectStates(job, "-Running Created Complete")
	want := trainerv1alpha1.JobStatus{Name: "node", Succeeded: 1}
	if seen.Status.CompletionTime == nil || len(seen.Status.JobsStatus) != 1 || seen.Status.JobsStatus[0] != want {
		e.Errorf("status of a job that has completed: %+v", seen.Status)
	}
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "llm")
	e.delete(job)
	e.expectNone(&batchv1.Job{}, "llm-node-0")
	e.expectServices()
}
