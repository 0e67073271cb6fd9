package podpolicy

import (
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// answer is what is known of an expression without asking CEL.
type answer int8

const (
	unknown answer = iota
	no
	yes
)

func answerOf(holds bool) answer {
	if holds {
		return yes
	}
	return no
}

// quick answers an expression, or a part of it, from the fields that expressions are mostly about: labels, annotations and names. A
// nil quick knows nothing. What it answers is what CEL would: where CEL would fail, such as on a label that is not there, it does
// not know. A part that is known is often enough, for && and || ask for no more: of a thousand policies, CEL is asked for few.
type quick func(*subject) answer

// ask answers with what there is.
func (q quick) ask(s *subject) answer {
	if q == nil {
		return unknown
	}
	return q(s)
}

// quickOf reads a part of an expression that should be true or false.
func quickOf(e celast.Expr) quick {
	switch e.Kind() {
	case celast.LiteralKind:
		if literal, ok := e.AsLiteral().(types.Bool); ok {
			return func(*subject) answer { return answerOf(bool(literal)) }
		}
	case celast.SelectKind:
		if e.AsSelect().IsTestOnly() {
			return quickHas(e)
		}
	case celast.CallKind:
		return quickCall(e.AsCall())
	}
	return nil
}

func quickCall(call celast.CallExpr) quick {
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return decidedBy(no, args)
	case operators.LogicalOr:
		return decidedBy(yes, args)
	case operators.LogicalNot:
		of := quickOf(args[0])
		if of == nil {
			return nil
		}
		return func(s *subject) answer { return [...]answer{unknown: unknown, no: yes, yes: no}[of(s)] }
	case operators.In:
		return quickIn(args[0], args[1])
	case operators.Equals:
		return quickEquals(args[0], args[1], true)
	case operators.NotEquals:
		return quickEquals(args[0], args[1], false)
	}
	return nil
}

// decidedBy is && or ||: one part decides it, whatever the others are, else all have to be known.
func decidedBy(decisive answer, args []celast.Expr) quick {
	parts, known := make([]quick, len(args)), false
	for i, arg := range args {
		parts[i] = quickOf(arg)
		known = known || parts[i] != nil
	}
	if !known {
		return nil
	}
	return func(s *subject) answer {
		all := yes + no - decisive
		for _, part := range parts {
			switch part.ask(s) {
			case decisive:
				return decisive
			case unknown:
				all = unknown
			}
		}
		return all
	}
}

// quickHas is has(pod.metadata.labels) and the like.
func quickHas(e celast.Expr) quick {
	selected := e.AsSelect()
	of := selected.Operand()
	if isField(of, "pod", "metadata") {
		switch selected.FieldName() {
		case "labels":
			return func(s *subject) answer { return answerOf(len(s.pod.Labels) > 0) }
		case "annotations":
			return func(s *subject) answer { return answerOf(len(s.pod.Annotations) > 0) }
		}
	}
	return nil
}

// quickIn is 'key' in pod.metadata.labels, or pod.spec.schedulerName in ['a', 'b'].
func quickIn(what, where celast.Expr) quick {
	text := textOf(what)
	if text == nil {
		return nil
	}
	if of := mapOf(where); of != nil {
		return func(s *subject) answer {
			key, known := text(s)
			in := of(s)
			if !known || in == nil {
				return unknown
			}
			_, there := in[key]
			return answerOf(there)
		}
	}
	if where.Kind() != celast.ListKind {
		return nil
	}
	among := map[string]bool{}
	for _, element := range where.AsList().Elements() {
		if element.Kind() != celast.LiteralKind {
			return nil
		}
		literal, ok := element.AsLiteral().(types.String)
		if !ok {
			return nil
		}
		among[string(literal)] = true
	}
	if len(where.AsList().OptionalIndices()) > 0 {
		return nil
	}
	return func(s *subject) answer {
		value, known := text(s)
		if !known {
			return unknown
		}
		return answerOf(among[value])
	}
}

func quickEquals(a, b celast.Expr, wanted bool) quick {
	left, right := textOf(a), textOf(b)
	if left == nil || right == nil {
		return nil
	}
	return func(s *subject) answer {
		x, known := left(s)
		y, alsoKnown := right(s)
		if !known || !alsoKnown {
			return unknown
		}
		return answerOf((x == y) == wanted)
	}
}
