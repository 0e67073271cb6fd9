// Package podgroups refuses PodGroups whose annotations ask for what cannot be, and warns of a queue that will not take them. What
// comes past it waits, and is told why.
package podgroups

import (
	"context"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/gang"
)

// Handler answers for PodGroups. It may be used concurrently.
type Handler struct {
	// Reader reads Queues and Namespaces.
	Reader client.Reader

	// Decoder reads what the API server sends.
	Decoder admission.Decoder
}

// Setup returns the webhook for PodGroups.
func Setup(m manager.Manager) http.Handler {
	return &admission.Webhook{Handler: &Handler{Reader: m.GetClient(), Decoder: admission.NewDecoder(m.GetScheme())}}
}

// Handle allows a PodGroup, or says what its gang could never be started for.
func (h *Handler) Handle(ctx context.Context, request admission.Request) admission.Response {
	group, before := &podgroupv1alpha1.PodGroup{}, &podgroupv1alpha1.PodGroup{}
	if err := h.Decoder.Decode(request, group); err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("decode the PodGroup: %w", err))
	}
	if request.Operation == admissionv1.Update {
		if err := h.Decoder.DecodeRaw(request.OldObject, before); err != nil {
			return admission.Errored(http.StatusBadRequest, fmt.Errorf("decode the former PodGroup: %w", err))
		}
	}
	if fault := faultOf(group); fault != nil && (request.Operation == admissionv1.Create || faultOf(before) == nil) {
		return admission.Denied(fault.Error())
	}
	queue := group.Labels[v1alpha1.QueueLabel]
	if queue == "" || queue == before.Labels[v1alpha1.QueueLabel] {
		return admission.Allowed("")
	}
	warnings, err := h.warnings(ctx, queue, request.Namespace)
	if err != nil {
		log.FromContext(ctx).Error(err, "A PodGroup's queue was not checked", "queue", queue)
	}
	return admission.Allowed("").WithWarnings(warnings...)
}

// faultOf returns why the gang could never start, whatever the cluster has.
func faultOf(group *podgroupv1alpha1.PodGroup) error {
	_, err := gang.ParseSpec(group.Spec.MinMember, group.Annotations[v1alpha1.MinMembersAnnotation])
	return err
}

// warnings say why the queue does not take gangs of the namespace. Queues may be made and changed while the gang waits.
func (h *Handler) warnings(ctx context.Context, name, namespace string) ([]string, error) {
	queue := &v1alpha1.Queue{}
	err := h.Reader.Get(ctx, client.ObjectKey{Name: name}, queue)
	if apierrors.IsNotFound(err) {
		if name == v1alpha1.DefaultQueue {
			return nil, nil
		}
		return []string{fmt.Sprintf("there is no queue %q: the gang waits until there is", name)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read queue %s: %w", name, err)
	}
	if queue.Spec.NamespaceSelector == nil {
		return nil, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(queue.Spec.NamespaceSelector)
	if err != nil {
		return nil, fmt.Errorf("read the namespaceSelector of queue %s: %w", name, err)
	}
	of := &corev1.Namespace{}
	if err := h.Reader.Get(ctx, client.ObjectKey{Name: namespace}, of); err != nil {
		return nil, fmt.Errorf("read namespace %s: %w", namespace, err)
	}
	if !selector.Matches(labels.Set(of.Labels)) {
		return []string{fmt.Sprintf("queue %q takes no gangs of namespace %s", name, namespace)}, nil
	}
	return nil, nil
}
