// Package queues refuses changes of Queues that a single Queue does not show to be wrong: those that make a circle, that promise
// more than there is, or that leave gangs and queues behind. What comes past it, as when no replica runs, is told on the status
// of the queues concerned.
package queues

import (
	"context"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Handler answers for Queues. It may be used concurrently.
type Handler struct {
	// Reader reads Queues and Namespaces. Live, which is no cache, reads PodGroups and Pods.
	Reader, Live client.Reader

	// Decoder reads what the API server sends.
	Decoder admission.Decoder
}

// Handle allows a change of a Queue or says what is wrong with it. It allows it if it cannot find out.
func (h *Handler) Handle(ctx context.Context, request admission.Request) admission.Response {
	fault, warnings, err := h.judge(ctx, &request)
	if err != nil {
		log.FromContext(ctx).Error(err, "A change of a queue was not checked", "queue", request.Name)
		return admission.Allowed("")
	}
	if fault != "" {
		return admission.Denied(fault)
	}
	return admission.Allowed("").WithWarnings(warnings...)
}

// judge returns what is wrong with a change, and what is worth a warning.
func (h *Handler) judge(ctx context.Context, request *admission.Request) (fault string, warnings []string, err error) {
	all := &v1alpha1.QueueList{}
	if err := h.Reader.List(ctx, all); err != nil {
		return "", nil, fmt.Errorf("list queues: %w", err)
	}
	queue := &v1alpha1.Queue{}
	if request.Operation == admissionv1.Delete {
		// A deletion of many names none.
		if err := h.Decoder.DecodeRaw(request.OldObject, queue); err != nil {
			return "", nil, fmt.Errorf("decode the queue: %w", err)
		}
		if fault := leavesBehind(queue.Name, all.Items); fault != "" {
			return fault, nil, nil
		}
		fault, err := h.gangsIn(ctx, queue.Name)
		return fault, nil, err
	}
	if err := h.Decoder.Decode(*request, queue); err != nil {
		return "", nil, fmt.Errorf("decode the queue: %w", err)
	}
	fault, warnings = judgeTree(queue, all.Items)
	return fault, warnings, nil
}
