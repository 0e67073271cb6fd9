// Package kube reads the user's kubeconfig, and objects from the cluster that it names. It knows no types but those that
// its callers ask for: a client for every kind of Kubernetes would be most of the program.
package kube

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long one request to the API server may take.
const patience = 30 * time.Second

// Flags are the flags of kubectl that say which cluster and namespace is meant, and as whom.
type Flags struct {
	kubeconfig, context, namespace string
}

// Add adds the flags to a command's.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "path of the kubeconfig file (default $KUBECONFIG, else ~/.kube/config)")
	flags.StringVar(&f.context, "context", "", "the context of the kubeconfig to use")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "the namespace (default that of the context)")
}

// Load returns how to reach the API server, and the namespace. It fails where the kubeconfig cannot be read or names no
// cluster.
func (f *Flags) Load() (*rest.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: f.context}
	overrides.Context.Namespace = f.namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("reading the namespace from the kubeconfig: %w", err)
	}
	config.Timeout = patience
	config.UserAgent = "kubectl-muster"
	return config, namespace, nil
}
