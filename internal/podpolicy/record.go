package podpolicy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const (
	maxRecordedChanges = 100
	maxRecordedValue   = 200             // bytes
	maxAnnotations     = 256 * (1 << 10) // bytes, keys and values of all annotations of an object: the API server's limit
)

// record is what the annotation v1alpha1.PodPoliciesAnnotation holds.
type record struct {
	// Policies are the names of all policies that were chosen, also those that found nothing to change.
	Policies []string `json:"policies"`

	// Changes are the first of them, and More the number of those that there was no room for. Long values are cut short.
	Changes []Change `json:"changes"`
	More    int      `json:"more,omitempty"`
}

// withoutRecord returns a copy of the pod without the annotation, and what this said. What is not readable says nothing.
func withoutRecord(pod *corev1.Pod) (*corev1.Pod, record) {
	var before record
	text, present := pod.Annotations[v1alpha1.PodPoliciesAnnotation]
	if !present {
		return pod, before
	}
	if json.Unmarshal([]byte(text), &before) != nil {
		before = record{}
	}
	bare := *pod
	bare.Annotations = maps.Clone(pod.Annotations)
	delete(bare.Annotations, v1alpha1.PodPoliciesAnnotation)
	return &bare, before
}

// writeRecord puts the annotation on the pod: what an earlier one said, and what was changed since.
func writeRecord(pod *corev1.Pod, before record, policies []string, changes []Change) {
	after := record{Policies: policies, More: max(before.More, 0)}
	for _, change := range slices.Concat(before.Changes, changes) {
		if len(after.Changes) == maxRecordedChanges {
			after.More++
			continue
		}
		change.From, change.To = clip(change.From), clip(change.To)
		after.Changes = append(after.Changes, change)
	}
	text, err := json.Marshal(after)
	if err != nil { // strings and numbers only: it cannot be
		return
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[v1alpha1.PodPoliciesAnnotation] = string(text)
}

// clip cuts a long value, at the start of a character.
func clip(value string) string {
	if len(value) <= maxRecordedValue {
		return value
	}
	return strings.ToValidUTF8(value[:maxRecordedValue-len("…")], "") + "…"
}

// annotationsFit says whether the API server would take the pod's annotations.
func annotationsFit(pod *corev1.Pod) bool {
	size := 0
	for key, value := range pod.Annotations {
		size += len(key) + len(value)
	}
	return size <= maxAnnotations
}
