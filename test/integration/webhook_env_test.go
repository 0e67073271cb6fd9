package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
	"github.com/muster-scheduling/muster/webhooks"
)

// foreign is a pod as another operator creates it: it names no scheduler, and runs until it is deleted.
func foreign(name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := pod(name, "", cpu(1), edits...)
	p.Spec.SchedulerName = ""
	return p
}

// wouldBe returns what would become of a pod if it were created now.
func (e *env) wouldBe(p *corev1.Pod) *corev1.Pod {
	e.Helper()
	asked := p.DeepCopy()
	asked.Namespace = cmp.Or(p.Namespace, e.namespace)
	e.do(e.client.Create(e.Context(), asked, client.DryRunAll))
	return asked
}

// told is what a pod tells about its policies.
type told struct {
	Policies []string           `json:"policies"`
	Changes  []podpolicy.Change `json:"changes"`
}

func (e *env) told(p *corev1.Pod) told {
	e.Helper()
	var t told
	if text, present := p.Annotations[schedulingv1alpha1.PodPoliciesAnnotation]; present {
		e.do(json.Unmarshal([]byte(text), &t))
	}
	return t
}

// expectUntouched checks that no policy had a say in a pod.
func (e *env) expectUntouched(what string, p *corev1.Pod) {
	e.Helper()
	if e.told(p).Policies != nil || p.Spec.SchedulerName != corev1.DefaultSchedulerName {
		e.Errorf("%s: got scheduler %s, annotations %v", what, p.Spec.SchedulerName, p.Annotations)
	}
}

// policy is a PodPolicy that goes with the test, for pods of its namespace that an expression picks.
func (e *env) policy(short, expression string, set schedulingv1alpha1.PodPolicySettings) *schedulingv1alpha1.PodPolicy {
	p := &schedulingv1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: e.namespace + "-" + short}}
	p.Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: e.namespace}}
	p.Spec.Match.Expression, p.Spec.Set = expression, set
	return p
}

// setsLabel lets a policy show that it was followed.
func setsLabel(key string) schedulingv1alpha1.PodPolicySettings {
	return schedulingv1alpha1.PodPolicySettings{Labels: []schedulingv1alpha1.PodPolicyLabel{{Key: key, Value: "yes"}}}
}

// expectPolicy waits until a policy says of itself that it is ready, or why it is not, and returns that.
func (e *env) expectPolicy(p *schedulingv1alpha1.PodPolicy, reason string) metav1.Condition {
	e.Helper()
	var found metav1.Condition
	e.eventually(fmt.Sprintf("policy %s is %s", p.Name, reason), func(context.Context) (bool, string) {
		fresh := now(e, p)
		if c := meta.FindStatusCondition(fresh.Status.Conditions, schedulingv1alpha1.PodPolicyReady); c != nil {
			found = *c
		}
		return found.Reason == reason && found.ObservedGeneration == fresh.Generation, fmt.Sprintf("%+v", found)
	})
	return found
}

// callWebhooksAt lets the API server call somebody else.
func (e *env) callWebhooksAt(address string, ca []byte) {
	e.Helper()
	configurations := e.clients.AdmissionregistrationV1().MutatingWebhookConfigurations()
	c, err := configurations.Get(e.Context(), webhooks.Configuration, metav1.GetOptions{})
	e.do(err)
	for i := range c.Webhooks {
		at, err := url.Parse(*c.Webhooks[i].ClientConfig.URL)
		e.do(err)
		at.Host = address
		c.Webhooks[i].ClientConfig.URL, c.Webhooks[i].ClientConfig.CABundle = new(at.String()), ca
	}
	_, err = configurations.Update(e.Context(), c, metav1.UpdateOptions{})
	e.do(err)
}

// webhookCalls is how many pods the manager of this process has been asked about.
func webhookCalls(t *testing.T) (calls float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "muster_pod_policies_pods_total" {
			for _, series := range family.GetMetric() {
				calls += series.GetCounter().GetValue()
			}
		}
	}
	return calls
}
