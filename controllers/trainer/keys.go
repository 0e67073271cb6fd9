package trainer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// createKeys creates the Secret with the keys by which the pods of a job log in to each other, unless it exists. Keys are
// made once for a job.
func (r *reconciler) createKeys(ctx context.Context, job *trainerv1alpha1.TrainJob) error {
	name := sshSecretName(job.Name)
	secret := &corev1.Secret{ObjectMeta: metadata(job, name)}
	switch err := r.live.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{}); {
	case err == nil:
		return r.checkTaken(ctx, job, secret)
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("reading Secret %s: %w", name, err)
	}
	private, public, err := newKeys()
	if err != nil {
		return fmt.Errorf("making the keys of Secret %s: %w", name, err)
	}
	secret.Type, secret.Immutable = corev1.SecretTypeSSHAuth, new(true)
	secret.Data = map[string][]byte{corev1.SSHAuthPrivateKey: private, publicKey: public}
	return r.createOne(ctx, job, secret)
}

// newKeys makes a pair of ssh keys: a private one as PEM, and a public one as a line of authorized_keys.
func newKeys() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	line, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), ssh.MarshalAuthorizedKey(line), nil
}
