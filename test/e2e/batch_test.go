package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
)

// TestPlainJobBecomesGang has pods that nobody but the webhook brings under Muster, with the default policies: while a GPU is
// missing none of them starts; then all do, and meet where the webhook told them.
func TestPlainJobBecomesGang(t *testing.T) {
	e := setUp(t)
	e.gpus("node-1", 1)
	e.gpus("node-2", 1)
	e.apply("indexedjob.yaml")
	e.eventually("the gang waits for a GPU", func(context.Context) (bool, string) {
		pods, refused := e.pods(), false
		for _, pod := range pods {
			for _, c := range pod.Status.Conditions {
				refused = refused || c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable
			}
		}
		return len(pods) == 3 && refused, describe(pods)
	})
	for name, pod := range e.pods() {
		if pod.Spec.NodeName != "" {
			t.Errorf("pod %s has a node, without room for all", name)
		}
		if changes := pod.Annotations["scheduling.muster.dev/pod-policies"]; !strings.Contains(changes, "muster-training") {
			t.Errorf("pod %s does not say what the webhook changed: %s", name, changes)
		}
	}
	group := &podgroupv1alpha1.PodGroup{}
	for name, pod := range e.pods() {
		e.do(shared.client.Get(t.Context(), client.ObjectKey{Namespace: e.namespace, Name: pod.Labels["scheduling.x-k8s.io/pod-group"]}, group))
		if group.Spec.MinMember != 3 {
			t.Errorf("the gang of %s needs %d pods, want 3", name, group.Spec.MinMember)
		}
	}

	e.gpus("node-3", 1)
	e.eventually("the Job is complete", func(ctx context.Context) (bool, string) {
		job := &batchv1.Job{}
		err := shared.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: "llm"}, job)
		return err == nil && job.Status.Succeeded == 3, describe(e.pods())
	})
	for name, pod := range e.pods() {
		e.says(name, fmt.Sprintf("rank %s of 3: the ranks add up to 3", pod.Labels["batch.kubernetes.io/job-completion-index"]))
	}
}

// gpus makes a node say that it has so many GPUs, until the test has ended.
func (e *env) gpus(node string, n int) {
	e.Helper()
	set := func(ctx context.Context, n int) error {
		patch := fmt.Appendf(nil, `[{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "%d"}]`, n)
		_, err := shared.clients.CoreV1().Nodes().Patch(ctx, node, types.JSONPatchType, patch, metav1.PatchOptions{}, "status")
		return err
	}
	e.do(set(e.Context(), n))
	e.Cleanup(func() { e.do(set(context.Background(), 0)) })
}
