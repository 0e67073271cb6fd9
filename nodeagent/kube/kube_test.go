package kube

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/muster-scheduling/muster/nodeagent/kube/kubetest"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

func start(t *testing.T) (*kubetest.Server, *Client) {
	t.Helper()
	server := kubetest.New(t)
	client, err := New(server.Config(), kubetest.NodeName)
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

func node(t *testing.T, client *Client) *corev1.Node {
	t.Helper()
	node, err := client.Node(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func apply(t *testing.T, client *Client, labels map[string]string, faults string) {
	t.Helper()
	if err := client.ApplyMetadata(t.Context(), node(t, client), labels, faults); err != nil {
		t.Fatal(err)
	}
}

func TestLabelsOfOthersStay(t *testing.T) {
	server, client := start(t)
	server.SetLabel("nfd-master", "nvidia.com/gpu.product", "A100-SHARED")
	server.SetLabel("kubelet", "kubernetes.io/hostname", "gpu-1")

	apply(t, client, map[string]string{"nvidia.com/gpu.product": "A100", "nvidia.com/gpu.count": "8", "nvidia.com/mig.capable": "true"}, "[]")
	expectLabels(t, server, map[string]string{
		"kubernetes.io/hostname": "gpu-1", "nvidia.com/gpu.product": "A100-SHARED", "nvidia.com/gpu.count": "8", "nvidia.com/mig.capable": "true",
	})
	if got := server.Node().Annotations[FaultsAnnotation]; got != "[]" {
		t.Errorf("annotation %q", got)
	}

	// Another program takes one of ours over: its value stays, whatever we say.
	server.SetLabel("nfd-master", "nvidia.com/gpu.count", "16")
	apply(t, client, map[string]string{"nvidia.com/gpu.product": "A100", "nvidia.com/gpu.count": "7"}, "")
	expectLabels(t, server, map[string]string{
		"kubernetes.io/hostname": "gpu-1", "nvidia.com/gpu.product": "A100-SHARED", "nvidia.com/gpu.count": "16",
	})
	if _, exists := server.Node().Annotations[FaultsAnnotation]; exists {
		t.Error("the annotation stayed")
	}
}

func TestLabelThatAnotherProgramAgreesOn(t *testing.T) {
	server, client := start(t)
	apply(t, client, map[string]string{"nvidia.com/gpu.count": "8"}, "")
	server.SetLabel("nfd-master", "nvidia.com/gpu.count", "8") // now both own it
	apply(t, client, map[string]string{"nvidia.com/gpu.count": "7"}, "")
	expectLabels(t, server, map[string]string{"nvidia.com/gpu.count": "8"})
	apply(t, client, nil, "")
	expectLabels(t, server, map[string]string{"nvidia.com/gpu.count": "8"})
}

func expectLabels(t *testing.T, server *kubetest.Server, want map[string]string) {
	t.Helper()
	if got := server.Node().Labels; !maps.Equal(got, want) {
		t.Errorf("labels %v, want %v", got, want)
	}
}

func TestCondition(t *testing.T) {
	server, client := start(t)
	server.ChangeNode(func(n *corev1.Node) {
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
	begin := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	set := func(health *Health, after time.Duration) *corev1.NodeCondition {
		t.Helper()
		if err := client.SetCondition(t.Context(), node(t, client), health, begin.Add(after), time.Minute); err != nil {
			t.Fatal(err)
		}
		conditions := server.Node().Status.Conditions
		var found *corev1.NodeCondition
		ready := false
		for i := range conditions {
			ready = ready || conditions[i].Type == corev1.NodeReady
			if conditions[i].Type == Condition {
				found = &conditions[i]
			}
		}
		if !ready {
			t.Error("the kubelet's condition is gone")
		}
		return found
	}
	healthy := &Health{Healthy: true, Reason: "GPUsHealthy", Message: "all 8 GPUs work"}
	if c := set(healthy, 0); c == nil || c.Status != corev1.ConditionTrue || c.Message != healthy.Message {
		t.Errorf("condition %v", c)
	}
	if c := set(healthy, 30*time.Second); !c.LastHeartbeatTime.Time.Equal(begin) {
		t.Errorf("refreshed before its time: %v", c.LastHeartbeatTime)
	}
	c := set(healthy, 2*time.Minute)
	if !c.LastHeartbeatTime.Time.Equal(begin.Add(2*time.Minute)) || !c.LastTransitionTime.Time.Equal(begin) {
		t.Errorf("after a refresh: %v", c)
	}
	c = set(&Health{Reason: "GPUUnhealthy", Message: strings.Repeat("x", 5000)}, 3*time.Minute)
	if c.Status != corev1.ConditionFalse || !c.LastTransitionTime.Time.Equal(begin.Add(3*time.Minute)) || len(c.Message) != 4096 {
		t.Errorf("after a failure: status %s since %v with %d bytes", c.Status, c.LastTransitionTime, len(c.Message))
	}
	if c := set(nil, 4*time.Minute); c != nil {
		t.Errorf("condition %v stayed", c)
	}
	writes := len(server.Writes())
	if set(nil, 5*time.Minute); len(server.Writes()) != writes {
		t.Error("wrote though nothing changed")
	}
}

func TestTaint(t *testing.T) {
	server, client := start(t)
	other := corev1.Taint{Key: "nvidia.com/gpu", Effect: corev1.TaintEffectNoSchedule}
	server.ChangeNode(func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{other} })
	for _, step := range []struct {
		tainted bool
		want    int
		writes  int
	}{{false, 1, 0}, {true, 2, 1}, {true, 2, 1}, {false, 1, 2}} {
		if err := client.SetTaint(t.Context(), node(t, client), step.tainted); err != nil {
			t.Fatal(err)
		}
		taints := server.Node().Spec.Taints
		if len(taints) != step.want || taints[0] != other || len(server.Writes()) != step.writes {
			t.Errorf("%+v: taints %v after writes %v", step, taints, server.Writes())
		}
	}
	stale := node(t, client)
	server.ChangeNode(func(n *corev1.Node) { n.Spec.Unschedulable = true })
	if err := client.SetTaint(t.Context(), stale, true); !apierrors.IsConflict(err) {
		t.Errorf("with a node that changed: %v", err)
	}
}

func topology(available int64) *layout.Topology {
	return &layout.Topology{
		Zones: nrt.ZoneList{{Name: "node-0", Type: "Node", Resources: nrt.ResourceInfoList{{
			Name: "nvidia.com/gpu", Capacity: *resource.NewQuantity(8, resource.DecimalSI),
			Allocatable: *resource.NewQuantity(8, resource.DecimalSI), Available: *resource.NewQuantity(available, resource.DecimalSI),
		}}}},
		Attributes: nrt.AttributeList{{Name: "topologyManagerPolicy", Value: "restricted"}},
	}
}

func TestTopology(t *testing.T) {
	server, client := start(t)
	ctx := t.Context()
	for i, step := range []struct {
		wanted *layout.Topology
		writes string
	}{
		{nil, ""},
		{topology(8), "POST noderesourcetopologies"},
		{topology(8), "POST noderesourcetopologies"},
		{topology(3), "POST noderesourcetopologies PUT noderesourcetopologies"},
		{topology(3), "POST noderesourcetopologies PUT noderesourcetopologies"},
		{nil, "POST noderesourcetopologies PUT noderesourcetopologies DELETE noderesourcetopologies"},
	} {
		if err := client.SetTopology(ctx, node(t, client), step.wanted); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(server.Writes(), " "); got != step.writes {
			t.Errorf("step %d: writes %q, want %q", i, got, step.writes)
		}
		got := server.Topology()
		if (got == nil) != (step.wanted == nil) {
			t.Errorf("step %d: topology %v", i, got)
		} else if got != nil {
			owner := metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: kubetest.NodeName, UID: server.Node().UID}
			if len(got.OwnerReferences) != 1 || got.OwnerReferences[0] != owner {
				t.Errorf("step %d: owners %v", i, got.OwnerReferences)
			}
			if n := got.Zones[0].Resources[0].Available; n.Cmp(step.wanted.Zones[0].Resources[0].Available) != 0 {
				t.Errorf("step %d: available %s", i, &n)
			}
		}
	}
}

func TestTopologyThatCannotBeOurs(t *testing.T) {
	server, client := start(t)
	theirs := &nrt.NodeResourceTopology{ObjectMeta: metav1.ObjectMeta{Name: kubetest.NodeName}}
	server.SetTopology(theirs)
	if err := client.SetTopology(t.Context(), node(t, client), topology(8)); !errors.Is(err, ErrNotOurs) {
		t.Errorf("where another program publishes it: %v", err)
	}
	if err := client.SetTopology(t.Context(), node(t, client), nil); err != nil || server.Topology() == nil {
		t.Errorf("without GPUs: %v, and their topology is %v", err, server.Topology())
	}
	server.SetTopology(nil)
	server.SetKind(false)
	if err := client.SetTopology(t.Context(), node(t, client), topology(8)); !errors.Is(err, ErrNoKind) {
		t.Errorf("without the kind: %v", err)
	}
	if err := client.SetTopology(t.Context(), node(t, client), nil); err != nil {
		t.Errorf("without the kind and without GPUs: %v", err)
	}
}

func TestEvents(t *testing.T) {
	server, client := start(t)
	event := Event{Warning: true, Reason: "GPUUnhealthy", Note: strings.Repeat("x", 2000)}
	if err := client.Tell(t.Context(), node(t, client), event, time.Unix(7, 0)); err != nil {
		t.Fatal(err)
	}
	got := server.Events()
	if len(got) != 1 || got[0].Regarding.Name != kubetest.NodeName || got[0].Type != corev1.EventTypeWarning || len(got[0].Note) != 1024 {
		t.Errorf("events %+v", got)
	}
}

func TestServerDown(t *testing.T) {
	server, client := start(t)
	here := node(t, client)
	server.SetDown(true)
	ctx := t.Context()
	if _, err := client.Node(ctx); err == nil || !strings.Contains(err.Error(), "reading node "+kubetest.NodeName) {
		t.Errorf("reading the node: %v", err)
	}
	if err := client.ApplyMetadata(ctx, here, map[string]string{"a": "b"}, ""); err == nil {
		t.Error("no error for labels")
	}
	if err := client.SetTopology(ctx, here, topology(1)); err == nil || errors.Is(err, ErrNoKind) {
		t.Errorf("topology: %v", err)
	}
}
