// Package trial finds the queue of a trial's experiment where the owners of the pod do not lead there.
package trial

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

const (
	// trialLabel is what Katib gives the pods of a trial, experimentLabel what it gives Trials.
	trialLabel      = "katib.kubeflow.org/trial"
	experimentLabel = "katib.kubeflow.org/experiment"
)

var version = schema.GroupVersion{Group: "kubeflow.org", Version: "v1beta1"}

// Look adds the queue of the experiment to the surroundings of a trial's pod, by the labels of Katib: some kinds of jobs make pods
// that do not name what they were made for. What a nearer owner says stays.
func Look(ctx context.Context, r client.Reader, pod *corev1.Pod, all []workload.Owner, around *podpolicy.Surroundings) error {
	name := pod.Labels[trialLabel]
	if name == "" || around.Workload == nil || around.Workload.Queue != "" {
		return nil
	}
	for _, owner := range all {
		if owner.Kind == "Experiment" {
			return nil
		}
	}
	trial, err := read(ctx, r, "Trial", pod.Namespace, name)
	if trial == nil || err != nil {
		return err
	}
	around.Workload.Queue = trial.Labels[v1alpha1.QueueLabel]
	experiment := trial.Labels[experimentLabel]
	if around.Workload.Queue != "" || experiment == "" {
		return nil
	}
	found, err := read(ctx, r, "Experiment", pod.Namespace, experiment)
	if found == nil || err != nil {
		return err
	}
	around.Workload.Queue = found.Labels[v1alpha1.QueueLabel]
	return nil
}

// read returns nil where there is no such object, or none that may be read.
func read(ctx context.Context, r client.Reader, kind, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(version.WithKind(kind))
	err := r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read %s %s/%s: %w", kind, namespace, name, err)
	}
	return object, nil
}
