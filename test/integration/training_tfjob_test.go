package integration

import (
	"context"
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// classicTFJob is the manifest that every Kubeflow user has had: one parameter server and four workers.
const classicTFJob = `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata:
  name: dist-mnist
  annotations: {team: vision}
spec:
  runPolicy:
    schedulingPolicy: {queue: research}
  tfReplicaSpecs:
    PS:
      replicas: 1
      restartPolicy: Never
      template:
        metadata: {labels: {app: mnist}}
        spec:
          containers:
          - {name: tensorflow, image: dist-mnist, resources: {limits: {cpu: 1}}}
    Worker:
      replicas: 4
      restartPolicy: Never
      template:
        spec:
          containers:
          - {name: tensorflow, image: dist-mnist, resources: {limits: {cpu: 1, nvidia.com/gpu: 2}}}
`

func TestTFJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", corev1.ResourceList{corev1.ResourceCPU: quantity("5"), gpuResource: quantity("8")}))
	e.create(&schedulingv1alpha1.Queue{ObjectMeta: metav1.ObjectMeta{Name: "research"}}, e.manifest(classicTFJob))
	job := now(e, &trainingv1.TFJob{ObjectMeta: metav1.ObjectMeta{Name: "dist-mnist"}})
	names := []string{"dist-mnist-ps-0", "dist-mnist-worker-0", "dist-mnist-worker-1", "dist-mnist-worker-2", "dist-mnist-worker-3"}

	e.expectBound("dist-mnist", 5)
	e.expectPods(names...)
	e.expectServices(names...)
	e.checkTFPods(names)
	e.checkServices(names)
	e.checkClassicPodGroup(now(e, job))
	e.expectConditions(job, "Created Running")
	e.expectReplicas(job, "Worker", 4, 0, 0)
	e.expectReplicas(job, "PS", 1, 0, 0)
	e.expectEvent("TFJob", "dist-mnist", "TFJobCreated", "TFJob dist-mnist is created.")
	e.expectEvent("TFJob", "dist-mnist", "SuccessfulCreatePod", "Created 5 pod(s)")

	e.end("dist-mnist-worker-1", 0)
	e.expectReplicas(job, "Worker", 3, 1, 0)
	e.end("dist-mnist-worker-0", 0)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectReplicas(job, "Worker", 0, 4, 0)
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "dist-mnist")
	done := now(e, job)
	if s := done.Status; s.StartTime == nil || s.CompletionTime == nil || s.CompletionTime.Before(s.StartTime) {
		t.Errorf("start %v, completion %v", s.StartTime, s.CompletionTime)
	}
	e.expectEvent("TFJob", "dist-mnist", "TFJobSucceeded", "successfully completed")
	if done.Spec.RunPolicy.CleanPodPolicy != nil || done.Generation != 1 {
		t.Errorf("defaults were written into the spec: %+v, generation %d", done.Spec.RunPolicy, done.Generation)
	}

	e.expectPods(names...) // cleanPodPolicy None
	e.delete(job)
	e.expectPods()
	e.expectServices()
}

// checkTFPods checks labels, environment and owner of the pods of the classic job.
func (e *env) checkTFPods(names []string) {
	e.Helper()
	cluster := fmt.Sprintf(`{"ps":["dist-mnist-ps-0.%[1]s.svc:2222"],"worker":["dist-mnist-worker-0.%[1]s.svc:2222",`+
		`"dist-mnist-worker-1.%[1]s.svc:2222","dist-mnist-worker-2.%[1]s.svc:2222","dist-mnist-worker-3.%[1]s.svc:2222"]}`, e.namespace)
	for i, name := range names {
		rtype, index := "worker", fmt.Sprint(i-1)
		if i == 0 {
			rtype, index = "ps", "0"
		}
		labels := map[string]string{
			"training.kubeflow.org/operator-name": "tfjob-controller",
			"training.kubeflow.org/job-name":      "dist-mnist",
			"training.kubeflow.org/replica-type":  rtype,
			"training.kubeflow.org/replica-index": index,
			"scheduling.x-k8s.io/pod-group":       "dist-mnist",
		}
		switch name {
		case "dist-mnist-ps-0":
			labels["app"] = "mnist"
		case "dist-mnist-worker-0":
			labels["training.kubeflow.org/job-role"] = "master"
		}
		p := e.seen(name)
		if !maps.Equal(p.Labels, labels) {
			e.Errorf("labels of %s: %v, want %v", name, p.Labels, labels)
		}
		want := fmt.Sprintf(`{"cluster":%s,"task":{"type":"%s","index":%s},"environment":"cloud"}`, cluster, rtype, index)
		if got := variable(p, "TF_CONFIG"); got != want {
			e.Errorf("TF_CONFIG of %s: %s, want %s", name, got, want)
		}
		owner := metav1.GetControllerOf(p)
		if owner == nil || owner.Kind != "TFJob" || owner.Name != "dist-mnist" || !*owner.BlockOwnerDeletion {
			e.Errorf("owner of %s: %+v", name, owner)
		}
	}
}

// variable is an environment variable of a pod's first container; where it is given several times, the last one counts.
func variable(p *corev1.Pod, name string) string {
	value := "<unset>"
	for _, v := range p.Spec.Containers[0].Env {
		if v.Name == name {
			value = v.Value
		}
	}
	return value
}

// checkServices checks that each pod has a headless service of its name that selects it and nothing else.
func (e *env) checkServices(names []string) {
	e.Helper()
	for _, name := range names {
		s := now(e, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if s.Spec.ClusterIP != corev1.ClusterIPNone || len(s.Spec.Ports) != 1 || s.Spec.Ports[0].Name != "tfjob-port" || s.Spec.Ports[0].Port != 2222 {
			e.Errorf("service %s: %+v", name, s.Spec)
		}
		for _, p := range shared.watcher.in(e.namespace) {
			selected := true
			for key, value := range s.Spec.Selector {
				selected = selected && p.Labels[key] == value
			}
			if selected != (p.Name == name) {
				e.Errorf("service %s with selector %v selects pod %s: %v", name, s.Spec.Selector, p.Name, selected)
			}
		}
	}
}

func (e *env) checkClassicPodGroup(job *trainingv1.TFJob) {
	e.Helper()
	group := e.getPodGroup("dist-mnist")
	resources := group.Spec.MinResources
	if group.Spec.MinMember != 5 || resources.Cpu().String() != "5" || resources.Name(gpuResource, "").String() != "8" {
		e.Errorf("PodGroup: %+v", group.Spec)
	}
	if group.Labels["scheduling.muster.dev/queue"] != "research" || group.Annotations["team"] != "vision" || !metav1.IsControlledBy(group, job) {
		e.Errorf("PodGroup: %+v", group.ObjectMeta)
	}
}

// expectReplicas waits until the job's status counts its pods of a type like this.
func (e *env) expectReplicas(job trainingv1.Job, t trainingv1.ReplicaType, active, succeeded, failed int32) {
	e.Helper()
	e.eventually(fmt.Sprintf("%d %s are active, %d succeeded, %d failed", active, t, succeeded, failed), func(context.Context) (bool, string) {
		s := now(e, job).State().ReplicaStatuses[t]
		if s == nil {
			return false, "nothing is counted"
		}
		return s.Active == active && s.Succeeded == succeeded && s.Failed == failed, fmt.Sprintf("%+v", *s)
	})
}

// A chief decides how the job ends; with successPolicy AllWorkers and no chief, all workers do.
func TestTFJobSuccess(t *testing.T) {
	e := setUp(t, node("node", cpu(6)))
	all, clean := trainingv1.SuccessPolicyAllWorkers, trainingv1.CleanPodPolicyRunning
	tidy := func(p *trainingv1.RunPolicy) { p.CleanPodPolicy = &clean }
	led := tfJob("led", specs{"chief": replicas(1, cpu(1)), "worker": replicas(1, cpu(1)), "Evaluator": replicas(1, cpu(1))}, tidy)
	equal := tfJob("equal", specs{"Worker": replicas(2, cpu(1))}, tidy)
	equal.Spec.SuccessPolicy = &all
	alone := tfJob("alone", specs{"Worker": replicas(1, cpu(1))}, tidy)
	e.create(led, equal, alone)

	e.end("led-worker-0", 0)
	e.end("equal-worker-0", 0)
	e.end("alone-worker-0", 0)
	e.expectConditions(alone, "Created -Running Succeeded")
	e.expectReplicas(led, "Worker", 0, 1, 0)
	e.expectReplicas(equal, "Worker", 1, 1, 0)
	e.expectConditions(led, "Created Running")
	e.expectConditions(equal, "Created Running")
	e.end("led-chief-0", 0)
	e.end("equal-worker-1", 0)
	e.expectConditions(led, "Created -Running Succeeded")
	e.expectConditions(equal, "Created -Running Succeeded")
	if got := variable(e.seen("alone-worker-0"), "TF_CONFIG"); got != "<unset>" {
		t.Errorf("TF_CONFIG of a lone worker: %s", got)
	}
	// A gang whose evaluator has been cleaned up is not whole until its PodGroup is gone as well.
	for _, job := range []string{"led", "equal", "alone"} {
		e.expectNone(&podgroupv1alpha1.PodGroup{}, job)
	}
}
