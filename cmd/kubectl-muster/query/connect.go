package query

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/muster-scheduling/muster/cmd/kubectl-muster/kube"
)

const (
	// namespace is that of an installation.
	namespace = "muster-system"

	// lease is the one that the leading scheduler holds.
	lease = "muster-scheduler"

	// addressMap is the ConfigMap in which a local cluster, whose scheduler is no pod, says where it listens: the keys
	// are "url" and "ca", PEM.
	addressMap = "muster-scheduler-address"

	// patience is how long the scheduler may take to answer. What-if for a gang of thousands takes seconds.
	patience = 2 * time.Minute
)

// Target says which scheduler is meant, and as whom it is asked.
type Target struct {
	// Config holds the user's credentials, and the way to the API server, which is asked where the scheduler is.
	Config *rest.Config

	// URL is the scheduler's address, https://host:port, if the user knows it; empty: it is looked for.
	URL string

	// CAFile is a PEM file with the certificates that vouch for URL; empty: those of the system.
	CAFile string
}

// Connect finds the leading scheduler: at the URL of the target; else in the pod that holds the lease, through a port
// forwarded by the API server; else where the ConfigMap of a local cluster says.
func Connect(ctx context.Context, target Target) (*Client, error) {
	if target.URL != "" {
		if err := checkURL(target.URL); err != nil {
			return nil, err
		}
		return newClient(credentials(target.Config, target.URL, rest.TLSClientConfig{CAFile: target.CAFile}), func() {})
	}
	if target.CAFile != "" {
		return nil, errors.New("a certificate authority is of use only for a scheduler whose address is given as well")
	}
	reader, err := kube.NewReader(target.Config)
	if err != nil {
		return nil, err
	}
	pod, err := leader(ctx, reader)
	if err != nil {
		return nil, err
	}
	if pod != nil {
		return throughPod(ctx, target.Config, pod)
	}
	return local(ctx, target.Config, reader)
}

// checkURL refuses what the credentials must not be sent to.
func checkURL(text string) error {
	parsed, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("the address of the scheduler: %w", err)
	}
	if parsed.Scheme != "https" || parsed.Host == "" {
		return fmt.Errorf("the address of the scheduler %q is not of the form https://host:port", text)
	}
	return nil
}

// leader returns the pod that holds the lease, nil if there is none.
func leader(ctx context.Context, reader *kube.Reader) (*corev1.Pod, error) {
	var held coordinationv1.Lease
	if err := reader.Get(ctx, kube.Leases, namespace, lease, &held); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("looking for the leading scheduler: %w", err)
	}
	if held.Spec.HolderIdentity == nil || *held.Spec.HolderIdentity == "" {
		return nil, nil
	}
	// The identity is the host name, which in a pod is the pod's name, and a UUID.
	name, _, _ := strings.Cut(*held.Spec.HolderIdentity, "_")
	var pod corev1.Pod
	if err := reader.Get(ctx, kube.Pods, namespace, name, &pod); apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("looking for the leading scheduler: %w", err)
	}
	return &pod, nil
}

// local reaches the scheduler of a local cluster. A ConfigMap is no proof of anything: with credentials in hand, only this
// machine itself is believed to be the one that it speaks of.
func local(ctx context.Context, config *rest.Config, reader *kube.Reader) (*Client, error) {
	var address corev1.ConfigMap
	if err := reader.Get(ctx, kube.ConfigMaps, namespace, addressMap, &address); apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("no scheduler leads: no pod holds the lease %s/%s; is Muster installed, and its scheduler running?",
			namespace, lease)
	} else if err != nil {
		return nil, fmt.Errorf("looking for the scheduler of a local cluster: %w", err)
	}
	base, ca := address.Data["url"], address.Data["ca"]
	if err := checkURL(base); err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s: %w", namespace, addressMap, err)
	}
	if !isLoopback(base) {
		return nil, fmt.Errorf("ConfigMap %s/%s says that the scheduler is at %s: only an address of this machine is believed; "+
			"if it is right, give it with --scheduler", namespace, addressMap, base)
	}
	if ca == "" {
		return nil, fmt.Errorf("ConfigMap %s/%s lacks the certificate authority, ca", namespace, addressMap)
	}
	return newClient(credentials(config, base, rest.TLSClientConfig{CAData: []byte(ca)}), func() {})
}

// isLoopback says whether the URL's host is an address of this machine that no other can have. Names are not resolved.
func isLoopback(text string) bool {
	parsed, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip := net.ParseIP(parsed.Hostname())
	return ip != nil && ip.IsLoopback()
}

// credentials returns the config for another server than the API server: the same user, with that trust.
func credentials(config *rest.Config, address string, trust rest.TLSClientConfig) *rest.Config {
	own := rest.CopyConfig(config)
	own.Host, own.APIPath = strings.TrimSuffix(address, "/"), ""
	// These are the way to the API server.
	own.Proxy, own.Dial = nil, nil
	own.Timeout = patience
	own.TLSClientConfig = trust
	own.CertFile, own.CertData = config.CertFile, config.CertData
	own.KeyFile, own.KeyData = config.KeyFile, config.KeyData
	return own
}
