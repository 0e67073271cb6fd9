package query

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/muster-scheduling/muster/internal/explain"
)

const token = "the-users-token"

// scheduler is a scheduler with a certificate that it has signed itself. It notes the credentials that it is shown.
type scheduler struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	certs  int
}

func newScheduler(t *testing.T, answer http.HandlerFunc) *scheduler {
	t.Helper()
	s := &scheduler{}
	s.Server = startTLS(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.tokens = append(s.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		s.certs += len(r.TLS.PeerCertificates)
		s.mu.Unlock()
		answer(w, r)
	})
	return s
}

// seen returns the tokens and the number of client certificates that the scheduler was shown.
func (s *scheduler) seen() ([]string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.tokens...), s.certs
}

// oneQueue answers every question with a tree of one queue.
func oneQueue(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != explain.QueuesPath {
		http.NotFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, explain.Queues{Queues: []explain.Queue{{Name: "only"}}})
}

func startTLS(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		panic(err)
	}
}

// authority is the PEM of the certificate that vouches for a server.
func authority(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func authorityFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority(server), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// apiServer serves objects by path, and forwards ports of pods to an address.
type apiServer struct {
	*httptest.Server
	objects map[string]any
	forward string // host:port that stands for every pod
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	a := &apiServer{objects: map[string]any{}}
	a.Server = startTLS(t, a.serve)
	return a
}

func (a *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	if pod, ok := strings.CutSuffix(r.URL.Path, "/portforward"); ok && a.objects[pod] != nil {
		a.portForward(w, r)
		return
	}
	object := a.objects[r.URL.Path]
	if object == nil {
		writeJSON(w, http.StatusNotFound, metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: "not found",
		})
		return
	}
	writeJSON(w, http.StatusOK, object)
}

// portForward speaks the server's side of port forwarding over SPDY: a stream for the data of each connection, and one for
// errors.
func (a *apiServer) portForward(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "only SPDY is spoken here", http.StatusBadRequest)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	streams := make(chan httpstream.Stream)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if connection == nil {
		return
	}
	defer connection.Close()
	for {
		select {
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				_ = s.Close()
				continue
			}
			go a.pipe(s)
		case <-connection.CloseChan():
			return
		}
	}
}

// pipe copies between a stream and the address that stands for the pod, until either ends.
func (a *apiServer) pipe(s httpstream.Stream) {
	defer s.Reset()
	target, err := net.Dial("tcp", a.forward)
	if err != nil {
		return
	}
	defer target.Close()
	go func() { _, _ = io.Copy(target, s) }()
	_, _ = io.Copy(s, target)
}

// config is the user's way to the API server.
func (a *apiServer) config() *rest.Config {
	return &rest.Config{Host: a.URL, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: authority(a.Server)}}
}

// lead makes a pod hold the lease, and makes the scheduler be in that pod.
func (a *apiServer) lead(t *testing.T, pod string, s *scheduler) {
	t.Helper()
	a.hold(pod)
	address, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	a.forward = address.Host
	a.objects["/api/v1/namespaces/muster-system/pods/"+pod] = corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: namespace},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

// hold makes the lease name a holder.
func (a *apiServer) hold(name string) {
	a.objects["/apis/coordination.k8s.io/v1/namespaces/muster-system/leases/muster-scheduler"] = coordinationv1.Lease{
		Spec: coordinationv1.LeaseSpec{HolderIdentity: new(name + "_5b0e")},
	}
}

// address writes the ConfigMap of a local cluster.
func (a *apiServer) address(url, ca string) {
	a.objects["/api/v1/namespaces/muster-system/configmaps/muster-scheduler-address"] = corev1.ConfigMap{
		Data: map[string]string{"url": url, "ca": ca},
	}
}
