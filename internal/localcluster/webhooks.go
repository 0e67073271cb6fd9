package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/manifests"
	"github.com/muster-scheduling/muster/webhooks"
)

// installPodPolicies creates the default PodPolicies and what they name. Those
// that an older start left in the data directory stay as they are: they may have
// been changed since. The namespace is where the manager keeps its certificate.
func installPodPolicies(ctx context.Context, config *rest.Config) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, schedulingv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("install pod policies: %w", err)
		}
	}
	objects, err := readObjects(manifests.PodPolicies, serializer.NewCodecFactory(scheme).UniversalDeserializer())
	if err != nil {
		return err
	}
	creator, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("install pod policies: %w", err)
	}
	objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}})
	for _, object := range objects {
		if err := creator.Create(ctx, object.(client.Object)); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install pod policies: %w", err)
		}
	}
	return nil
}

// publishWebhooks tells the API server where the manager's webhooks are now:
// there is nothing that routes services. Whom to trust the manager would add by
// itself; it is told at once so that no call fails meanwhile.
func (c *Cluster) publishWebhooks(ctx context.Context) error {
	clients, err := kubernetes.NewForConfig(c.client)
	if err != nil {
		return fmt.Errorf("publish the webhooks: %w", err)
	}
	secret, err := clients.CoreV1().Secrets(systemNamespace).Get(ctx, webhooks.CertificateSecret, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("publish the webhooks: %w", err)
	}
	locate := func(config *admissionv1.WebhookClientConfig) {
		address := net.JoinHostPort("localhost", strconv.Itoa(c.webhookPort))
		config.URL = new("https://" + path.Join(address, *config.Service.Path))
		config.Service, config.CABundle = nil, secret.Data["ca.crt"]
	}
	objects, err := readObjects(manifests.Webhooks, clientscheme.Codecs.UniversalDeserializer())
	if err != nil {
		return err
	}
	for _, object := range objects {
		switch object := object.(type) {
		case *admissionv1.MutatingWebhookConfiguration:
			for i := range object.Webhooks {
				locate(&object.Webhooks[i].ClientConfig)
			}
			err = apply(ctx, clients.AdmissionregistrationV1().MutatingWebhookConfigurations(), object)
		case *admissionv1.ValidatingWebhookConfiguration:
			for i := range object.Webhooks {
				locate(&object.Webhooks[i].ClientConfig)
			}
			err = apply(ctx, clients.AdmissionregistrationV1().ValidatingWebhookConfigurations(), object)
		}
		if err != nil {
			return fmt.Errorf("publish the webhooks: %w", err)
		}
	}
	return nil
}

// waitWebhooks returns once the API server calls the manager when a pod is
// created, if the manager runs. It creates none to find out.
func (c *Cluster) waitWebhooks(ctx context.Context) error {
	if c.manager.part == nil {
		return nil
	}
	clients, err := kubernetes.NewForConfig(c.client)
	if err != nil {
		return fmt.Errorf("wait for the webhooks: %w", err)
	}
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "webhook-probe-"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "none", Image: "none"}}},
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	before, err := webhookCalls()
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := c.manager.part.ended(); err != nil {
			return false, err
		}
		_, last = clients.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		calls, err := webhookCalls()
		return calls > before, err
	})
	if err != nil {
		return fmt.Errorf("wait for the API server to call the webhooks: %w", errors.Join(err, last))
	}
	return nil
}

// webhookCalls is how often pods were put before the webhooks of this process.
func webhookCalls() (float64, error) {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return 0, fmt.Errorf("count calls of the webhooks: %w", err)
	}
	calls := 0.0
	for _, family := range families {
		if family.GetName() == "muster_pod_policies_pods_total" {
			for _, series := range family.GetMetric() {
				calls += series.GetCounter().GetValue()
			}
		}
	}
	return calls, nil
}
