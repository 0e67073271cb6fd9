package localcluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity of every certificate. A start makes new ones, so none outlives its use.
const validity = 10 * 365 * 24 * time.Hour

// A keyPair is a certificate with its private key, both PEM encoded.
type keyPair struct {
	cert, key []byte
}

// An authority signs the certificates of one cluster.
type authority struct {
	keyPair
	parsed *x509.Certificate
	signer *ecdsa.PrivateKey
}

// newAuthority makes a certificate authority that signs itself.
func newAuthority() (*authority, error) {
	a := &authority{}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "muster-local"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	pair, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	a.keyPair = pair
	return a, nil
}

// serving makes a certificate for a server on the loopback interface. The names
// are those by which pods would call the API server.
func (a *authority) serving(serviceIP net.IP) (keyPair, error) {
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), serviceIP},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	})
}

// client makes a certificate that the API server takes for the user in the groups.
func (a *authority) client(user string, groups ...string) (keyPair, error) {
	return a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// sign completes the template and signs it: with the authority's own key once it
// has one, else as the authority's certificate.
func (a *authority) sign(template *x509.Certificate) (keyPair, error) {
	fail := func(err error) (keyPair, error) {
		return keyPair{}, fmt.Errorf("make certificate of %s: %w", template.Subject.CommonName, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fail(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour) // clocks may differ
	template.NotAfter = template.NotBefore.Add(validity)
	parent, signer := a.parsed, a.signer
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fail(err)
	}
	if a.parsed == nil {
		if a.parsed, err = x509.ParseCertificate(der); err != nil {
			return fail(err)
		}
		a.signer = key
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return fail(err)
	}
	return keyPair{cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key: encoded}, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// The files that kube-apiserver and kube-controller-manager read.
type pkiFiles struct {
	caCert, servingCert, servingKey, serviceAccountKey string
}

// writePKI makes new certificates in dir and returns where they are, and the
// administrator's key pair with the authority that signed it. The key that signs
// service account tokens is kept when there is one, since tokens are stored.
func writePKI(dir string, serviceIP net.IP) (pkiFiles, keyPair, []byte, error) {
	fail := func(err error) (pkiFiles, keyPair, []byte, error) { return pkiFiles{}, keyPair{}, nil, err }
	ca, err := newAuthority()
	if err != nil {
		return fail(err)
	}
	serving, err := ca.serving(serviceIP)
	if err != nil {
		return fail(err)
	}
	admin, err := ca.client("muster-local-admin", "system:masters")
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	files := pkiFiles{
		caCert:            filepath.Join(dir, "ca.crt"),
		servingCert:       filepath.Join(dir, "apiserver.crt"),
		servingKey:        filepath.Join(dir, "apiserver.key"),
		serviceAccountKey: filepath.Join(dir, "service-account.key"),
	}
	for path, data := range map[string][]byte{
		files.caCert:      ca.cert,
		files.servingCert: serving.cert,
		files.servingKey:  serving.key,
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return fail(err)
		}
	}
	return files, admin, ca.cert, keepOrMakeKey(files.serviceAccountKey)
}

func keepOrMakeKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make service account key: %w", err)
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, encoded, 0o600)
}
