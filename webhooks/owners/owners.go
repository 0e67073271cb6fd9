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
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/internal/workload"
)

// deepest is how many owners a walk looks at. A pod of an inference service on Knative has seven.
const deepest = 10

// Owner is one of the objects that a pod belongs to.
type Owner struct {
	APIVersion, Kind, Name string
	UID                    types.UID
	Labels, Annotations    map[string]string

	// Object is the whole of an owner that is a workload, as package workload knows them; nil for others. It is shared.
	Object *unstructured.Unstructured

	next *metav1.OwnerReference
}

// First returns what the nearest owner says that says anything; "" where none does.
func First(owners []Owner, said func(Owner) string) string {
	for _, owner := range owners {
		if text := said(owner); text != "" {
			return text
		}
	}
	return ""
}

// Label is for First: what owners say with a label.
func Label(key string) func(Owner) string {
	return func(o Owner) string { return o.Labels[key] }
}

// Walk returns the owners of a pod of the namespace, nearest first: each one's controller or, where it has none, its only owner.
// The walk ends at what is gone, and at kinds that the cluster lacks or that may not be read. It fails if the API server does
// not answer; what was found until then is returned too.
func (w *Walker) Walk(ctx context.Context, namespace string, pod *corev1.Pod) ([]Owner, error) {
	var owners []Owner
	for next := ownerOf(pod.OwnerReferences); next != nil && len(owners) < deepest; {
		owner, err := w.read(ctx, namespace, *next)
		if err != nil {
			return owners, fmt.Errorf("read %s %s/%s: %w", next.Kind, namespace, next.Name, err)
		}
		if owner == nil {
			break
		}
		owners = append(owners, *owner)
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
func fetch(ctx context.Context, live client.Reader, namespace string, reference metav1.OwnerReference) (*Owner, error) {
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
	owner := &Owner{
		APIVersion: reference.APIVersion, Kind: reference.Kind, Name: reference.Name, UID: reference.UID,
		Labels: object.GetLabels(), Annotations: object.GetAnnotations(), next: ownerOf(object.GetOwnerReferences()),
	}
	if whole {
		owner.Object = object.(*unstructured.Unstructured)
	}
	return owner, nil
}

// errUnreadable is why a walk ends at a kind.
var errUnreadable = errors.New("its kind cannot be read")
