package training

import (
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

const elasticJob = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: el, namespace: ns}
spec:
  elasticPolicy:
    minReplicas: 1
    maxReplicas: 4
    metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
  pytorchReplicaSpecs:
    Worker: {replicas: 3, template: {spec: {containers: [{name: pytorch, image: i}]}}}
`

func (w *world) group() *podgroupv1alpha1.PodGroup {
	w.t.Helper()
	group := &podgroupv1alpha1.PodGroup{}
	if err := w.client.Get(w.t.Context(), w.key, group); err != nil {
		w.t.Fatal(err)
	}
	return group
}

func TestScaling(t *testing.T) {
	w := newWorld(t, elasticJob)
	w.settle()
	w.expectPods("el-worker-0 el-worker-1 el-worker-2")
	w.editJob(func(job trainingv1.Job) { job.Replicas()["Worker"].Replicas = ptr.To[int32](2) })
	w.settle()
	w.expectPods("el-worker-0 el-worker-1")
	if got := w.names(&corev1.ServiceList{}); got != "el-worker-0 el-worker-1" {
		t.Errorf("services: %q", got)
	}
	w.editJob(func(job trainingv1.Job) { job.Replicas()["Worker"].Replicas = ptr.To[int32](4) })
	w.settle()
	w.expectPods("el-worker-0 el-worker-1 el-worker-2 el-worker-3")
	if got := w.group().Spec.MinMember; got != 1 {
		t.Errorf("minMember %d, want 1 still", got)
	}
}

func TestThePodGroupFollowsTheJob(t *testing.T) {
	w := newWorld(t, tfWorkers("", ""))
	w.settle()
	group := w.group()
	group.Annotations = map[string]string{"theirs": "kept"}
	if err := w.client.Update(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	w.editJob(func(job trainingv1.Job) {
		job.Replicas()["Worker"].Replicas = ptr.To[int32](5)
		job.SetAnnotations(map[string]string{"mine": "copied"})
	})
	w.settle()
	group = w.group()
	if group.Spec.MinMember != 5 || group.Annotations["mine"] != "copied" || group.Annotations["theirs"] != "kept" {
		t.Errorf("got %d, %v", group.Spec.MinMember, group.Annotations)
	}
}

func TestTheAutoscalerFollowsTheJob(t *testing.T) {
	w := newWorld(t, elasticJob)
	w.settle()
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	if err := w.client.Get(t.Context(), w.key, hpa); err != nil {
		t.Fatal(err)
	}
	if *hpa.Spec.MinReplicas != 1 || hpa.Spec.MaxReplicas != 4 || hpa.Spec.ScaleTargetRef.Kind != "PyTorchJob" {
		t.Errorf("got %+v", hpa.Spec)
	}
	elastic := func(job trainingv1.Job) *trainingv1.ElasticPolicy {
		return job.(*trainingv1.PyTorchJob).Spec.ElasticPolicy
	}
	w.editJob(func(job trainingv1.Job) { elastic(job).MaxReplicas = ptr.To[int32](8) })
	w.settle()
	if err := w.client.Get(t.Context(), w.key, hpa); err != nil || hpa.Spec.MaxReplicas != 8 {
		t.Errorf("got %d, %v", hpa.Spec.MaxReplicas, err)
	}
	w.editJob(func(job trainingv1.Job) { elastic(job).Metrics = nil })
	w.settle()
	if err := w.client.Get(t.Context(), w.key, hpa); !apierrors.IsNotFound(err) {
		t.Errorf("the autoscaler is still there: %v", err)
	}
}

func TestElasticJobsSucceedWithAnyWorker(t *testing.T) {
	w := newWorld(t, elasticJob)
	w.settle()
	w.setPod(corev1.PodRunning, "el-worker-0 el-worker-1")
	w.setPod(corev1.PodSucceeded, "el-worker-2")
	w.settle()
	w.expectStates("Created Succeeded")
}
