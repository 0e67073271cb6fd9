// Package training finds out what a pod is to its job: which gang it belongs to, and which rank it has. It is so for the pods of
// every Job, JobSet, LeaderWorkerSet and job of Kubeflow, whatever they do.
package training

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/internal/workload"
)

// Look adds the gang and the rank of a pod to its surroundings, if it has them. The workload is the farthest of its owners that
// is one: of a Job of a JobSet the JobSet.
func Look(_ context.Context, _ client.Reader, pod *corev1.Pod, all []workload.Owner, around *podpolicy.Surroundings) error {
	if around.Workload == nil {
		return nil
	}
	var object, job *unstructured.Unstructured
	for i, owner := range all {
		if owner.Object == nil {
			continue
		}
		if i == 0 {
			job = owner.Object
		}
		object = owner.Object
	}
	if object == nil {
		return nil
	}
	around.Workload.Ranks = workload.Ranks(object, job, pod)
	if gang, ok := workload.Of(object, workload.Pod{Name: pod.Name, Labels: pod.Labels}); ok {
		around.Workload.Gang = &podpolicy.Gang{PodGroup: gang.PodGroup(), Kind: strings.ToLower(gang.Kind), Workload: gang.String(), Role: workload.Role(object, pod)}
	}
	return nil
}
