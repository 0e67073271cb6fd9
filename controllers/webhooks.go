package controllers

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/muster-scheduling/muster/webhooks"
)

// webhookOptions is what the command line says about webhooks.
type webhookOptions struct {
	bindAddress string
	service     string
	hostNames   []string
	certDir     string
}

func (o *webhookOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.bindAddress, "webhook-bind-address", "0", "where the webhooks are served, by TLS, such as :9443; 0 for nowhere")
	flags.StringVar(&o.service, "webhook-service", "muster-system/muster-webhooks",
		"namespace and name of the Service by which the API server calls the webhooks; their certificate is kept in a Secret of its namespace")
	flags.StringSliceVar(&o.hostNames, "webhook-host-names", nil, "further names by which the API server may call the webhooks")
	flags.StringVar(&o.certDir, "webhook-cert-dir", "",
		"directory with tls.crt and tls.key, which somebody else renews and tells the API server about; empty to keep a certificate ourselves")
}

// setup adds the webhooks to a manager, unless they are switched off. The manager is ready when they can answer.
// Pods get gangs only if the manager makes their PodGroups.
func (o *webhookOptions) setup(ctx context.Context, m manager.Manager, gangs bool) error {
	if o.bindAddress == "0" {
		return nil
	}
	namespace, name, ok := strings.Cut(o.service, "/")
	if !ok || namespace == "" || name == "" {
		return fmt.Errorf("--webhook-service: %q is not NAMESPACE/NAME", o.service)
	}
	ready, err := webhooks.Setup(ctx, m, webhooks.Config{
		BindAddress: o.bindAddress,
		Service:     types.NamespacedName{Namespace: namespace, Name: name},
		HostNames:   o.hostNames,
		CertDir:     o.certDir,
		NoGangs:     !gangs,
	})
	if err != nil {
		return err
	}
	if err := m.AddReadyzCheck("webhooks", func(*http.Request) error { return ready() }); err != nil {
		return fmt.Errorf("adding /readyz: %w", err)
	}
	return nil
}
