package install

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/internal/localcluster"
)

// TestInstalledProgramsRunTheExamples installs manifests/default, runs the
// programs with nothing but the rights and the configuration of that
// installation, and applies the examples: every job has to end, also those
// that come after the leading scheduler has gone.
func TestInstalledProgramsRunTheExamples(t *testing.T) {
	cluster, err := localcluster.Start(t.Context(), localcluster.Config{
		Components: []localcluster.Component{
			localcluster.Etcd, localcluster.APIServer, localcluster.Controllers, localcluster.Kwok,
		},
		Nodes: localcluster.DefaultNodes(8),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := newAdmin(t, cluster.RESTConfig())
	admin.apply(t, "", kustomize(t, "../../../manifests/default"))
	webhooks := freeAddress(t)
	admin.routeWebhooks(t, webhooks)
	refusedBefore := admin.refusals(t)

	startScheduler := func() *program {
		return start(t, "muster-scheduler", "--kubeconfig="+admin.kubeconfigOf(t, "muster-scheduler"), "--secure-port=0")
	}
	first := startScheduler()
	manager := start(t, "muster-manager", "--kubeconfig="+admin.kubeconfigOf(t, "muster-manager"),
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--cull-idle-notebooks",
		"--webhook-bind-address="+webhooks, "--webhook-host-names=localhost")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("muster-manager printed:\n%s", manager.log.String())
		}
	})
	admin.awaitWebhooks(t)
	admin.runExamples(t, "with-the-first-scheduler")
	admin.runOtherJobs(t, "others")

	second := startScheduler()
	first.stop(t)
	admin.runExamples(t, "with-the-second-scheduler")

	for _, refused := range admin.refusals(t) {
		if !slices.Contains(refusedBefore, refused) {
			t.Errorf("the API server refused requests: %s", refused)
		}
	}
	for _, p := range []*program{first, second, manager} {
		if strings.Contains(p.log.String(), "forbidden") {
			t.Errorf("%s lacks a right:\n%s", p.name, p.log.String())
		}
	}
}

// runExamples applies the examples to a new namespace, playing each pod for a
// second, and waits until every job has succeeded.
func (a admin) runExamples(t *testing.T, namespace string) {
	t.Helper()
	a.createNamespace(t, namespace)
	files, err := filepath.Glob("../../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("got examples %v, error %v", files, err)
	}
	var jobs []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.ReplaceAll(data, []byte("run-for: 60s"), []byte("run-for: 1s"))
		for _, object := range a.apply(t, namespace, data) {
			if kind := object.GetKind(); kind != "PodGroup" && kind != "Topology" && kind != "Service" {
				jobs = append(jobs, object)
			}
		}
	}
	for _, job := range jobs {
		if job.GetKind() == "Notebook" {
			a.useNotebook(t, job)
			continue
		}
		a.await(t, job, "to succeed", func(job *unstructured.Unstructured) bool {
			return hasCondition(job, "Succeeded") || hasCondition(job, "Complete")
		})
	}
}

// useNotebook waits until the notebook can be used, stops it, and waits until it has stopped and nothing is known about
// its activity any more.
func (a admin) useNotebook(t *testing.T, notebook *unstructured.Unstructured) {
	t.Helper()
	a.await(t, notebook, "to be ready", func(now *unstructured.Unstructured) bool { return hasCondition(now, "Ready") })
	const used = "notebooks.kubeflow.org/last-activity"
	stop := []byte(`{"metadata": {"annotations": {"kubeflow-resource-stopped": "", "` + used + `": "2026-11-22T12:00:00Z"}}}`)
	if err := a.client.Patch(t.Context(), notebook, client.RawPatch(types.MergePatchType, stop)); err != nil {
		t.Fatal(err)
	}
	a.await(t, notebook, "to stop", func(now *unstructured.Unstructured) bool {
		return !hasCondition(now, "Ready") && now.GetAnnotations()[used] == ""
	})
}

// otherJobs take ways of the manager that the examples do not: an autoscaler,
// a launcher with rights of its own, and jobs that are deleted when they are
// done.
const otherJobs = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: elastic}
spec:
  runPolicy: {cleanPodPolicy: All, ttlSecondsAfterFinished: 0}
  elasticPolicy:
    minReplicas: 1
    maxReplicas: 3
    metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}
  pytorchReplicaSpecs:
    Worker:
      replicas: 2
      template:
        metadata:
          annotations: {local.muster.dev/run-for: 1s}
        spec:
          containers:
          - {name: pytorch, image: pytorch, resources: {requests: {cpu: 1}}}
---
apiVersion: kubeflow.org/v1
kind: MPIJob
metadata: {name: exec}
spec:
  runPolicy: {cleanPodPolicy: All, ttlSecondsAfterFinished: 0}
  mpiReplicaSpecs:
    Launcher:
      template:
        metadata:
          annotations: {local.muster.dev/run-for: 1s}
        spec:
          containers:
          - {name: launcher, image: horovod}
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - {name: worker, image: horovod}
`

func (a admin) runOtherJobs(t *testing.T, namespace string) {
	t.Helper()
	a.createNamespace(t, namespace)
	for _, job := range a.apply(t, namespace, []byte(otherJobs)) {
		a.await(t, job, "to be deleted", nil)
	}
}

func (a admin) createNamespace(t *testing.T, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := a.clients.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// await waits until the object is as it should be; nil waits until it is gone.
func (a admin) await(t *testing.T, object *unstructured.Unstructured, what string, holds func(*unstructured.Unstructured) bool) {
	t.Helper()
	now := &unstructured.Unstructured{}
	now.SetGroupVersionKind(object.GroupVersionKind())
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := a.client.Get(ctx, client.ObjectKeyFromObject(object), now)
		if apierrors.IsNotFound(err) && holds == nil {
			return true, nil
		}
		return err == nil && holds != nil && holds(now), client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatalf("waiting for %s %s/%s %s: %v; its status is %v",
			object.GetKind(), object.GetNamespace(), object.GetName(), what, err, now.Object["status"])
	}
}

func hasCondition(object *unstructured.Unstructured, kind string) bool {
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	return err == nil && slices.ContainsFunc(conditions, func(condition any) bool {
		fields, ok := condition.(map[string]any)
		return ok && fields["type"] == kind && fields["status"] == "True"
	})
}

// refusals returns the API server's counters of requests that it answered with
// 403, each with its resource and verb.
func (a admin) refusals(t *testing.T) []string {
	t.Helper()
	metrics, err := a.clients.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for line := range strings.Lines(string(metrics)) {
		if strings.HasPrefix(line, "apiserver_request_total{") && strings.Contains(line, `code="403"`) {
			refused = append(refused, strings.TrimSpace(line))
		}
	}
	return refused
}
