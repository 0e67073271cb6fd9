package podpolicy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

// costLimit bounds what one expression may cost for one pod, in the units of CEL's cost model: about one per operation, and
// more for those on long strings and lists. An expression that looks at each container of a pod with 100 of them costs
// some 4,000.
const costLimit = 50_000

// interruptCheck is after how many steps of its loops an expression looks whether its time is over: what CEL takes for one
// operation can be long, such as the comparison of two large maps.
const interruptCheck = 16

// environment is what all expressions are compiled in.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("pod", cel.DynType),
		cel.Variable("namespaceObject", cel.DynType),
		cel.OptionalTypes(),
		cel.ParserExpressionSizeLimit(8192),
	)
})

// expression is a CEL program over a pod and its namespace.
type expression struct {
	program cel.Program
	quick   quick
	reads   reads
}

func compileExpression(text string) (*expression, error) {
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("make the CEL environment: %w", err)
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	// What is read from a pod has no type before there is a pod.
	if out := ast.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("it gives %s, not bool", out)
	}
	limits := []cel.ProgramOption{cel.CostLimit(costLimit), cel.InterruptCheckFrequency(interruptCheck)}
	if isPlain(ast.NativeRep()) {
		limits = nil
	}
	program, err := env.Program(ast, limits...)
	if err != nil {
		return nil, err
	}
	return &expression{program, quickOf(ast.NativeRep().Expr()), readsOf(ast.NativeRep())}, nil
}

// holds evaluates the expression. It fails if that fails, costs more than costLimit, gives no bool, or is in a loop when the
// context ends.
func (e *expression) holds(ctx context.Context, variables map[string]any) (bool, error) {
	value, _, err := e.program.ContextEval(ctx, variables)
	if err != nil {
		return false, fmt.Errorf("evaluate spec.match.expression: %w", err)
	}
	holds, isBool := value.Value().(bool)
	if !isBool {
		return false, fmt.Errorf("evaluate spec.match.expression: it gives %s, not bool", value.Type().TypeName())
	}
	return holds, nil
}

// subject is a pod as the matching sees it. The form that expressions read is made when the first one asks.
type subject struct {
	pod       *corev1.Pod
	namespace Namespace
	variables map[string]any
	err       error
}

// asVariables returns what expressions know of the pod.
func (s *subject) asVariables() (map[string]any, error) {
	if s.variables == nil && s.err == nil {
		var pod map[string]any
		if pod, s.err = toMap(s.pod); s.err == nil {
			s.variables = map[string]any{
				"pod": pod,
				"namespaceObject": map[string]any{
					"metadata": map[string]any{"name": s.namespace.Name, "labels": s.namespace.Labels},
				},
			}
		}
	}
	return s.variables, s.err
}

// toMap returns the pod as in a manifest. The converter panics on what it cannot represent, such as a quantity with a
// corrupt value; that is an error of this pod.
func toMap(pod *corev1.Pod) (asMap map[string]any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read the pod: %v", r)
		}
	}()
	asMap, err = runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return nil, fmt.Errorf("read the pod: %w", err)
	}
	if asMap == nil {
		return nil, errors.New("read the pod: it is empty")
	}
	return asMap, nil
}

// matches says whether the policy is for the pod.
func (p *Policy) matches(ctx context.Context, s *subject) (bool, error) {
	if !p.picks(s) {
		return false, nil
	}
	if p.expression == nil {
		return true, nil
	}
	if known := p.expression.quick.ask(s); known != unknown {
		return known == yes, nil
	}
	variables, err := s.asVariables()
	if err != nil {
		return false, err
	}
	return p.expression.holds(ctx, variables)
}

// picks says whether the policy's selectors pick the pod.
func (p *Policy) picks(s *subject) bool {
	return p.picksNamespace(s.namespace) && p.podSelector.Matches(labels.Set(s.pod.Labels))
}

func (p *Policy) picksNamespace(namespace Namespace) bool {
	return p.namespaceSelector.Matches(labels.Set(namespace.Labels))
}
