package localcluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// One cluster for all that needs every part: each costs seconds.
func TestCluster(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	temporary := temporaryFiles(t)
	cluster, client := startCluster(t, Config{Kubeconfig: kubeconfig, Nodes: DefaultNodes(3)})

	t.Run("kubeconfig is private", func(t *testing.T) {
		info, err := os.Stat(kubeconfig)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	})
	t.Run("nodes are ready", func(t *testing.T) { testNodesReady(t, client) })
	t.Run("pods live as annotated", func(t *testing.T) { testPodsLive(t, client) })
	t.Run("pods go when deleted", func(t *testing.T) { testPodsGo(t, client) })
	t.Run("job completes", func(t *testing.T) { testJob(t, client) })
	t.Run("lost node is tainted", func(t *testing.T) { testLostNode(t, client) })
	t.Run("scheduler can be killed and restarted", func(t *testing.T) { testScheduler(t, cluster, client) })

	t.Run("manager can be killed and restarted", func(t *testing.T) { testManager(t, cluster, client) })

	if err := cluster.Stop(); err != nil {
		t.Error(err)
	}
	checkEmpty(t, temporary)
	checkEmpty(t, filepath.Dir(kubeconfig))
}

func testNodesReady(t *testing.T, client kubernetes.Interface) {
	nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 3 {
		t.Fatalf("%d nodes, want 3; %v", len(nodes.Items), err)
	}
	for _, n := range nodes.Items {
		if ready := n.Status.Conditions[0]; ready.Type != corev1.NodeReady || ready.Status != corev1.ConditionTrue || len(n.Spec.Taints) > 0 {
			t.Errorf("node %s: %+v, taints %v", n.Name, ready, n.Spec.Taints)
		}
	}
}

// Each pod reaches the phase that its annotations ask for, with the exit code and
// the restarts.
func testPodsLive(t *testing.T, client kubernetes.Interface) {
	for name, test := range map[string]struct {
		annotations map[string]string
		policy      corev1.RestartPolicy
		init        bool
		phase       corev1.PodPhase
		reason      string
		code        int32
		restarts    int32
	}{
		"runs":     {phase: corev1.PodRunning, init: true},
		"succeeds": {annotations: map[string]string{RunForAnnotation: "50ms", StartDelayAnnotation: "50ms"}, init: true, phase: corev1.PodSucceeded},
		"fails":    {annotations: map[string]string{RunForAnnotation: "50ms", ExitCodeAnnotation: "3"}, phase: corev1.PodFailed, code: 3},
		"succeeds-at-second-try": {
			annotations: map[string]string{RunForAnnotation: "50ms", ExitCodeAnnotation: "3", FailOnTryAnnotation: "1"},
			policy:      corev1.RestartPolicyOnFailure, phase: corev1.PodSucceeded, restarts: 1,
		},
		"was-replaced-before": {
			annotations: map[string]string{RunForAnnotation: "50ms", ExitCodeAnnotation: "3", FailOnTryAnnotation: "1", AttemptAnnotation: "1"},
			phase:       corev1.PodSucceeded,
		},
		"malformed": {annotations: map[string]string{RunForAnnotation: "long"}, phase: corev1.PodFailed, reason: "InvalidAnnotation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := boundPod(name, test.annotations)
			if test.policy != "" {
				pod.Spec.RestartPolicy = test.policy
			}
			if test.init {
				pod.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "none"}}
			}
			pods := client.CoreV1().Pods("default")
			if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			var got corev1.PodStatus
			eventually(t, func(ctx context.Context) (bool, string) {
				p, err := pods.Get(ctx, name, metav1.GetOptions{})
				if err == nil {
					got = p.Status
				}
				return err == nil && got.Phase == test.phase, fmt.Sprintf("%s, %+v", errorText(err), got)
			})
			if got.Reason != test.reason {
				t.Errorf("reason %q, want %q", got.Reason, test.reason)
			}
			if test.reason == "" && (got.PodIP == "" || got.HostIP != "172.16.0.1") {
				t.Errorf("pod at %q on host %q", got.PodIP, got.HostIP)
			}
			for _, s := range got.ContainerStatuses {
				if s.RestartCount != test.restarts || s.State.Terminated != nil && s.State.Terminated.ExitCode != test.code {
					t.Errorf("container %+v, want exit code %d after %d restarts", s, test.code, test.restarts)
				}
			}
		})
	}
}

func testPodsGo(t *testing.T, client kubernetes.Interface) {
	pods := client.CoreV1().Pods("default")
	held := boundPod("held", nil)
	held.Finalizers = []string{"example.com/hold"}
	for _, pod := range []*corev1.Pod{boundPod("goes", nil), held} {
		if _, err := pods.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func(ctx context.Context) (bool, string) {
		_, err := pods.Get(ctx, "goes", metav1.GetOptions{})
		return isGone(err)
	})
	// A finalizer keeps the object, though not what ran.
	eventually(t, func(ctx context.Context) (bool, string) {
		p, err := pods.Get(ctx, "held", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return p.Status.Phase == corev1.PodFailed && *p.DeletionGracePeriodSeconds == 0, fmt.Sprintf("%+v", p.Status)
	})
	if _, err := pods.Patch(t.Context(), "held", "application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) (bool, string) {
		_, err := pods.Get(ctx, "held", metav1.GetOptions{})
		return isGone(err)
	})
}

// The job controller replaces a failed pod, and the garbage collector removes the
// pods of a deleted job.
func testJob(t *testing.T, client kubernetes.Interface) {
	template := boundPod("", map[string]string{RunForAnnotation: "10ms"})
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "job"},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{ObjectMeta: template.ObjectMeta, Spec: template.Spec}},
	}
	jobs := client.BatchV1().Jobs("default")
	if _, err := jobs.Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) (bool, string) {
		j, err := jobs.Get(ctx, "job", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return j.Status.Succeeded == 1 && j.Status.CompletionTime != nil, fmt.Sprintf("%+v", j.Status)
	})
	background := metav1.DeletePropagationBackground
	if err := jobs.Delete(t.Context(), "job", metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) (bool, string) {
		pods, err := client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "job-name=job"})
		return err == nil && len(pods.Items) == 0, fmt.Sprintf("%d pods, %s", len(pods.Items), errorText(err))
	})
}

func testLostNode(t *testing.T, client kubernetes.Interface) {
	for _, step := range []struct {
		patch  string
		ready  corev1.ConditionStatus
		taints bool
	}{
		{patch: `{"metadata":{"annotations":{"local.muster.dev/lost":"true"}}}`, ready: corev1.ConditionUnknown, taints: true},
		{patch: `{"metadata":{"annotations":{"local.muster.dev/lost":null}}}`, ready: corev1.ConditionTrue},
	} {
		if _, err := client.CoreV1().Nodes().Patch(t.Context(), "node-2", "application/merge-patch+json", []byte(step.patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) (bool, string) {
			n, err := client.CoreV1().Nodes().Get(ctx, "node-2", metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			return n.Status.Conditions[0].Status == step.ready && (len(n.Spec.Taints) > 0) == step.taints, fmt.Sprintf("%+v %+v", n.Status.Conditions, n.Spec.Taints)
		})
	}
}

func testScheduler(t *testing.T, cluster *Cluster, client kubernetes.Interface) {
	checkError(t, cluster.StartScheduler(t.Context()), "runs already")
	schedules := func(name string) {
		t.Helper()
		pod := boundPod(name, nil)
		pod.Spec.NodeName, pod.Spec.SchedulerName = "", schedulingv1alpha1.SchedulerName
		if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) (bool, string) {
			p, err := client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			return p.Status.Phase == corev1.PodRunning, fmt.Sprintf("%+v", p.Status)
		})
	}
	schedules("first")
	cluster.KillScheduler()
	if err := cluster.StartScheduler(t.Context()); err != nil {
		t.Fatal(err)
	}
	schedules("second")
	if err := cluster.StopScheduler(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.StartScheduler(t.Context()); err != nil {
		t.Fatal(err)
	}
	schedules("third")
}

func testManager(t *testing.T, cluster *Cluster, client kubernetes.Interface) {
	checkError(t, cluster.StartManager(t.Context()), "runs already")
	cluster.KillManager()
	if err := cluster.StartManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	const job = `{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"tf"},"spec":{"tfReplicaSpecs":{"Worker":{
		"replicas":2,"template":{"metadata":{"annotations":{"local.muster.dev/run-for":"50ms"}},
		"spec":{"schedulerName":"muster","containers":[{"name":"tensorflow","image":"none"}]}}}}}}`
	jobs := client.CoreV1().RESTClient().Post().AbsPath("/apis/kubeflow.org/v1/namespaces/default/tfjobs")
	if err := jobs.Body([]byte(job)).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) (bool, string) {
		p, err := client.CoreV1().Pods("default").Get(ctx, "tf-worker-1", metav1.GetOptions{})
		if err != nil {
			return false, err.Error()
		}
		return p.Status.Phase == corev1.PodSucceeded, fmt.Sprintf("%+v", p.Status)
	})

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cluster.Wait(ended); err != nil {
		t.Errorf("waiting ends with the context: %v", err)
	}
	cluster.KillManager()
	checkError(t, cluster.Wait(t.Context()), "manager")
}
