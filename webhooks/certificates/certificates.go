// Package certificates makes the certificate of the webhooks, renews it, and tells the API server whom to trust.
//
// It lies in a Secret that all replicas share. Each of them watches the Secret and serves what is in it at once, with no
// volume and no restart; whichever is first renews it. The authorities in the Secret go into every webhook of the
// configurations that are named. How a certificate is made and checked is cert-controller's; its rotator, which would do the
// rest, waits for the certificate in a mounted file, ends the manager where it cannot have it, and trusts one authority at a
// time.
package certificates

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// checkPeriod is how often a certificate is looked at that nobody touches. It is far shorter than what is left of one when it
// is renewed.
const checkPeriod = 6 * time.Hour

// Config says which certificate is kept where.
type Config struct {
	// Secret is where it lies. It is created when it is missing.
	Secret types.NamespacedName

	// Names are the names of the server, as clients call it; at least one.
	Names []string

	// Configuration is the name of the MutatingWebhookConfiguration and of the ValidatingWebhookConfiguration that are told the
	// authorities. Either may be missing.
	Configuration string
}

// Keeper keeps a certificate. Its methods may be called concurrently.
type Keeper struct {
	config Config
	reader client.Reader
	writer client.Writer
	served atomic.Pointer[tls.Certificate]
}

// Setup adds a Keeper to a manager. It works on every replica, whoever leads.
func Setup(m manager.Manager, config Config) (*Keeper, error) {
	// A client of its own: what is read has to be what there is, and the manager's cache may not see Secrets at all.
	direct, err := client.New(m.GetConfig(), client.Options{Scheme: m.GetScheme(), HTTPClient: m.GetHTTPClient(), Mapper: m.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("set up the webhooks' certificate: %w", err)
	}
	k := &Keeper{config: config, reader: direct, writer: direct}
	watched, err := cache.New(m.GetConfig(), k.watches(m))
	if err != nil {
		return nil, fmt.Errorf("set up the webhooks' certificate: %w", err)
	}
	if err := m.Add(everywhere{watched}); err != nil {
		return nil, fmt.Errorf("set up the webhooks' certificate: %w", err)
	}
	c, err := controller.New("webhook-certificates", m, controller.Options{Reconciler: k, NeedLeaderElection: new(false)})
	if err != nil {
		return nil, fmt.Errorf("set up the webhooks' certificate: %w", err)
	}
	if err := errors.Join(
		c.Watch(once()),
		c.Watch(changes(watched, &corev1.Secret{})),
		c.Watch(changes(watched, &admissionv1.MutatingWebhookConfiguration{})),
		c.Watch(changes(watched, &admissionv1.ValidatingWebhookConfiguration{})),
	); err != nil {
		return nil, fmt.Errorf("set up the webhooks' certificate: %w", err)
	}
	return k, nil
}

// watches are the three objects in question, and no other Secret.
func (k *Keeper) watches(m manager.Manager) cache.Options {
	named := func(name string) fields.Selector { return fields.OneTermEqualSelector(metav1.ObjectNameField, name) }
	return cache.Options{
		Scheme: m.GetScheme(), HTTPClient: m.GetHTTPClient(), Mapper: m.GetRESTMapper(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {
				Namespaces: map[string]cache.Config{k.config.Secret.Namespace: {}}, Field: named(k.config.Secret.Name),
			},
			&admissionv1.MutatingWebhookConfiguration{}:   {Field: named(k.config.Configuration)},
			&admissionv1.ValidatingWebhookConfiguration{}: {Field: named(k.config.Configuration)},
		},
	}
}

// everywhere is a cache that is filled also where another replica leads.
type everywhere struct{ cache.Cache }

func (everywhere) NeedLeaderElection() bool { return false }

// Get returns the certificate to serve, for tls.Config. It fails until there is one.
func (k *Keeper) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := k.served.Load(); cert != nil {
		return cert, nil
	}
	return nil, errors.New("the webhooks have no certificate yet")
}

// Check fails while there is no certificate that is valid at the time.
func (k *Keeper) Check(now time.Time) error {
	cert, err := k.Get(nil)
	if err != nil {
		return err
	}
	if now.After(cert.Leaf.NotAfter) {
		return fmt.Errorf("the webhooks' certificate ended at %s", cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// Reconcile makes the Secret what it should be, serves it, and tells the API server.
func (k *Keeper) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	data, err := k.keep(ctx, time.Now())
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) { // another replica was first
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	cert, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read the certificate in Secret %s: %w", k.config.Secret, err)
	}
	k.served.Store(&cert)
	if err := k.inject(ctx, data[caCert]); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: checkPeriod}, nil
}

// keep returns what the Secret holds, after it has been made what it should be.
func (k *Keeper) keep(ctx context.Context, now time.Time) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	err := k.reader.Get(ctx, k.config.Secret, secret)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return nil, fmt.Errorf("read Secret %s: %w", k.config.Secret, err)
	}
	renewed, err := renew(secret.Data, k.config.Names, now)
	if err != nil {
		return nil, fmt.Errorf("renew Secret %s: %w", k.config.Secret, err)
	}
	switch {
	case missing:
		secret = &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: k.config.Secret.Namespace, Name: k.config.Secret.Name},
			Type:       corev1.SecretTypeTLS, Data: renewed,
		}
		if err := k.writer.Create(ctx, secret); err != nil {
			return nil, fmt.Errorf("create Secret %s: %w", k.config.Secret, err)
		}
	case !maps.EqualFunc(secret.Data, renewed, bytes.Equal):
		secret.Data = renewed
		if err := k.writer.Update(ctx, secret); err != nil {
			return nil, fmt.Errorf("update Secret %s: %w", k.config.Secret, err)
		}
	}
	return renewed, nil
}
