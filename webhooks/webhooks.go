// Package webhooks is what muster-manager answers the API server: it lists every webhook and serves them.
//
// All replicas serve, whichever of them leads.
package webhooks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/webhooks/certificates"
	"github.com/muster-scheduling/muster/webhooks/podgroups"
	"github.com/muster-scheduling/muster/webhooks/pods"
	"github.com/muster-scheduling/muster/webhooks/queues"
)

const (
	// Configuration is the name of the MutatingWebhookConfiguration and of the ValidatingWebhookConfiguration.
	Configuration = "muster"

	// CertificateSecret is the name of the Secret beside the Service that holds the certificate.
	CertificateSecret = "muster-webhook-certificates"
)

// Config says where the webhooks are served, and as whom.
type Config struct {
	// BindAddress is the address to listen on, such as :9443.
	BindAddress string

	// Service is the Service by which the API server calls. The certificate lies in its namespace.
	Service types.NamespacedName

	// HostNames are further names of the server.
	HostNames []string

	// CertDir, if it is set, holds tls.crt and tls.key, which somebody else makes, renews and tells the API server about.
	CertDir string

	// NoGangs leaves pods out of gangs, because nobody makes the PodGroups for which they would wait.
	NoGangs bool
}

// AddToScheme registers the types that webhooks handle, beside those of Kubernetes.
func AddToScheme(scheme *runtime.Scheme) error {
	return errors.Join(v1alpha1.AddToScheme(scheme), podgroupv1alpha1.AddToScheme(scheme))
}

// Setup adds all webhooks to a manager. What it returns fails until they can answer.
func Setup(ctx context.Context, m manager.Manager, config Config) (ready func() error, err error) {
	server, certified, err := newServer(m, config)
	if err != nil {
		return nil, err
	}
	forPods, forPolicies, known, err := pods.Setup(ctx, m, lookAround(m.GetAPIReader(), !config.NoGangs))
	if err != nil {
		return nil, fmt.Errorf("set up the webhook for pods: %w", err)
	}
	for path, handler := range map[string]http.Handler{
		"/pods":        forPods,
		"/podpolicies": forPolicies,
		"/podgroups":   podgroups.Setup(m),
		"/queues":      queues.Setup(m),
	} {
		server.Register(path, handler)
	}
	return func() error { return errors.Join(certified(), known()) }, nil
}

// newServer adds the server and, unless it has one already, its certificate.
func newServer(m manager.Manager, config Config) (server webhook.Server, certified func() error, err error) {
	host, text, err := net.SplitHostPort(config.BindAddress)
	if err != nil {
		return nil, nil, fmt.Errorf("read the webhooks' address: %w", err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return nil, nil, fmt.Errorf("read the webhooks' address %s: it needs a port from 1 to 65535", config.BindAddress)
	}
	options := webhook.Options{Host: host, Port: int(port), CertDir: config.CertDir}
	certified = func() error { return nil } // the server does not start without the files
	if config.CertDir == "" {
		keeper, err := certificates.Setup(m, certificates.Config{
			Secret:        types.NamespacedName{Namespace: config.Service.Namespace, Name: CertificateSecret},
			Names:         append([]string{config.Service.Name + "." + config.Service.Namespace + ".svc"}, config.HostNames...),
			Configuration: Configuration,
		})
		if err != nil {
			return nil, nil, err
		}
		options.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.GetCertificate = keeper.Get }}
		certified = func() error { return keeper.Check(time.Now()) }
	}
	server = webhook.NewServer(options)
	if err := m.Add(server); err != nil {
		return nil, nil, fmt.Errorf("add the webhook server: %w", err)
	}
	return server, certified, nil
}
