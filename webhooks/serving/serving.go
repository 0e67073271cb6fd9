// Package serving finds the queue of the service that a pod answers for where the owners of the pod do not lead there.
package serving

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/internal/workload"
)

// services are what pods answer for, with the label by which pods name it: KServe's first, since it may run on Knative.
var services = []struct {
	label string
	kind  schema.GroupVersionKind
}{
	{"serving.kserve.io/inferenceservice", schema.GroupVersionKind{Group: "serving.kserve.io", Version: "v1beta1", Kind: "InferenceService"}},
	{"serving.knative.dev/service", schema.GroupVersionKind{Group: "serving.knative.dev", Version: "v1", Kind: "Service"}},
}

// Look adds the queue of the service to the surroundings of its pod, by the labels of KServe and Knative, where no owner of the pod
// names one.
func Look(ctx context.Context, r client.Reader, pod *corev1.Pod, all []workload.Owner, around *podpolicy.Surroundings) error {
	if around.Workload == nil {
		return nil
	}
	for _, service := range services {
		name := pod.Labels[service.label]
		if name == "" || around.Workload.Queue != "" || walkedTo(all, service.kind) {
			continue
		}
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(service.kind)
		err := r.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: name}, object)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
			continue
		} else if err != nil {
			return fmt.Errorf("read %s %s/%s: %w", service.kind.Kind, pod.Namespace, name, err)
		}
		around.Workload.Queue = object.Labels[v1alpha1.QueueLabel]
	}
	return nil
}

// walkedTo says whether one of the owners is of the kind.
func walkedTo(all []workload.Owner, kind schema.GroupVersionKind) bool {
	for _, owner := range all {
		if schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).GroupKind() == kind.GroupKind() {
			return true
		}
	}
	return false
}
