package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/muster-scheduling/muster/webhooks"
)

// Nobody answers at the webhooks' address, or not in time, or with a certificate that has ended: pods start all the same. The
// manager replaces a certificate that has ended, and pods come under Muster again.
func TestPodsStartWhateverTheWebhookDoes(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	notebook := podLabel(notebookLabel, "ann")
	ended := endedCertificate(t)
	e.withoutManager(func() {
		e.createPods(foreign("alone", notebook))
		silent := listen(t, func(net.Conn) {})
		e.callWebhooksAt(silent.address, nil)
		e.eventually("the API server waits for the silent webhook, and not for long", func(context.Context) (bool, string) {
			e.expectUntouched("a pod that nobody answers about", e.wouldBe(foreign("pod", notebook)))
			return silent.calls.Load() > 0, ""
		})
		config := &tls.Config{Certificates: []tls.Certificate{ended.pair}}
		old := listen(t, func(c net.Conn) { _ = tls.Server(c, config).Handshake() }) // which the client breaks off
		e.callWebhooksAt(old.address, ended.pem)
		e.eventually("the API server calls the webhook whose certificate has ended", func(context.Context) (bool, string) {
			e.expectUntouched("a pod", e.wouldBe(foreign("pod", notebook)))
			return old.calls.Load() > 0, ""
		})
		e.endCertificate(ended)
	})
	e.expectRenewed(ended, notebook) // which was not so when the manager started

	e.endCertificate(ended)
	e.expectRenewed(ended, notebook) // while it ran
	e.createPods(foreign("together", notebook))
	e.expectPodBound("together")
	e.expectUntouched("the pod that was created without a webhook", now(e, foreign("alone")))
}

// endCertificate puts a certificate that has ended in the place of the webhooks'.
func (e *env) endCertificate(ended *certificate) {
	e.Helper()
	secrets := e.clients.CoreV1().Secrets("muster-system")
	secret, err := secrets.Get(e.Context(), webhooks.CertificateSecret, metav1.GetOptions{})
	e.do(err)
	secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey] = ended.pem, ended.key
	_, err = secrets.Update(e.Context(), secret, metav1.UpdateOptions{})
	e.do(err)
}

// expectRenewed waits until another certificate is in its place. Until pods are changed again, they are created as they are.
func (e *env) expectRenewed(ended *certificate, edits ...func(*corev1.Pod)) {
	e.Helper()
	e.eventually("the certificate is renewed, and served", func(ctx context.Context) (bool, string) {
		secret, err := e.clients.CoreV1().Secrets("muster-system").Get(ctx, webhooks.CertificateSecret, metav1.GetOptions{})
		e.do(err)
		p := e.wouldBe(foreign("pod", edits...))
		return string(secret.Data[corev1.TLSCertKey]) != string(ended.pem) && p.Spec.SchedulerName == "muster", p.Spec.SchedulerName
	})
}

// certificate is one for localhost, with its key.
type certificate struct {
	pem, key []byte
	pair     tls.Certificate
}

// endedCertificate ended a minute ago.
func endedCertificate(t *testing.T) *certificate {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalECPrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	c := &certificate{
		pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}),
	}
	if c.pair, err = tls.X509KeyPair(c.pem, c.key); err != nil {
		t.Fatal(err)
	}
	return c
}

// listener is somebody who is called.
type listener struct {
	address string
	calls   atomic.Int64
}

// listen takes calls until the test ends. Each connection stays open until then, whatever answer does with it.
func listen(t *testing.T, answer func(net.Conn)) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listening := &listener{address: fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
			listening.calls.Add(1)
			go answer(conn)
		}
	}()
	return listening
}
