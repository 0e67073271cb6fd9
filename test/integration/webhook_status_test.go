package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// A policy that cannot be followed is refused or, where nobody was there to refuse it, says so. Pods start in any case, and get
// what the others want.
func TestPoliciesThatCannotBeFollowed(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	broken := e.policy("broken", "pod.spec.containers.exists(", setsLabel("broken"))
	if err := e.client.Create(t.Context(), broken.DeepCopy()); err == nil || !strings.Contains(err.Error(), "compile spec.match.expression") {
		t.Errorf("a policy that does not compile was answered %v", err)
	}
	number := e.policy("number", "size(pod.spec.containers)", setsLabel("number"))
	e.withoutManager(func() {
		e.create(broken, number)
		e.expectUntouched("a pod that nobody was asked about", e.wouldBe(foreign("pod", podLabel(notebookLabel, "ann"))))
	})
	e.expectPolicy(broken, schedulingv1alpha1.ReasonInvalidExpression)
	e.expectPolicy(number, schedulingv1alpha1.ReasonInvalidExpression)

	// Three loops within each other over a hundred containers.
	costly := e.policy("costly", "pod.spec.containers.all(a, pod.spec.containers.all(b, pod.spec.containers.all(c, a.name != b.name || b.name != c.name || true)))", setsLabel("costly"))
	missing := e.policy("missing", "has(pod.spec.hostname) || pod.spec.subdomain == 'x'", setsLabel("missing"))
	sound := e.policy("sound", "true", setsLabel("sound"))
	e.create(costly, missing, sound)
	for _, p := range []*schedulingv1alpha1.PodPolicy{costly, missing, sound} {
		e.expectPolicy(p, schedulingv1alpha1.ReasonReady)
	}
	large := foreign("large")
	for i := range 99 {
		large.Spec.Containers = append(large.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c-%d", i), Image: "none"})
	}
	after := e.wouldBe(large)
	if after.Labels["sound"] != "yes" || after.Labels["costly"] != "" || after.Labels["broken"] != "" {
		t.Errorf("the pod has labels %v, want those of the policy that can be followed", after.Labels)
	}
	for p, says := range map[*schedulingv1alpha1.PodPolicy]string{costly: "cost limit", missing: "no such key"} {
		if c := e.expectPolicy(p, schedulingv1alpha1.ReasonExpressionFailed); !strings.Contains(c.Message, says) || !strings.Contains(c.Message, e.namespace+"/large") {
			t.Errorf("policy %s says %q, want %q and the pod", p.Name, c.Message, says)
		}
	}
	versions := now(e, costly).ResourceVersion + now(e, missing).ResourceVersion
	for range 20 {
		e.wouldBe(large)
	}
	e.createPods(foreign("runs"))
	if created := now(e, foreign("runs")); created.Labels["sound"] != "yes" {
		t.Errorf("the pod that was created has labels %v", created.Labels)
	}
	if versions != now(e, costly).ResourceVersion+now(e, missing).ResourceVersion {
		t.Error("the status was written again for every pod")
	}

	mended := now(e, missing)
	mended.Spec.Match.Expression = "pod.?spec.?subdomain.orValue('') == 'x'"
	e.do(e.client.Update(t.Context(), mended))
	e.expectPolicy(mended, schedulingv1alpha1.ReasonReady)
}

// A priority class that is not there is not set, the policy says so, and is ready when there is one.
func TestPolicyWithoutItsPriorityClass(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	set := setsLabel("told")
	set.PriorityClassName = &schedulingv1alpha1.PodPolicyInherited{Value: e.namespace}
	p := e.policy("class", "true", set)
	e.create(p)
	e.expectPolicy(p, schedulingv1alpha1.ReasonNoPriorityClass)
	if pod := e.wouldBe(foreign("pod")); pod.Spec.PriorityClassName != "" || pod.Labels["told"] != "yes" {
		t.Errorf("got class %q, labels %v", pod.Spec.PriorityClassName, pod.Labels)
	}
	e.create(&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}, Value: 7})
	e.expectPolicy(p, schedulingv1alpha1.ReasonReady)
	e.eventually("pods get the class", func(context.Context) (bool, string) {
		pod := e.wouldBe(foreign("pod"))
		return pod.Spec.PriorityClassName == e.namespace && *pod.Spec.Priority == 7, pod.Spec.PriorityClassName
	})
}
