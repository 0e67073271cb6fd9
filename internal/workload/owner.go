package workload

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Owner is one of the objects that a pod was created for: its Job, that one's JobSet, and so on.
type Owner struct {
	APIVersion, Kind, Name string
	UID                    types.UID
	Labels, Annotations    map[string]string

	// Object is the whole of an owner that is a workload; nil for others. It is shared.
	Object *unstructured.Unstructured
}

// First returns what the nearest of the owners says that says anything; "" where none does. They are in the order in which one leads
// to the next, nearest first.
func First(owners []Owner, said func(Owner) string) string {
	for _, owner := range owners {
		if text := said(owner); text != "" {
			return text
		}
	}
	return ""
}

// Label is for First: what owners say with a label.
func Label(key string) func(Owner) string {
	return func(o Owner) string { return o.Labels[key] }
}
