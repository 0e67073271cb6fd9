package podpolicy

import (
	"reflect"
	"slices"

	celast "github.com/google/cel-go/common/ast"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// reads says which fields of a pod an expression looks at, as two names, such as metadata.labels; nil says any.
//
// A pod is judged again when policies have changed it. What looked only at fields that are as they were need not be asked again.
type reads sets.Set[string]

// readsOf finds the fields. Wherever the pod is used in another way than by naming two fields, that is any.
func readsOf(ast *celast.AST) reads {
	fields := reads{}
	for _, ident := range celast.MatchDescendants(celast.NavigateAST(ast), celast.KindMatcher(celast.IdentKind)) {
		if ident.AsIdent() != "pod" {
			continue
		}
		outer, ok := ident.Parent()
		if !ok || outer.Kind() != celast.SelectKind {
			return nil
		}
		inner, ok := outer.Parent()
		if !ok || inner.Kind() != celast.SelectKind {
			return nil
		}
		fields[outer.AsSelect().FieldName()+"."+inner.AsSelect().FieldName()] = sets.Empty{}
	}
	return fields
}

// anyOf says whether the expression looks at one of the fields.
func (r reads) anyOf(fields []string) bool {
	return r == nil || slices.ContainsFunc(fields, func(field string) bool { return sets.Set[string](r).Has(field) })
}

// differences returns the fields that policies can change and in which the two pods differ.
func differences(a, b *corev1.Pod) []string {
	var fields []string
	for _, field := range []struct {
		name string
		same bool
	}{
		{"metadata.labels", reflect.DeepEqual(a.Labels, b.Labels)},
		{"metadata.annotations", reflect.DeepEqual(a.Annotations, b.Annotations)},
		{"spec.schedulerName", a.Spec.SchedulerName == b.Spec.SchedulerName},
		{"spec.priorityClassName", a.Spec.PriorityClassName == b.Spec.PriorityClassName},
		{"spec.priority", reflect.DeepEqual(a.Spec.Priority, b.Spec.Priority)},
		{"spec.preemptionPolicy", reflect.DeepEqual(a.Spec.PreemptionPolicy, b.Spec.PreemptionPolicy)},
		{"spec.containers", reflect.DeepEqual(a.Spec.Containers, b.Spec.Containers)},
		{"spec.tolerations", reflect.DeepEqual(a.Spec.Tolerations, b.Spec.Tolerations)},
		{"spec.volumes", reflect.DeepEqual(a.Spec.Volumes, b.Spec.Volumes)},
	} {
		if !field.same {
			fields = append(fields, field.name)
		}
	}
	return fields
}
