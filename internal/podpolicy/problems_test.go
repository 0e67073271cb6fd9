package podpolicy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// What is wrong with a policy is told, and the other policies are followed.
func TestProblemsOfAPod(t *testing.T) {
	for name, c := range map[string]struct {
		policy string
		reason string
		says   string
	}{
		"a label that the pod lacks": {
			"match: {expression: \"pod.metadata.labels['team'] == 'a'\"}\nset: {queue: {value: q}}",
			v1alpha1.ReasonExpressionFailed, "no such key",
		},
		"a field of another type": {
			"match: {expression: pod.spec.containers + 1 > 2}\nset: {queue: {value: q}}",
			v1alpha1.ReasonExpressionFailed, "no such overload",
		},
		"no yes or no": {
			"match: {expression: pod.spec.containers}\nset: {queue: {value: q}}",
			v1alpha1.ReasonExpressionFailed, "it gives list, not bool",
		},
		"too much work": {
			"match: {expression: 'pod.spec.containers.all(a, pod.spec.containers.all(b, pod.spec.containers.all(c, a.name + b.name + c.name != \"\")))'}\nset: {queue: {value: q}}",
			v1alpha1.ReasonExpressionFailed, "cost limit",
		},
		"no such priority class": {
			"match: {expression: 'true'}\nset: {priorityClassName: {value: gone}}",
			v1alpha1.ReasonNoPriorityClass, `there is no PriorityClass "gone"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(100)
			result := Apply(t.Context(), pod, Surroundings{}, compile(t, c.policy, "match: {expression: 'true'}\nset: {schedulerName: {value: muster}}"))
			if result.Pod.Spec.SchedulerName != "muster" || result.Pod.Labels[v1alpha1.QueueLabel] != "" {
				t.Errorf("got scheduler %q and labels %v", result.Pod.Spec.SchedulerName, result.Pod.Labels)
			}
			if len(result.Problems) != 1 || result.Problems[0].Policy != "p0" || result.Problems[0].Reason != c.reason || !strings.Contains(result.Problems[0].Error(), c.says) {
				t.Errorf("problems %v, expected %s: %q", result.Problems, c.reason, c.says)
			}
		})
	}
}

// What one operation costs has no bound of its own: two maps are compared as a whole. So an expression also ends with the time
// that its caller has, and the others are followed.
func TestExpressionEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	policies := compile(t, "match: {expression: 'pod.spec.containers.all(c, pod.spec == pod.spec)'}\nset: {queue: {value: q}}", "match: {expression: 'true'}\nset: {schedulerName: {value: muster}}")
	result := Apply(ctx, podOf(100), Surroundings{}, policies)
	if result.Pod.Spec.SchedulerName != "muster" || result.Pod.Labels[v1alpha1.QueueLabel] != "" {
		t.Errorf("got scheduler %q and labels %v", result.Pod.Spec.SchedulerName, result.Pod.Labels)
	}
	if len(result.Problems) != 1 || result.Problems[0].Policy != "p0" || !strings.Contains(result.Problems[0].Error(), "interrupted") {
		t.Errorf("problems %v", result.Problems)
	}
}

// podOf returns a pod with so many containers.
func podOf(containers int) *corev1.Pod {
	pod := &corev1.Pod{}
	for i := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i)})
	}
	return pod
}

// An expression that looks at each of 100 containers stays within its bound.
func TestManyContainersAreNoProblem(t *testing.T) {
	policies := compile(t, "match: {expression: \"!pod.spec.containers.exists(c, 'nvidia.com/gpu' in c.?resources.?limits.orValue({}))\"}\nset: {sharedMemory: {}, env: [{name: A, value: x}]}")
	result := Apply(t.Context(), podOf(100), Surroundings{}, policies)
	if len(result.Problems) > 0 || len(result.Changes) != 2 || result.Changes[0].Containers != 100 || result.Changes[1].Containers != 100 {
		t.Errorf("changes %+v, problems %v", result.Changes, result.Problems)
	}
}

// The API server refuses pods with larger annotations, so these are left as they are.
func TestAnnotationsStayWithinTheLimit(t *testing.T) {
	pod := podOf(1)
	pod.Annotations = map[string]string{"a": strings.Repeat("x", maxAnnotations-10)}
	result := Apply(t.Context(), pod, Surroundings{}, compile(t, "match: {expression: 'true'}\nset: {schedulerName: {value: muster}}"))
	if result.Pod != pod || len(result.Changes) > 0 {
		t.Errorf("changes %+v", result.Changes)
	}
	if len(result.Problems) != 1 || result.Problems[0].Reason != v1alpha1.ReasonTooLarge {
		t.Errorf("problems %v", result.Problems)
	}
}

func TestCompileRefuses(t *testing.T) {
	set := func(text string) string { return "match: {expression: 'true'}\nset: {" + text + "}" }
	match := func(text string) string { return "match: {" + text + "}\nset: {}" }
	for name, c := range map[string]struct{ policy, reason, says string }{
		"no CEL":                     {match("expression: 'pod.'"), v1alpha1.ReasonInvalidExpression, "Syntax error"},
		"a number":                   {match("expression: '1'"), v1alpha1.ReasonInvalidExpression, "it gives int, not bool"},
		"an unknown variable":        {match("expression: 'node.spec.unschedulable'"), v1alpha1.ReasonInvalidExpression, "undeclared reference"},
		"an expression without end":  {match("expression: '" + strings.Repeat("(", 1000) + "'"), v1alpha1.ReasonInvalidExpression, ""},
		"a selector's operator":      {match("podSelector: {matchExpressions: [{key: a, operator: Like}]}"), v1alpha1.ReasonInvalidSelector, "podSelector"},
		"a namespace selector's key": {match("namespaceSelector: {matchLabels: {'a b': c}}"), v1alpha1.ReasonInvalidSelector, "namespaceSelector"},
		"a scheduler":                {set("schedulerName: {value: A_B}"), v1alpha1.ReasonInvalidSetting, "spec.set.schedulerName"},
		"a queue":                    {set("queue: {value: " + strings.Repeat("q", 64) + "}"), v1alpha1.ReasonInvalidSetting, "spec.set.queue"},
		"a class":                    {set("priorityClassName: {value: a b}"), v1alpha1.ReasonInvalidSetting, "spec.set.priorityClassName"},
		"a class of no name":         {set("priorityClassName: {}"), v1alpha1.ReasonInvalidSetting, "spec.set.priorityClassName"},
		"a gang of something else":   {set("gang: Namespace"), v1alpha1.ReasonInvalidSetting, `spec.set.gang: "Namespace" is not Workload`},
		"ranks of something else":    {set("ranks: Pod"), v1alpha1.ReasonInvalidSetting, `spec.set.ranks: "Pod" is not Workload`},
		"fewer than no firm pods":    {set("firm: {perUser: -1}"), v1alpha1.ReasonInvalidSetting, "must not be negative"},
		"the label of gangs":         {set("labels: [{key: " + v1alpha1.GangOfLabel + "}]"), v1alpha1.ReasonInvalidSetting, "but with gang"},
		"the name of a workload":     {set("annotations: [{key: " + v1alpha1.WorkloadAnnotation + "}]"), v1alpha1.ReasonInvalidSetting, "may not be set"},
		"a label":                    {set("labels: [{key: a, value: b c}]"), v1alpha1.ReasonInvalidSetting, "spec.set.labels"},
		"the label of opting out":    {set("labels: [{key: " + v1alpha1.SkipPodPoliciesLabel + "}]"), v1alpha1.ReasonInvalidSetting, "the users' own"},
		"an annotation":              {set("annotations: [{key: a b}]"), v1alpha1.ReasonInvalidSetting, "spec.set.annotations"},
		"the annotation that tells":  {set("annotations: [{key: " + v1alpha1.PodPoliciesAnnotation + "}]"), v1alpha1.ReasonInvalidSetting, "may not be set"},
		"a variable":                 {set("env: [{name: a=b}]"), v1alpha1.ReasonInvalidSetting, "spec.set.env"},
		"a field":                    {set("env: [{name: A, fieldPath: spec.containers}]"), v1alpha1.ReasonInvalidSetting, "no container can refer"},
		"a field and a value":        {set("env: [{name: A, fieldPath: metadata.name, value: x}]"), v1alpha1.ReasonInvalidSetting, "exclude each other"},
		"a toleration of no key":     {set("tolerations: [{value: x}]"), v1alpha1.ReasonInvalidSetting, "has the operator Exists"},
		"a toleration's operator":    {set("tolerations: [{key: a, operator: Gt, value: '1'}]"), v1alpha1.ReasonInvalidSetting, "is not Exists or Equal"},
		"a toleration's seconds":     {set("tolerations: [{key: a, tolerationSeconds: 5}]"), v1alpha1.ReasonInvalidSetting, "needs the effect NoExecute"},
		"less than no memory":        {set("sharedMemory: {sizeLimit: '-1'}"), v1alpha1.ReasonInvalidSetting, "must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(&v1alpha1.PodPolicy{Spec: *read[v1alpha1.PodPolicySpec](t, c.policy)})
			problem := new(Problem)
			if !errors.As(err, &problem) || problem.Reason != c.reason || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, expected %s: %q", err, c.reason, c.says)
			}
		})
	}
}
