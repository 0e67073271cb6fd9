package install

import (
	"context"
	"net"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// freeAddress is one on loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// routeWebhooks does what the cluster's network would: nothing routes services here. It has to be repeated when the manifests are
// applied again.
func (a admin) routeWebhooks(t *testing.T, address string) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	route := func(c *admissionv1.WebhookClientConfig) {
		if c.Service != nil {
			c.URL, c.Service = new("https://localhost:"+port+*c.Service.Path), nil
		}
	}
	configurations := a.clients.AdmissionregistrationV1()
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		mutating, err := configurations.MutatingWebhookConfigurations().Get(t.Context(), "muster", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range mutating.Webhooks {
			route(&mutating.Webhooks[i].ClientConfig)
		}
		_, err = configurations.MutatingWebhookConfigurations().Update(t.Context(), mutating, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		validating, err := configurations.ValidatingWebhookConfigurations().Get(t.Context(), "muster", metav1.GetOptions{})
		if err != nil {
			return err
		}
		for i := range validating.Webhooks {
			route(&validating.Webhooks[i].ClientConfig)
		}
		_, err = configurations.ValidatingWebhookConfigurations().Update(t.Context(), validating, metav1.UpdateOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// awaitWebhooks waits until pods get what the shipped policies say. The manager has made its certificate by then, told the API
// server whom to trust, and knows the policies.
func (a admin) awaitWebhooks(t *testing.T) {
	t.Helper()
	notebook := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "notebook-", Labels: map[string]string{"notebook-name": "ann"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
	said := ""
	if err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		pod, err := a.clients.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, notebook, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if said = pod.Spec.SchedulerName; err != nil {
			said = err.Error()
		}
		return said == schedulingv1alpha1.SchedulerName, nil
	}); err != nil {
		t.Fatalf("the webhook does not answer: %v, %s", err, said)
	}
}
