package query

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"

	"github.com/muster-scheduling/muster/internal/explain"
)

// prepare makes the pods of a question such as the API server would have let through: the scheduler's plugins rely on
// that, and no API server has seen them. It gives them UIDs of their own.
func prepare(question *explain.Question) error {
	pg, pods := question.PodGroup, question.Pods
	switch {
	case len(pods) == 0:
		return errors.New("the question has no pods")
	case pg == nil && len(pods) > 1:
		return fmt.Errorf("the question has %d pods but no PodGroup that makes them one gang", len(pods))
	case pg != nil && (pg.Name == "" || pg.Namespace == ""):
		return errors.New("the PodGroup of the question has no name, or no namespace")
	}
	for i := range pods {
		pod := &pods[i]
		if pg != nil && pod.Namespace != pg.Namespace {
			return fmt.Errorf("pod %s is of namespace %q, its PodGroup of %q", pod.Name, pod.Namespace, pg.Namespace)
		}
		// Neither where it runs nor how it fares is a question, and a job that does not exist has no UID.
		pod.Spec.NodeName, pod.Status, pod.OwnerReferences = "", corev1.PodStatus{Phase: corev1.PodPending}, nil
		if err := complete(pod); err != nil {
			return fmt.Errorf("pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		pod.UID = types.UID(fmt.Sprintf("muster-supposed-%d", i))
	}
	return nil
}

// complete sets the defaults of a pod and fails if it is not valid.
func complete(pod *corev1.Pod) error {
	corev1defaults.SetObjectDefaults_Pod(pod)
	var internal core.Pod
	if err := corev1defaults.Convert_v1_Pod_To_core_Pod(pod, &internal, nil); err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	return validation.ValidatePodCreate(&internal, options).ToAggregate()
}
