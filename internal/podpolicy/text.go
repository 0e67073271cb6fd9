package podpolicy

import (
	"slices"

	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	corev1 "k8s.io/api/core/v1"
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

// specNames are the fields of a pod's spec that are names. Manifests lack those that are empty.
var specNames = map[string]func(*corev1.PodSpec) string{
	"schedulerName":      func(s *corev1.PodSpec) string { return s.SchedulerName },
	"priorityClassName":  func(s *corev1.PodSpec) string { return s.PriorityClassName },
	"serviceAccountName": func(s *corev1.PodSpec) string { return s.ServiceAccountName },
	"nodeName":           func(s *corev1.PodSpec) string { return s.NodeName },
	"hostname":           func(s *corev1.PodSpec) string { return s.Hostname },
	"subdomain":          func(s *corev1.PodSpec) string { return s.Subdomain },
	"restartPolicy":      func(s *corev1.PodSpec) string { return string(s.RestartPolicy) },
}

// nameOf is pod.spec.schedulerName and the like, and namespaceObject.metadata.name.
func nameOf(e celast.Expr) text {
	if isField(e, "namespaceObject", "metadata", "name") {
		return func(s *subject) (string, bool) { return s.namespace.Name, true }
	}
	read := specNames[e.AsSelect().FieldName()]
	if read == nil || e.AsSelect().IsTestOnly() || !isField(e.AsSelect().Operand(), "pod", "spec") {
		return nil
	}
	return func(s *subject) (string, bool) {
		value := read(&s.pod.Spec)
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

// orValue is pod.metadata.?labels[?'key'].orValue(”), or pod.spec.?hostname.orValue(”).
func orValue(target, otherwise celast.Expr) text {
	value := textOf(otherwise)
	if value == nil || target.Kind() != celast.CallKind {
		return nil
	}
	if name := optionalNameOf(target.AsCall()); name != nil {
		return func(s *subject) (string, bool) {
			if name, there := name(s); there {
				return name, true
			}
			return value(s)
		}
	}
	if target.AsCall().FunctionName() != operators.OptIndex {
		return nil
	}
	of, key := optionalMapOf(target.AsCall().Args()[0]), textOf(target.AsCall().Args()[1])
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

// optionalNameOf is a name that may be missing: pod.spec.?hostname, pod.?spec.?hostname.
func optionalNameOf(call celast.CallExpr) text {
	of, field := optional(call)
	read, runtimeClass := specNames[field], field == "runtimeClassName"
	if read == nil && !runtimeClass || !isOptionalField(of, "spec") {
		return nil
	}
	return func(s *subject) (string, bool) {
		if runtimeClass {
			if s.pod.Spec.RuntimeClassName == nil {
				return "", false
			}
			return *s.pod.Spec.RuntimeClassName, true
		}
		value := read(&s.pod.Spec)
		return value, value != ""
	}
}

// optional returns what e.?field selects from, and the field; "" if the call is not that.
func optional(call celast.CallExpr) (of celast.Expr, field string) {
	if call.FunctionName() != operators.OptSelect || call.Args()[1].Kind() != celast.LiteralKind {
		return nil, ""
	}
	name, _ := call.Args()[1].AsLiteral().(types.String)
	return call.Args()[0], string(name)
}

// isOptionalField says whether an expression is pod.spec or pod.?spec, or that of the metadata: every pod has both.
func isOptionalField(e celast.Expr, part string) bool {
	if e.Kind() != celast.CallKind {
		return isField(e, "pod", part)
	}
	of, field := optional(e.AsCall())
	return field == part && of.Kind() == celast.IdentKind && of.AsIdent() == "pod"
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

// optionalMapOf reads labels or annotations that may be missing: pod.metadata.?labels, pod.?metadata.?labels.
func optionalMapOf(e celast.Expr) func(*subject) map[string]string {
	if e.Kind() != celast.CallKind {
		return nil
	}
	of, field := optional(e.AsCall())
	if field == "" || !isOptionalField(of, "metadata") {
		return nil
	}
	switch field {
	case "labels":
		return func(s *subject) map[string]string { return s.pod.Labels }
	case "annotations":
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
