package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/muster-scheduling/muster/webhooks"
)

// Whatever happens to the webhooks, objects are created, and soon.
func TestWebhooksFailOpen(t *testing.T) {
	objects := build(t)
	check := func(name string, policy *admissionv1.FailurePolicyType, timeout *int32, effects *admissionv1.SideEffectClass) {
		if policy == nil || *policy != admissionv1.Ignore || timeout == nil || *timeout > 5 || effects == nil || *effects != admissionv1.SideEffectClassNone {
			t.Errorf("%s: failurePolicy %v, timeoutSeconds %v, sideEffects %v", name, policy, timeout, effects)
		}
	}
	for _, w := range named[*admissionv1.MutatingWebhookConfiguration](t, objects, webhooks.Configuration).Webhooks {
		check(w.Name, w.FailurePolicy, w.TimeoutSeconds, w.SideEffects)
		if *w.TimeoutSeconds > 3 || w.ReinvocationPolicy == nil || *w.ReinvocationPolicy != admissionv1.IfNeededReinvocationPolicy {
			t.Errorf("%s: timeoutSeconds %d, reinvocationPolicy %v", w.Name, *w.TimeoutSeconds, w.ReinvocationPolicy)
		}
		selector, err := metav1.LabelSelectorAsSelector(w.NamespaceSelector)
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []string{metav1.NamespaceSystem, namespace} {
			if selector.Matches(labels.Set{corev1.LabelMetadataName: left}) {
				t.Errorf("%s: is called for pods of %s", w.Name, left)
			}
		}
	}
	for _, w := range named[*admissionv1.ValidatingWebhookConfiguration](t, objects, webhooks.Configuration).Webhooks {
		check(w.Name, w.FailurePolicy, w.TimeoutSeconds, w.SideEffects)
	}
}

// The API server calls a port of the manager's pods, by a Service that selects them.
func TestWebhooksAreServed(t *testing.T) {
	objects := build(t)
	manager := named[*appsv1.Deployment](t, objects, "muster-manager").Spec.Template
	service := named[*corev1.Service](t, objects, "muster-webhooks")
	if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(manager.Labels)) || len(service.Spec.Selector) == 0 {
		t.Errorf("the Service selects %v, the manager's pods have %v", service.Spec.Selector, manager.Labels)
	}
	container := manager.Spec.Containers[0]
	served := slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool {
		return p.Name == service.Spec.Ports[0].TargetPort.StrVal && slices.Contains(container.Args, "--webhook-bind-address=:9443") && p.ContainerPort == 9443
	})
	if !served {
		t.Errorf("no port of %+v is the webhooks'", container.Ports)
	}
	called := func(name string, c admissionv1.WebhookClientConfig) {
		if c.Service == nil || c.Service.Name != service.Name || c.Service.Namespace != service.Namespace || *c.Service.Port != service.Spec.Ports[0].Port {
			t.Errorf("%s: calls %+v", name, c.Service)
		}
		if len(c.CABundle) > 0 {
			t.Errorf("%s: whom to trust is the manager's to say", name)
		}
	}
	for _, w := range named[*admissionv1.MutatingWebhookConfiguration](t, objects, webhooks.Configuration).Webhooks {
		called(w.Name, w.ClientConfig)
	}
	for _, w := range named[*admissionv1.ValidatingWebhookConfiguration](t, objects, webhooks.Configuration).Webhooks {
		called(w.Name, w.ClientConfig)
	}
}

// With cert-manager the manager reads what that makes, and may not write a Secret of its own.
func TestCertManagerTakesTheCertificateOver(t *testing.T) {
	folder := t.TempDir()
	overlay := "resources: [" + relative(t, folder, installation) + "]\ncomponents: [" + relative(t, folder, "../../manifests/cert-manager") + "]\n"
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	for part, times := range map[string]int{
		"cert-manager.io/inject-ca-from: muster-system/muster-webhooks": 2, // both configurations
		"- --webhook-cert-dir=/certificates":                            1,
		"secretName: muster-webhook-certificates":                       2, // the Certificate's, and the volume's
		"- muster-webhooks.muster-system.svc":                           1,
		"- " + webhooks.CertificateSecret:                               0, // in a rule
	} {
		if got := strings.Count(string(text), part); got != times {
			t.Errorf("%q is there %d times, want %d", part, got, times)
		}
	}
}

func relative(t *testing.T, from, to string) string {
	t.Helper()
	absolute, err := filepath.Abs(to)
	if err != nil {
		t.Fatal(err)
	}
	way, err := filepath.Rel(from, absolute)
	if err != nil {
		t.Fatal(err)
	}
	return way
}
