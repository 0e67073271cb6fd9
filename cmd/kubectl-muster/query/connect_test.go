package query

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/muster-scheduling/muster/internal/explain"
)

// queues connects and asks for the queues; the error is that of either.
func queues(t *testing.T, target Target) ([]explain.Queue, error) {
	t.Helper()
	client, err := Connect(t.Context(), target)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	tree, err := client.Queues(t.Context())
	return tree.Queues, err
}

// mustAnswer fails the test unless the scheduler answers, and has been shown the user's token.
func mustAnswer(t *testing.T, s *scheduler, target Target) {
	t.Helper()
	got, err := queues(t, target)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Name != "only" {
		t.Errorf("got the queues %v", got)
	}
	if tokens, _ := s.seen(); !slices.Equal(tokens, []string{token}) {
		t.Errorf("the scheduler was shown the tokens %q", tokens)
	}
}

// mustFail fails the test unless asking fails with words in the error, without showing the scheduler any credentials.
func mustFail(t *testing.T, s *scheduler, target Target, words string) {
	t.Helper()
	if got, err := queues(t, target); err == nil {
		t.Errorf("got the queues %v, want an error about %q", got, words)
	} else if !strings.Contains(err.Error(), words) {
		t.Errorf("the error is not about %q: %v", words, err)
	}
	if tokens, _ := s.seen(); len(tokens) > 0 {
		t.Errorf("the scheduler was shown the tokens %q", tokens)
	}
}

func TestConnectToAddress(t *testing.T) {
	s := newScheduler(t, oneQueue)
	config := newAPIServer(t).config()
	mustFail(t, s, Target{Config: config, URL: s.URL}, "certificate")
	mustFail(t, s, Target{Config: config, URL: strings.Replace(s.URL, "https:", "http:", 1)}, "not of the form https://host:port")
	mustFail(t, s, Target{Config: config, URL: "127.0.0.1:10259"}, "address of the scheduler")
	mustFail(t, s, Target{Config: config, CAFile: authorityFile(t, s.Server)}, "only for a scheduler whose address is given")
	mustAnswer(t, s, Target{Config: config, URL: s.URL + "/", CAFile: authorityFile(t, s.Server)})
}

func TestConnectThroughPod(t *testing.T) {
	s, api := newScheduler(t, oneQueue), newAPIServer(t)
	api.lead(t, "muster-scheduler-7d9c-x2v4z", s)
	mustAnswer(t, s, Target{Config: api.config()})
}

// A client certificate is shown to the scheduler in the tunnel, as the token is.
func TestConnectWithClientCertificate(t *testing.T) {
	s, api := newScheduler(t, oneQueue), newAPIServer(t)
	s.TLS.ClientAuth = 1 // tls.RequestClientCert
	api.lead(t, "muster-scheduler-0", s)
	pair := api.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	config := api.config()
	config.BearerToken = ""
	config.CertData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})
	config.KeyData = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	if _, err := queues(t, Target{Config: config}); err != nil {
		t.Fatal(err)
	}
	if _, certs := s.seen(); certs != 1 {
		t.Errorf("the scheduler was shown %d certificates, want 1", certs)
	}
}

func TestConnectThroughPodFails(t *testing.T) {
	s, api := newScheduler(t, oneQueue), newAPIServer(t)
	api.lead(t, "muster-scheduler-0", s)
	api.forward = "127.0.0.1:1"
	mustFail(t, s, Target{Config: api.config()}, "asking the scheduler")

	api.objects["/api/v1/namespaces/muster-system/pods/muster-scheduler-0"] = corev1.Pod{
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	mustFail(t, s, Target{Config: api.config()}, "is Pending, not Running")
}

// Where the holder of the lease is no pod, the ConfigMap of a local cluster is believed, on this machine only.
func TestConnectToLocalCluster(t *testing.T) {
	s, api := newScheduler(t, oneQueue), newAPIServer(t)
	target := Target{Config: api.config()}
	mustFail(t, s, target, "no scheduler leads")
	api.hold("laptop")
	mustFail(t, s, target, "no scheduler leads")

	ca := string(authority(s.Server))
	api.address(strings.Replace(s.URL, "127.0.0.1", "192.0.2.1", 1), ca)
	mustFail(t, s, target, "only an address of this machine is believed")
	api.address(strings.Replace(s.URL, "127.0.0.1", "localhost.example.com", 1), ca)
	mustFail(t, s, target, "only an address of this machine is believed")
	api.address(strings.Replace(s.URL, "https:", "http:", 1), ca)
	mustFail(t, s, target, "not of the form https://host:port")
	api.address(s.URL, "")
	mustFail(t, s, target, "lacks the certificate authority")
	api.address(s.URL, "no certificate")
	mustFail(t, s, target, "client")
	api.address(s.URL, ca)
	mustAnswer(t, s, target)
}

// The API server's own trouble is passed on.
func TestConnectWithoutCluster(t *testing.T) {
	s, api := newScheduler(t, oneQueue), newAPIServer(t)
	config := api.config()
	api.Close()
	mustFail(t, s, Target{Config: config}, "looking for the leading scheduler")
	mustFail(t, s, Target{Config: &rest.Config{Host: "https://["}}, "setting up the client")
}

// The credentials go with every request: they must not follow a redirect.
func TestRedirectIsNotFollowed(t *testing.T) {
	thief := newScheduler(t, oneQueue)
	s := newScheduler(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL+explain.QueuesPath, http.StatusFound)
	})
	api := newAPIServer(t)
	api.lead(t, "muster-scheduler-0", s)
	mustFail(t, thief, Target{Config: api.config()}, "redirects")
}
