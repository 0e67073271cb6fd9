package integration

import (
	"context"
	"fmt"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// indexedJob is a Job of n pods at a time, each with an index and a name of its own. They run until they are deleted.
func indexedJob(name string, n int32, request corev1.ResourceList, edits ...func(*batchv1.Job)) *batchv1.Job {
	job := &batchv1.Job{Spec: batchv1.JobSpec{
		Parallelism: &n, Completions: &n, CompletionMode: new(batchv1.IndexedCompletion),
		Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, Subdomain: name,
			Containers: []corev1.Container{{Name: "main", Image: "none", Resources: corev1.ResourceRequirements{Limits: request}}},
		}},
	}}
	job.Name = name
	job.Spec.Template.Annotations = map[string]string{}
	for _, edit := range edits {
		edit(job)
	}
	return job
}

// expectGroup waits until pods of the namespace have been made a gang with that minimum, and returns its PodGroup.
func (e *env) expectGroup(workload string, minMember int32) *podgroupv1alpha1.PodGroup {
	e.Helper()
	var found *podgroupv1alpha1.PodGroup
	e.eventually(fmt.Sprintf("%s is a gang of %d", workload, minMember), func(ctx context.Context) (bool, string) {
		groups := &podgroupv1alpha1.PodGroupList{}
		if err := e.client.List(ctx, groups, client.InNamespace(e.namespace), client.HasLabels{schedulingv1alpha1.GangOfLabel}); err != nil {
			return false, err.Error()
		}
		seen := ""
		for i, group := range groups.Items {
			owner := group.OwnerReferences[0]
			seen += fmt.Sprintf("%s/%s %d; ", owner.Kind, owner.Name, group.Spec.MinMember)
			if owner.Kind+"/"+owner.Name == workload && group.Spec.MinMember == minMember {
				found = &groups.Items[i]
			}
		}
		return found != nil, seen
	})
	return found
}

func envOf(container corev1.Container) map[string]string {
	all := map[string]string{}
	for _, e := range container.Env {
		all[e.Name] = e.Value
	}
	return all
}

// An Indexed Job with GPUs needs nothing to become a gang: it waits as a whole, runs as a whole, and follows its size.
func TestIndexedJobBecomesAGang(t *testing.T) {
	e := setUp(t, nodes(3, gpu(1))...)
	job := indexedJob("llm", 4, gpu(1))
	e.create(job)
	group := e.expectGroup("Job/llm", 4)
	e.expectNoRoomFor(group.Name)
	e.createNodes(node("late", gpu(1)))
	e.expectBound(group.Name, 4)

	for _, p := range e.boundPods(group.Name) {
		index := p.Labels["batch.kubernetes.io/job-completion-index"]
		variables := envOf(p.Spec.Containers[0])
		for name, want := range map[string]string{
			"PET_NNODES": "4", "PET_NODE_RANK": index, "PET_MASTER_ADDR": "llm-0.llm", "PET_MASTER_PORT": "29500", "NCCL_DEBUG": "WARN",
		} {
			if variables[name] != want {
				e.Errorf("pod %s: %s is %q, expected %q", p.Name, name, variables[name], want)
			}
		}
		if p.Spec.SchedulerName != schedulingv1alpha1.SchedulerName || p.Spec.PriorityClassName != "muster-training" || len(p.Spec.Containers[0].VolumeMounts) == 0 {
			e.Errorf("pod %s has scheduler %s, class %s and mounts %v", p.Name, p.Spec.SchedulerName, p.Spec.PriorityClassName, p.Spec.Containers[0].VolumeMounts)
		}
	}

	// Smaller, it is a smaller gang; larger again, it stays so while it runs.
	resize := func(n int32) {
		change(e, job, func(j *batchv1.Job) { j.Spec.Parallelism, j.Spec.Completions = &n, &n })
	}
	resize(2)
	e.expectBound(group.Name, 2)
	e.expectGroup("Job/llm", 2)
	resize(3)
	e.expectBound(group.Name, 3)
	e.expectGroup("Job/llm", 2)
	e.deleteWithPods(job)
}

// Pods that have succeeded are no loss: what is left of the Job goes on, and its PodGroup goes when it is complete.
func TestGangOfAJobThatEnds(t *testing.T) {
	e := setUp(t, nodes(2, gpu(2))...)
	job := indexedJob("brief", 3, gpu(1), func(j *batchv1.Job) {
		j.Spec.Template.Annotations[localcluster.RunForAnnotation] = "300ms"
		j.Labels = map[string]string{schedulingv1alpha1.QueueLabel: "default"}
		j.Annotations = map[string]string{schedulingv1alpha1.ExpectedRuntimeAnnotation: "5m"}
	})
	e.create(job)
	group := e.expectGroup("Job/brief", 3)
	if group.Labels[schedulingv1alpha1.QueueLabel] != "default" || group.Annotations[schedulingv1alpha1.ExpectedRuntimeAnnotation] != "5m" {
		e.Errorf("the PodGroup has labels %v and annotations %v", group.Labels, group.Annotations)
	}
	e.eventually("the Job is complete", func(context.Context) (bool, string) {
		status := now(e, job).Status
		return status.Succeeded == 3 && status.CompletionTime != nil, fmt.Sprintf("%+v", status)
	})
	e.expectNone(&podgroupv1alpha1.PodGroup{}, group.Name)
}

// What is no gang: a Job whose pods run in turns, one whose pods have no index, one that says so, and one of another scheduler.
func TestJobsThatAreNoGangs(t *testing.T) {
	e := setUp(t, nodes(1, gpu(4))...)
	turns := indexedJob("turns", 4, gpu(1), func(j *batchv1.Job) { *j.Spec.Parallelism, j.Spec.Completions = 1, new(int32(4)) })
	plain := indexedJob("plain", 2, gpu(1), func(j *batchv1.Job) {
		j.Spec.CompletionMode = new(batchv1.NonIndexedCompletion)
		j.Spec.Template.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
	})
	apart := indexedJob("apart", 2, gpu(1), func(j *batchv1.Job) {
		j.Annotations = map[string]string{schedulingv1alpha1.GangAnnotation: "false"}
	})
	e.create(turns, plain, apart)
	e.expectBound("", 4) // of five, one by one
	e.deleteWithPods(turns, plain, apart)
}
