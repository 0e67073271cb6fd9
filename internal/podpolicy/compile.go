package podpolicy

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// Policy is a PodPolicy that is ready to be applied. It does not change.
type Policy struct {
	name              string
	order             int32
	podSelector       labels.Selector
	namespaceSelector labels.Selector
	expression        *expression // nil: none
	set               v1alpha1.PodPolicySettings
}

// Problem is why a policy cannot be followed, or not for some pod.
type Problem struct {
	Policy string // the policy's name
	Reason string // one of v1alpha1's reasons of the condition Ready
	Err    error
}

// Error says which policy it is about, and what is wrong.
func (p *Problem) Error() string { return fmt.Sprintf("PodPolicy %s: %v", p.Policy, p.Err) }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Compile prepares a policy. It fails with a *Problem if the expression is no CEL or cannot be true or false, a selector is
// malformed, or a setting is one that the API server would not accept on a pod.
func Compile(policy *v1alpha1.PodPolicy) (*Policy, error) {
	compiled := &Policy{name: policy.Name, order: policy.Spec.Order}
	policy.Spec.Set.DeepCopyInto(&compiled.set)
	fail := func(reason string, err error) (*Policy, error) {
		return nil, &Problem{Policy: policy.Name, Reason: reason, Err: err}
	}
	var err error
	if compiled.podSelector, err = selector(policy.Spec.Match.PodSelector); err != nil {
		return fail(v1alpha1.ReasonInvalidSelector, fmt.Errorf("read spec.match.podSelector: %w", err))
	}
	if compiled.namespaceSelector, err = selector(policy.Spec.Match.NamespaceSelector); err != nil {
		return fail(v1alpha1.ReasonInvalidSelector, fmt.Errorf("read spec.match.namespaceSelector: %w", err))
	}
	if text := policy.Spec.Match.Expression; text != "" {
		if compiled.expression, err = compileExpression(text); err != nil {
			return fail(v1alpha1.ReasonInvalidExpression, fmt.Errorf("compile spec.match.expression: %w", err))
		}
	}
	if err := checkSettings(&compiled.set); err != nil {
		return fail(v1alpha1.ReasonInvalidSetting, err)
	}
	return compiled, nil
}

// selector reads a selector; one that is absent picks everything.
func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

// Sort puts policies in the order in which they are applied: by spec.order, then by name.
func Sort(policies []*Policy) {
	slices.SortFunc(policies, func(a, b *Policy) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.name, b.name))
	})
}
