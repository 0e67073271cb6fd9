// Package pods serves the PodPolicies: a mutating webhook that gives pods, when they are created, what the policies want for
// them, and a controller that writes the policies' status.
//
// It never refuses a pod. What cannot be done is left out, counted, and told on the status of the policy in question.
package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// timeLimit is how long one pod may take. The API server waits for two seconds.
const timeLimit = time.Second

// Look adds to the surroundings of a pod what the pod alone does not tell, such as the job that it is part of. It is called
// only for pods with policies that want to know it, and fills in what they want. The pod may not be changed; it has its namespace
// and, unless the API server is to make one up, its name.
type Look func(ctx context.Context, pod *corev1.Pod, wants podpolicy.Wants, around *podpolicy.Surroundings) error

// Handler answers the API server. It may be used concurrently.
type Handler struct {
	// Policies are those to apply.
	Policies *Policies

	// Classes returns the names of all PriorityClasses, QueueClasses the priority classes that queues name, by the queue. Both are
	// only read.
	Classes      func() sets.Set[string]
	QueueClasses func() map[string]string

	// Reader reads Namespaces; Live is asked for one that Reader does not know yet.
	Reader, Live client.Reader

	// Look looks around, if there is anything to look for.
	Look Look

	// Tell is called for everything that could not be done for a pod. It must not block.
	Tell func(pod string, problem *podpolicy.Problem)
}

// Handle allows the pod, with a patch if policies change it.
func (h *Handler) Handle(ctx context.Context, request admission.Request) admission.Response {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	change, err := h.change(ctx, &request)
	if err != nil {
		podsTotal.WithLabelValues("failed").Inc()
		log.FromContext(ctx).Error(err, "A pod was left as it is")
		return allowed()
	}
	if change == nil {
		podsTotal.WithLabelValues("unchanged").Inc()
		return allowed()
	}
	podsTotal.WithLabelValues("changed").Inc()
	response := allowed()
	response.Patch, response.PatchType = change, new(admissionv1.PatchTypeJSONPatch)
	return response
}

func allowed() admission.Response {
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Allowed: true}}
}

// change returns the patch for the pod, or nil if policies leave it as it is.
func (h *Handler) change(ctx context.Context, request *admission.Request) ([]byte, error) {
	if request.Operation != admissionv1.Create || request.SubResource != "" {
		return nil, nil
	}
	policies := h.Policies.Current()
	if len(policies) == 0 {
		return nil, nil
	}
	pod := &corev1.Pod{}
	if err := json.Unmarshal(request.Object.Raw, pod); err != nil {
		return nil, fmt.Errorf("decode pod %s/%s: %w", request.Namespace, request.Name, err)
	}
	pod.Namespace = request.Namespace
	around := podpolicy.Surroundings{PriorityClasses: h.Classes(), QueueClasses: h.QueueClasses()}
	var err error
	if around.Namespace, err = h.namespace(ctx, request.Namespace); err != nil {
		return nil, fmt.Errorf("decide about pod %s: %w", nameOf(pod), err)
	}
	result := h.apply(ctx, pod, &around, policies)
	for _, problem := range result.Problems {
		problemsTotal.WithLabelValues(problem.Policy, problem.Reason).Inc()
		h.Tell(nameOf(pod), problem)
	}
	if len(result.Changes) == 0 {
		return nil, nil
	}
	change, err := patch(pod, result.Pod)
	if err != nil {
		return nil, fmt.Errorf("change pod %s: %w", nameOf(pod), err)
	}
	return change, nil
}

// apply asks the policies, and looks around for what those that match want to know. That others match then, which want more, ends
// soon: there is not more than the two things to know.
func (h *Handler) apply(ctx context.Context, pod *corev1.Pod, around *podpolicy.Surroundings, policies []*podpolicy.Policy) podpolicy.Result {
	for looks := 0; ; looks++ {
		result := podpolicy.Apply(ctx, pod, *around, policies)
		missing := result.Wants.Workload && around.Workload == nil || result.Wants.Firm && around.Firm == nil
		if !missing || h.Look == nil || looks == 2 {
			return result
		}
		if err := h.Look(ctx, pod, result.Wants, around); err != nil { // the pod still gets what does not depend on it
			podsTotal.WithLabelValues("unseen").Inc()
			log.FromContext(ctx).Error(err, "Not all that a pod belongs to could be read", "pod", nameOf(pod))
		}
	}
}

// namespace returns what matters of a namespace. One that was created a moment ago may be missing from what has been watched.
func (h *Handler) namespace(ctx context.Context, name string) (podpolicy.Namespace, error) {
	namespace := &corev1.Namespace{}
	err := h.Reader.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		err = h.Live.Get(ctx, client.ObjectKey{Name: name}, namespace)
	}
	if err != nil {
		return podpolicy.Namespace{}, fmt.Errorf("read namespace %s: %w", name, err)
	}
	return podpolicy.Namespace{Name: name, Labels: namespace.Labels}, nil
}

// nameOf names a pod, as far as it has a name when it is created.
func nameOf(pod *corev1.Pod) string {
	if pod.Name == "" {
		return pod.Namespace + "/" + pod.GenerateName + "*"
	}
	return pod.Namespace + "/" + pod.Name
}
