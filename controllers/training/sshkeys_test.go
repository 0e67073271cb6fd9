package training

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
)

// expectKeys checks that a secret has a pair of keys that belong together.
func expectKeys(t *testing.T, data map[string][]byte) {
	t.Helper()
	private, err := ssh.ParsePrivateKey(data[corev1.SSHAuthPrivateKey])
	if err != nil {
		t.Fatalf("the private key: %v", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(data[sshPublicKey])
	if err != nil || public.Type() != ssh.KeyAlgoECDSA521 || !bytes.Equal(public.Marshal(), private.PublicKey().Marshal()) {
		t.Errorf("the public key %q is not that of the private one (%v)", data[sshPublicKey], err)
	}
}

func TestKeys(t *testing.T) {
	one, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	other, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	expectKeys(t, one)
	expectKeys(t, other)
	if bytes.Equal(one[sshPublicKey], other[sshPublicKey]) {
		t.Error("two jobs have the same keys")
	}
}
