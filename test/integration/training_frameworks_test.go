package integration

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/test/frameworks"
)

// frameworkJobs have all shapes in which the processes of a job find each other, by name; and how many pods each has.
var frameworkJobs = map[string]struct {
	spec string
	pods int
}{
	"tf-all":         {"TFJob: {tfReplicaSpecs: {Chief: &r {template: &t {spec: {containers: [{name: tensorflow, image: i}]}}}, PS: {replicas: 2, template: *t}, Worker: {replicas: 3, template: *t}, Evaluator: *r}}", 7},
	"tf-workers":     {"TFJob: {tfReplicaSpecs: {worker: {replicas: 3, template: {spec: {containers: [{name: tensorflow, image: i, ports: [{name: tfjob-port, containerPort: 5555}]}]}}}}}", 3},
	"tf-dynamic":     {"TFJob: {enableDynamicWorker: true, tfReplicaSpecs: {PS: {replicas: 2, template: &t {spec: {containers: [{name: tensorflow, image: i}]}}}, Worker: {replicas: 2, template: *t}}}", 4},
	"tf-single":      {"TFJob: {tfReplicaSpecs: {Worker: {template: {spec: {containers: [{name: tensorflow, image: i}]}}}}}", 1},
	"torch-master":   {"PyTorchJob: {nprocPerNode: '4', pytorchReplicaSpecs: {Master: {template: &t {spec: {containers: [{name: pytorch, image: i}]}}}, Worker: {replicas: 3, template: *t}}}", 4},
	"torch-workers":  {"PyTorchJob: {nprocPerNode: gpu, pytorchReplicaSpecs: {Worker: {replicas: 3, template: {spec: {containers: [{name: pytorch, image: i}]}}}}}", 3},
	"torch-elastic":  {"PyTorchJob: {elasticPolicy: {minReplicas: 1, maxReplicas: 4, maxRestarts: 3, rdzvConf: [{key: timeout, value: '30'}]}, pytorchReplicaSpecs: {Worker: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: i}]}}}}}", 2},
	"torch-alone":    {"PyTorchJob: {elasticPolicy: {standalone: true}, pytorchReplicaSpecs: {Worker: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: i}]}}}}}", 2},
	"jax":            {"JAXJob: {jaxReplicaSpecs: {Worker: {replicas: 4, template: {spec: {containers: [{name: jax, image: i}]}}}}}", 4},
	"xgboost":        {"XGBoostJob: {xgbReplicaSpecs: {Master: {template: {spec: {containers: [{name: xgboost, image: i}]}}}, Worker: {replicas: 3, template: {spec: {containers: [{name: side, image: i}, {name: xgboost, image: i, ports: [{name: xgboostjob-port, containerPort: 7000}]}]}}}}}", 4},
	"xgboost-single": {"XGBoostJob: {xgbReplicaSpecs: {Master: {template: {spec: {containers: [{name: xgboost, image: i}]}}}}}", 1},
	"paddle":         {"PaddleJob: {paddleReplicaSpecs: {Worker: {replicas: 3, template: {spec: {containers: [{name: paddle, image: i}]}}}}}", 3},
	"paddle-ps":      {"PaddleJob: {paddleReplicaSpecs: {Master: {replicas: 2, template: &t {spec: {containers: [{name: paddle, image: i}]}}}, Worker: {replicas: 2, template: *t}}}", 4},
	"mx":             {"MXJob: {mxReplicaSpecs: {Scheduler: {template: &t {spec: {containers: [{name: mxnet, image: i}]}}}, Server: {replicas: 2, template: *t}, Worker: {replicas: 2, template: *t}}}", 5},
	"mx-tune":        {"MXJob: {jobMode: MXTune, mxReplicaSpecs: {TunerTracker: {template: &t {spec: {containers: [{name: mxnet, image: i}]}}}, TunerServer: {replicas: 2, template: *t}, Tuner: {template: *t}}}", 4},
}

// TestFrameworksWouldMeet runs a job of each shape, all at once, and reads what its pods are told as its framework does.
// Then nobody writes to any of them again.
func TestFrameworksWouldMeet(t *testing.T) {
	e := setUp(t, node("node", cpu(1)))
	kinds, pods := map[string]string{}, map[string]int{}
	for name, job := range frameworkJobs {
		pods[name] = job.pods
		object := e.manifest(fmt.Sprintf("apiVersion: kubeflow.org/v1\nmetadata: {name: %s}\nbody: {%s}", name, job.spec))
		for kind, spec := range object.Object["body"].(map[string]any) {
			kinds[name], object.Object["kind"], object.Object["spec"] = kind, kind, spec
		}
		delete(object.Object, "body")
		e.create(object)
	}
	for name, job := range frameworkJobs {
		pods := e.expectAllRun(name, job.pods)
		services := &corev1.ServiceList{}
		e.do(e.client.List(t.Context(), services, client.InNamespace(e.namespace), client.MatchingLabels{trainingv1.JobNameLabel: name}))
		if err := frameworks.Check(kinds[name], pods, services.Items); err != nil {
			t.Errorf("%s %s: %v", kinds[name], name, err)
		}
	}
	e.expectLeftAlone(kinds, pods)
}

// TestTrainJobsWouldMeet does the same with TrainJobs of the runtimes that come with Muster.
func TestTrainJobsWouldMeet(t *testing.T) {
	e := setUp(t, node("node", cpu(9)))
	names := []string{"jax", "torch", "xgboost"}
	for _, framework := range names {
		e.create(e.nodesJob(framework))
	}
	for _, framework := range names {
		pods := []corev1.Pod{*e.podAt(framework+"-node-0", 0), *e.podAt(framework+"-node-0", 1)}
		services := &corev1.ServiceList{}
		e.do(e.client.List(t.Context(), services, client.InNamespace(e.namespace)))
		if err := frameworks.Check("TrainJob of "+framework, pods, services.Items); err != nil {
			t.Errorf("%s: %v", framework, err)
		}
	}
}

// expectAllRun waits until all pods of a job run, and returns them.
func (e *env) expectAllRun(job string, n int) []corev1.Pod {
	e.Helper()
	list := &corev1.PodList{}
	e.eventually(fmt.Sprintf("the %d pods of %s run", n, job), func(ctx context.Context) (bool, string) {
		if err := e.client.List(ctx, list, client.InNamespace(e.namespace), client.MatchingLabels{trainingv1.JobNameLabel: job}); err != nil {
			return false, err.Error()
		}
		running := 0
		for _, p := range list.Items {
			if p.Status.Phase == corev1.PodRunning {
				running++
			}
		}
		return running == n && len(list.Items) == n, fmt.Sprintf("%d run of %d", running, len(list.Items))
	})
	return list.Items
}
