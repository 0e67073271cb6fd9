// Package owners walks from a pod to the objects that it was created for: its Job, that one's JobSet, and so on.
package owners

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/internal/workload"
)

// deepest is how many owners a walk looks at. A pod of an inference service on Knative has seven.
const deepest = 10

// node is an owner, and the reference that leads on; nil where it has none.
type node struct {
	workload.Owner
	next *metav1.OwnerReference
}

// Walk returns the owners of a pod of the namespace, nearest first: each one's controller or, where it has none, its only owner.
// The walk ends at what is gone, and at kinds that the cluster lacks or that may not be read. It fails if the API server does
// not answer; what was found until then is returned too.
func (w *Walker) Walk(ctx context.Context, namespace string, pod *corev1.Pod) ([]workload.Owner, error) {
	var owners []workload.Owner
	for next := ownerOf(pod.OwnerReferences); next != nil && len(owners) < deepest; {
		owner, err := w.read(ctx, namespace, *next)
		if err != nil {
			return owners, fmt.Errorf("read %s %s/%s: %w", next.Kind, namespace, next.Name, err)
		}
		if owner == nil {
			break
		}
		owners = append(owners, owner.Owner)
		next = owner.next
	}
	return owners, nil
}

// ownerOf is the reference to follow, nil where there is none.
func ownerOf(references []metav1.OwnerReference) *metav1.OwnerReference {
	for i := range references {
		if references[i].Controller != nil && *references[i].Controller {
			return &references[i]
		}
	}
	if len(references) == 1 {
		return &references[0]
	}
	return nil
}

// fetch reads an owner from the API server; nil where there is none of that UID, errUnreadable where its kind cannot be read.
// What is of the whole cluster is found as well: namespaces do not matter to it.
func fetch(ctx context.Context, live client.Reader, namespace string, reference metav1.OwnerReference) (*node, error) {
	gvk := schema.FromAPIVersionAndKind(reference.APIVersion, reference.Kind)
	var object client.Object
	whole := workload.Known(gvk)
	if whole {
		read := &unstructured.Unstructured{}
		read.SetGroupVersionKind(gvk)
		object = read
	} else {
		read := &metav1.PartialObjectMetadata{}
		read.SetGroupVersionKind(gvk)
		object = read
	}
	err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: reference.Name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case meta.IsNoMatchError(err), apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err):
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	case err != nil:
		return nil, err
	case object.GetUID() != reference.UID:
		return nil, nil
	}
	owner := &node{next: ownerOf(object.GetOwnerReferences()), Owner: workload.Owner{
		APIVersion: reference.APIVersion, Kind: reference.Kind, Name: reference.Name, UID: reference.UID,
		Labels: object.GetLabels(), Annotations: object.GetAnnotations(),
	}}
	if whole {
		owner.Object = object.(*unstructured.Unstructured)
	}
	return owner, nil
}

// errUnreadable is why a walk ends at a kind.
var errUnreadable = errors.New("its kind cannot be read")
