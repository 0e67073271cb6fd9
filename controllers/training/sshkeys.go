package training

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
)

// sshPublicKey is the key of a secret under which the public half lies, beside corev1.SSHAuthPrivateKey.
const sshPublicKey = "ssh-publickey"

// newKeys are a new pair of ssh keys: the private one in PEM, the public one as a line of authorized_keys.
func newKeys() (map[string][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("drawing a key: %w", err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing the private key: %w", err)
	}
	public, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("writing the public key: %w", err)
	}
	return map[string][]byte{
		corev1.SSHAuthPrivateKey: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		sshPublicKey:             ssh.MarshalAuthorizedKey(public),
	}, nil
}
