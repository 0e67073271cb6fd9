package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// outOfService is how an admin, or a cloud's controller, tells the cluster that a machine is gone for good: only then are the
// pods on it taken for ended.
const outOfService = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"

// TestNodeDiesUnderGangs kills a node on which two gangs have a member. The one for which there is room is completed, and its
// other member stays as it is. The one for which there is none is evicted whole, and comes back with the node.
func TestNodeDiesUnderGangs(t *testing.T) {
	e := setUp(t)
	e.apply("lostnode.yaml")
	mends := []string{"mends-master-0", "mends-worker-0"}
	waits := []string{"waits-worker-0", "waits-worker-1", "waits-worker-2"}
	e.eventually("both gangs run", func(context.Context) (bool, string) { return e.run(append(mends, waits...)...) })
	before := e.pods()
	node := before["mends-worker-0"].Spec.NodeName

	e.do(shared.cluster.Kill(node))
	t.Cleanup(func() { e.revive(context.Background(), node) })
	e.eventually(node+" is not ready", func(ctx context.Context) (bool, string) { return e.ready(ctx, node, false) })
	_, err := kubectl(t.Context(), "taint", "node", node, outOfService)
	e.do(err)

	e.eventually("the gang of two is completed", func(context.Context) (bool, string) {
		if ok, seen := e.run(mends...); !ok {
			return false, seen
		}
		pod := e.pods()["mends-worker-0"]
		return pod.UID != before[pod.Name].UID && pod.Spec.NodeName != node, pod.Spec.NodeName
	})
	if e.pods()["mends-master-0"].UID != before["mends-master-0"].UID {
		t.Error("the member that was not on the node was replaced")
	}
	e.eventually("the gang of three holds nothing", func(context.Context) (bool, string) {
		return e.hold(before, waits, 0)
	})
	for _, name := range waits {
		if attempt := e.pods()[name].Annotations["training.muster.dev/attempt"]; attempt != "1" {
			t.Errorf("pod %s was replaced %s times, want once: part of a gang was let in", name, attempt)
		}
	}

	e.revive(t.Context(), node)
	e.eventually("the gang of three runs again", func(context.Context) (bool, string) { return e.run(waits...) })
}

// run says whether these pods run, or what the pods do.
func (e *env) run(names ...string) (bool, string) {
	pods, running := e.pods(), 0
	for _, name := range names {
		if p := pods[name]; p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			running++
		}
	}
	return running == len(names), describe(pods)
}

// hold says whether so many of the pods have a node, all of them new.
func (e *env) hold(before map[string]corev1.Pod, names []string, n int) (bool, string) {
	pods, held := e.pods(), 0
	for _, name := range names {
		if p, is := pods[name]; !is || p.UID == before[name].UID {
			return false, describe(pods)
		} else if p.Spec.NodeName != "" {
			held++
		}
	}
	return held == n, describe(pods)
}

func describe(pods map[string]corev1.Pod) string {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		p := pods[name]
		text = append(text, fmt.Sprintf("%s is %s on %q, deleted %v", name, p.Status.Phase, p.Spec.NodeName, p.DeletionTimestamp != nil))
	}
	return strings.Join(text, "; ")
}

// ready says whether the node is ready, or is not, as wanted.
func (e *env) ready(ctx context.Context, name string, want bool) (bool, string) {
	node, err := shared.clients.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, err.Error()
	}
	i := slices.IndexFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	if i < 0 {
		return !want, "it does not say"
	}
	status := node.Status.Conditions[i].Status
	return (status == corev1.ConditionTrue) == want, string(status)
}

// revive starts a node that was killed, if that was not done before, and lets pods onto it again.
func (e *env) revive(ctx context.Context, name string) {
	e.Helper()
	if shared.cluster.Runs(name) {
		return
	}
	e.do(shared.cluster.Restart(name))
	e.eventually(name+" is ready", func(context.Context) (bool, string) { return e.ready(ctx, name, true) })
	_, err := shared.clients.CoreV1().Nodes().Patch(ctx, name, types.JSONPatchType, []byte(`[{"op": "remove", "path": "/spec/taints"}]`), metav1.PatchOptions{})
	e.do(err)
}
