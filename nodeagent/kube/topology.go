package kube

import (
	"context"
	"errors"
	"fmt"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// managedByLabel marks a NodeResourceTopology as ours.
const managedByLabel = "app.kubernetes.io/managed-by"

var (
	// ErrNoKind is returned where the API server does not know the kind.
	ErrNoKind = errors.New("the API server has no NodeResourceTopology (topology.node.k8s.io/v1alpha2): install its CustomResourceDefinition")
	// ErrNotOurs is returned where another program publishes the node's topology.
	ErrNotOurs = errors.New("another program publishes the NodeResourceTopology of this node: run only one")
)

// SetTopology makes the NodeResourceTopology of the node hold what is wanted,
// or deletes it if that is nil. It fails with ErrNoKind or ErrNotOurs where it
// cannot be ours.
func (c *Client) SetTopology(ctx context.Context, node *corev1.Node, wanted *layout.Topology) error {
	current := &nrt.NodeResourceTopology{}
	err := c.topology.Get().Resource("noderesourcetopologies").Name(node.Name).Do(ctx).Into(current)
	switch {
	case apierrors.IsNotFound(err) && wanted == nil:
		return nil
	case apierrors.IsNotFound(err):
		return c.createTopology(ctx, node, wanted)
	case err != nil:
		return fmt.Errorf("reading the NodeResourceTopology %s: %w", node.Name, err)
	case current.Labels[managedByLabel] != Manager && wanted == nil:
		return nil
	case current.Labels[managedByLabel] != Manager:
		return ErrNotOurs
	case wanted == nil:
		return c.deleteTopology(ctx, current)
	}
	changed := current.DeepCopy()
	fill(changed, node, wanted)
	if apiequality.Semantic.DeepEqual(current.Zones, changed.Zones) &&
		apiequality.Semantic.DeepEqual(current.Attributes, changed.Attributes) &&
		apiequality.Semantic.DeepEqual(current.OwnerReferences, changed.OwnerReferences) {
		return nil
	}
	err = c.topology.Put().Resource("noderesourcetopologies").Name(node.Name).Body(changed).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("updating the NodeResourceTopology %s: %w", node.Name, err)
	}
	return nil
}

func (c *Client) createTopology(ctx context.Context, node *corev1.Node, wanted *layout.Topology) error {
	object := &nrt.NodeResourceTopology{ObjectMeta: metav1.ObjectMeta{
		Name:   node.Name,
		Labels: map[string]string{managedByLabel: Manager},
	}}
	fill(object, node, wanted)
	err := c.topology.Post().Resource("noderesourcetopologies").Body(object).Do(ctx).Error()
	if apierrors.IsNotFound(err) { // it is the kind that is not found
		return ErrNoKind
	} else if err != nil {
		return fmt.Errorf("creating the NodeResourceTopology %s: %w", node.Name, err)
	}
	return nil
}

func (c *Client) deleteTopology(ctx context.Context, object *nrt.NodeResourceTopology) error {
	options := metav1.NewUIDPreconditions(string(object.UID))
	err := c.topology.Delete().Resource("noderesourcetopologies").Name(object.Name).
		Body(&metav1.DeleteOptions{Preconditions: options}).Do(ctx).Error()
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the NodeResourceTopology %s: %w", object.Name, err)
	}
	return nil
}

// fill writes what is wanted into the object. The node owns it: it goes when
// the node goes.
func fill(object *nrt.NodeResourceTopology, node *corev1.Node, wanted *layout.Topology) {
	object.TypeMeta = metav1.TypeMeta{APIVersion: nrt.SchemeGroupVersion.String(), Kind: "NodeResourceTopology"}
	object.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
	object.Zones, object.Attributes = wanted.Zones, wanted.Attributes
}
