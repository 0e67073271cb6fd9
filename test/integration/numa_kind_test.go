package integration

import (
	"context"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/manifests"
)

// A cluster may lack the kind in which nodes report their layout: all that asks for nearness starts as if it did not. Once the
// cluster has the kind, what nodes report counts.
func TestClusterWithoutLayouts(t *testing.T) {
	e := setUp(t, node("node", gpu(8)))
	data, err := manifests.CRDs.ReadFile("crd/topology.node.k8s.io_noderesourcetopologies.yaml")
	e.do(err)
	kind := &unstructured.Unstructured{}
	e.do(yaml.Unmarshal(data, &kind.Object))
	e.Cleanup(func() { // before the test's objects go, some of which are of this kind
		if err := shared.client.Create(context.Background(), kind.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Errorf("putting back %s: %v", kind.GetName(), err)
		}
	})
	shared.cluster.KillScheduler()
	e.do(e.client.Delete(e.Context(), kind.DeepCopy()))
	e.eventually("the kind is gone", func(ctx context.Context) (bool, string) {
		err := e.client.Get(ctx, client.ObjectKey{Name: kind.GetName()}, kind.DeepCopy())
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
	e.do(shared.cluster.StartScheduler(e.Context()))
	e.gang("before", 1, gpu(8), linked("numa"))
	e.expectBound("before", 1)
	e.delete(e.asObjects("before")...)
	e.do(e.client.Create(e.Context(), kind.DeepCopy()))
	e.eventually("the kind is served", func(ctx context.Context) (bool, string) {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("topology.node.k8s.io/v1alpha2")
		list.SetKind("NodeResourceTopologyList")
		err := e.client.List(ctx, list)
		return err == nil, fmt.Sprint(err)
	})
	e.report("node", "", numaNodes(4, 4)...)
	e.gang("after", 1, gpu(8), linked("numa"))
	e.expectRefused("after")
}
