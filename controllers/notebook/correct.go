package notebook

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// correctSet returns what an existing StatefulSet has to become, or nil if it is right. What the API server has filled in
// and what others have added where the notebook says nothing is right.
func correctSet(existing, wanted *appsv1.StatefulSet) *appsv1.StatefulSet {
	changed := false
	next := existing.DeepCopy()
	if existing.Annotations[templateAnnotation] != wanted.Annotations[templateAnnotation] ||
		!equality.Semantic.DeepDerivative(wanted.Spec.Template, existing.Spec.Template) {
		next.Spec.Template = *wanted.Spec.Template.DeepCopy()
		if next.Annotations == nil {
			next.Annotations = map[string]string{}
		}
		next.Annotations[templateAnnotation] = wanted.Annotations[templateAnnotation]
		changed = true
	}
	if existing.Spec.Replicas == nil || *existing.Spec.Replicas != *wanted.Spec.Replicas {
		next.Spec.Replicas = new(*wanted.Spec.Replicas)
		changed = true
	}
	if labels, missing := withName(existing.Labels, wanted.Name); missing {
		next.Labels = labels
		changed = true
	}
	if !changed {
		return nil
	}
	return next
}

// correctService is the same for the Service.
func correctService(existing, wanted *corev1.Service) *corev1.Service {
	changed := false
	next := existing.DeepCopy()
	if existing.Spec.Type == corev1.ServiceTypeExternalName { // it would lead away from the notebook
		next.Spec.Type, next.Spec.ExternalName = corev1.ServiceTypeClusterIP, ""
		changed = true
	}
	if !equality.Semantic.DeepEqual(existing.Spec.Selector, wanted.Spec.Selector) {
		next.Spec.Selector = wanted.Spec.Selector
		changed = true
	}
	if len(existing.Spec.Ports) != 1 || !equality.Semantic.DeepDerivative(wanted.Spec.Ports, existing.Spec.Ports) {
		next.Spec.Ports = wanted.Spec.Ports
		changed = true
	}
	if labels, missing := withName(existing.Labels, wanted.Name); missing {
		next.Labels = labels
		changed = true
	}
	if !changed {
		return nil
	}
	return next
}

// withName returns labels by which the controller's cache finds what is a notebook's, and whether they were missing:
// Kubeflow's controller did not set them.
func withName(labels map[string]string, name string) (map[string]string, bool) {
	if labels[notebookv1.NotebookNameLabel] == name {
		return labels, false
	}
	all := map[string]string{}
	for key, value := range labels {
		all[key] = value
	}
	all[notebookv1.NotebookNameLabel] = name
	return all, true
}
