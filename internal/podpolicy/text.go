package podpolicy

import (
	"slices"

	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// text is a part of an expression that is a string: its value, and whether there is one.
type text func(*subject) (value string, known bool)

// textOf reads a literal, a name, a label or an annotation, and one of these that may be missing; nil for all else.
func textOf(e celast.Expr) text {
	switch e.Kind() {
	case celast.LiteralKind:
		if literal, ok := e.AsLiteral().(types.String); ok {
			return func(*subject) (string, bool) { return string(literal), true }
		}
	case celast.SelectKind:
		return nameOf(e)
	case celast.CallKind:
		call := e.AsCall()
		switch {
		case call.FunctionName() == operators.Index:
			return entryOf(call.Args()[0], call.Args()[1])
		case call.FunctionName() == "orValue" && call.IsMemberFunction():
			return orValue(call.Target(), call.Args()[0])
		}
	}
	return nil
}

// nameOf is pod.spec.schedulerName and the like. What is empty is not there.
func nameOf(e celast.Expr) text {
	var read func(*subject) string
	switch {
	case isField(e, "pod", "spec", "schedulerName"):
		read = func(s *subject) string { return s.pod.Spec.SchedulerName }
	case isField(e, "pod", "spec", "priorityClassName"):
		read = func(s *subject) string { return s.pod.Spec.PriorityClassName }
	case isField(e, "pod", "spec", "serviceAccountName"):
		read = func(s *subject) string { return s.pod.Spec.ServiceAccountName }
	case isField(e, "namespaceObject", "metadata", "name"):
		return func(s *subject) (string, bool) { return s.namespace.Name, true }
	default:
		return nil
	}
	return func(s *subject) (string, bool) {
		value := read(s)
		return value, value != ""
	}
}

// entryOf is pod.metadata.labels['key'].
func entryOf(in, key celast.Expr) text {
	of, name := mapOf(in), textOf(key)
	if of == nil || name == nil {
		return nil
	}
	return func(s *subject) (string, bool) {
		key, known := name(s)
		value, there := of(s)[key]
		return value, known && there
	}
}

// orValue is pod.metadata.?labels[?'key'].orValue(”).
func orValue(target, otherwise celast.Expr) text {
	value := textOf(otherwise)
	if value == nil || target.Kind() != celast.CallKind || target.AsCall().FunctionName() != operators.OptIndex {
		return nil
	}
	in, key := target.AsCall().Args()[0], textOf(target.AsCall().Args()[1])
	of := optionalMapOf(in)
	if of == nil || key == nil {
		return nil
	}
	return func(s *subject) (string, bool) {
		name, known := key(s)
		if !known {
			return "", false
		}
		if value, there := of(s)[name]; there {
			return value, true
		}
		return value(s)
	}
}

// mapOf reads labels or annotations; what it returns is nil for a pod that has none, where CEL would fail.
func mapOf(e celast.Expr) func(*subject) map[string]string {
	switch {
	case isField(e, "pod", "metadata", "labels"):
		return func(s *subject) map[string]string { return nilIfEmpty(s.pod.Labels) }
	case isField(e, "pod", "metadata", "annotations"):
		return func(s *subject) map[string]string { return nilIfEmpty(s.pod.Annotations) }
	case isField(e, "namespaceObject", "metadata", "labels"):
		return func(s *subject) map[string]string {
			if s.namespace.Labels == nil {
				return map[string]string{}
			}
			return s.namespace.Labels
		}
	}
	return nil
}

// optionalMapOf reads labels or annotations that may be missing: pod.metadata.?labels.
func optionalMapOf(e celast.Expr) func(*subject) map[string]string {
	if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != operators.OptSelect {
		return nil
	}
	of, field := e.AsCall().Args()[0], e.AsCall().Args()[1]
	if !isField(of, "pod", "metadata") || field.Kind() != celast.LiteralKind {
		return nil
	}
	switch field.AsLiteral() {
	case types.String("labels"):
		return func(s *subject) map[string]string { return s.pod.Labels }
	case types.String("annotations"):
		return func(s *subject) map[string]string { return s.pod.Annotations }
	}
	return nil
}

// isField says whether an expression names a field of a variable, such as pod.metadata.labels.
func isField(e celast.Expr, variable string, path ...string) bool {
	for _, step := range slices.Backward(path) {
		if e.Kind() != celast.SelectKind || e.AsSelect().IsTestOnly() || e.AsSelect().FieldName() != step {
			return false
		}
		e = e.AsSelect().Operand()
	}
	return e.Kind() == celast.IdentKind && e.AsIdent() == variable
}

// nilIfEmpty is for fields that manifests lack when they are empty.
func nilIfEmpty(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}
