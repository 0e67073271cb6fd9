package integration

import (
	"context"
	"fmt"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

const userPyTorchJob = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata:
  name: llm
spec:
  nprocPerNode: "2"
  pytorchReplicaSpecs:
    Master:
      replicas: 1
      restartPolicy: OnFailure
      template:
        spec:
          containers:
          - name: pytorch
            image: train
            ports: [{name: pytorchjob-port, containerPort: 29500}]
            env: [{name: RANK, value: set by the user}]
            resources: {limits: {cpu: 1}}
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - {name: pytorch, image: train, resources: {limits: {cpu: 1}}}
`

func TestPyTorchJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(e.manifest(userPyTorchJob))
	job := now(e, &trainingv1.PyTorchJob{ObjectMeta: metav1.ObjectMeta{Name: "llm"}})
	e.expectConditions(job, "Created Running")
	for rank, name := range []string{"llm-master-0", "llm-worker-0", "llm-worker-1"} {
		p := e.expectRunning(name)
		for key, want := range map[string]string{
			"MASTER_ADDR": "llm-master-0", "MASTER_PORT": "29500", "WORLD_SIZE": "6", "RANK": fmt.Sprint(rank),
			"PET_NNODES": "3", "PET_NPROC_PER_NODE": "2", "PET_NODE_RANK": fmt.Sprint(rank), "PYTHONUNBUFFERED": "1",
		} {
			if got := variable(p, key); got != want {
				t.Errorf("%s of %s: %q, want %q", key, name, got, want)
			}
		}
		if p.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
			t.Errorf("restart policy of %s: %s", name, p.Spec.RestartPolicy)
		}
	}
	e.end("llm-worker-1", 0)
	e.expectReplicas(job, "Worker", 1, 1, 0)
	e.expectConditions(job, "Created Running")
	e.end("llm-master-0", 0)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectReplicas(job, "Master", 0, 1, 0)
	e.expectReplicas(job, "Worker", 0, 2, 0)
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "llm")
	e.delete(job)
	e.expectPods()
}

// Without a master, the job is done when all workers are.
func TestPyTorchJobWithoutMaster(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := pyTorchJob("job", specs{"Worker": replicas(2, cpu(1), runFor("300ms"))})
	e.create(job)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectReplicas(job, "Worker", 0, 2, 0)
}

// kubectl scale: the gang's minimum follows the number of workers, and those with the highest index go first.
func TestPyTorchJobScaled(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	born := e.countBirths()
	job := pyTorchJob("job", specs{"Master": replicas(1, cpu(1)), "Worker": replicas(1, cpu(1))})
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.mayBreak("job") // while it waits for the new workers
	e.scale(job, 3)
	e.expectBound("job", 4)
	e.expectMinimum("job", 4)
	e.expectServices("job-master-0", "job-worker-0", "job-worker-1", "job-worker-2")
	e.expectReplicas(job, "Worker", 3, 0, 0)
	e.scale(job, 1)
	e.expectPods("job-master-0", "job-worker-0")
	e.expectServices("job-master-0", "job-worker-0")
	e.expectMinimum("job", 2)
	e.expectConditions(job, "Created Running")
	e.expectBirths(born, 4, 1)
}

// An elastic job starts with its least number of workers and takes more as they fit.
func TestPyTorchJobElastic(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	job := pyTorchJob("job", specs{"Master": replicas(1, cpu(1)), "Worker": replicas(4, cpu(1))})
	least, most, load := int32(2), int32(5), int32(80)
	job.Spec.ElasticPolicy = &trainingv1.ElasticPolicy{
		MinReplicas: &least, MaxReplicas: &most,
		Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &load},
		}}},
	}
	e.create(job)
	e.expectBound("job", 3)
	e.expectConditions(job, "Created Running")
	e.expectMinimum("job", 3)
	if roles := e.getPodGroup("job").Annotations[schedulingv1alpha1.MinMembersAnnotation]; roles != `{"master":1,"worker":2}` {
		t.Errorf("minimum of each role: %s", roles)
	}
	if nodes := variable(e.seen("job-worker-0"), "PET_NNODES"); nodes != "2:5" {
		t.Errorf("PET_NNODES: %s", nodes)
	}
	hpa := now(e, &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "job"}})
	if *hpa.Spec.MinReplicas != 2 || hpa.Spec.MaxReplicas != 5 || hpa.Spec.ScaleTargetRef.Kind != "PyTorchJob" || len(hpa.Spec.Metrics) != 1 {
		t.Errorf("autoscaler: %+v", hpa.Spec)
	}
	e.eventuallyUnschedulablePods(2)
	e.createNodes(node("more", cpu(1)))
	e.expectBound("job", 4)
	e.scale(job, 2)
	e.expectPods("job-master-0", "job-worker-0", "job-worker-1")
	e.end("job-master-0", 0)
	e.expectConditions(job, "Created -Running Succeeded")
	e.expectNone(&autoscalingv2.HorizontalPodAutoscaler{}, "job")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.delete(job)
	e.expectPods()
}

// scale sets the number of workers as kubectl scale does.
func (e *env) scale(job trainingv1.Job, workers int32) {
	e.Helper()
	scale := &autoscalingv1.Scale{}
	e.do(e.client.SubResource("scale").Get(e.Context(), job, scale))
	if scale.Status.Selector == "" {
		e.Errorf("the scale of %s has no selector: %+v", job.GetName(), scale)
	}
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, workers)
	e.do(e.client.SubResource("scale").Patch(e.Context(), job.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(patch))))
}

// expectMinimum waits until the PodGroup asks for so many members.
func (e *env) expectMinimum(name string, n int32) {
	e.Helper()
	e.eventually(fmt.Sprintf("PodGroup %s asks for %d members", name, n), func(context.Context) (bool, string) {
		spec := e.getPodGroup(name).Spec
		return spec.MinMember == n, fmt.Sprintf("%+v", spec)
	})
}
