package podpolicy

import (
	"slices"

	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// plainFunctions cost next to nothing each, whatever the pod is.
var plainFunctions = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.Index, operators.In,
	operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.OptSelect, operators.OptIndex,
	"orValue", "hasValue", "startsWith", "endsWith", "size",
}

// isPlain says whether an expression costs so little for every pod that its cost need not be counted, which takes CEL several times
// as long as the expression itself: one without loops and patterns that compares with literals only.
func isPlain(ast *celast.AST) bool {
	for _, e := range celast.MatchDescendants(celast.NavigateAST(ast), celast.AllMatcher()) {
		switch e.Kind() {
		case celast.LiteralKind, celast.IdentKind, celast.SelectKind, celast.ListKind, celast.MapKind:
		case celast.CallKind:
			call := e.AsCall()
			if !slices.Contains(plainFunctions, call.FunctionName()) && !comparesWithLiteral(call) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func comparesWithLiteral(call celast.CallExpr) bool {
	return (call.FunctionName() == operators.Equals || call.FunctionName() == operators.NotEquals) &&
		slices.ContainsFunc(call.Args(), func(arg celast.Expr) bool { return arg.Kind() == celast.LiteralKind })
}
