package notebook

import (
	"encoding/json"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// correctSet returns what an existing StatefulSet has to become, or nil if it is right. What the API server has filled in
// and what others have added where the notebook says nothing is right.
func correctSet(existing, wanted *appsv1.StatefulSet) *appsv1.StatefulSet {
	changed := false
	next := existing.DeepCopy()
	if existing.Annotations[templateAnnotation] != wanted.Annotations[templateAnnotation] ||
		!covers(existing.Spec.Template, wanted.Spec.Template) {
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
	if !maps.Equal(existing.Spec.Selector, wanted.Spec.Selector) {
		next.Spec.Selector = wanted.Spec.Selector
		changed = true
	}
	if !covers(existing.Spec.Ports, wanted.Spec.Ports) {
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
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	all[notebookv1.NotebookNameLabel] = name
	return all, true
}

// covers says whether existing has all that wanted sets, as both are written in JSON: a field that is absent there, or
// zero, may have been filled in. Lists have to be as long as wanted. (equality.Semantic.DeepDerivative takes zero for set,
// and so would find fault with every probe, whose numbers the API server fills in.)
func covers[T any](existing, wanted T) bool {
	return contains(inJSON(existing), inJSON(wanted))
}

func inJSON(object any) any {
	data, err := json.Marshal(object)
	if err == nil {
		var value any
		if err = json.Unmarshal(data, &value); err == nil {
			return value
		}
	}
	panic("an object of the API cannot be encoded: " + err.Error()) // it was decoded from JSON
}

func contains(existing, wanted any) bool {
	switch wanted := wanted.(type) {
	case nil:
		return true
	case map[string]any:
		has, ok := existing.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range wanted {
			if !contains(has[key], value) {
				return false
			}
		}
		return true
	case []any:
		has, ok := existing.([]any)
		if !ok || len(has) != len(wanted) {
			return false
		}
		for i := range wanted {
			if !contains(has[i], wanted[i]) {
				return false
			}
		}
		return true
	}
	return existing == wanted
}
