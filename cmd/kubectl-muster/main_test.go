package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/muster-scheduling/muster/internal/explain"
)

// world is an API server and a scheduler that answer with fixed objects, and a kubeconfig that leads to them.
type world struct {
	api, scheduler *httptest.Server
	objects        map[string]any // of the API server, by path
	answers        map[string]any // of the scheduler, by path and query
	asked          []string       // requests to the scheduler, with their bodies
	directory      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{objects: map[string]any{}, answers: map[string]any{}, directory: t.TempDir()}
	w.api = serve(t, func(rw http.ResponseWriter, r *http.Request) {
		object := w.objects[r.URL.Path]
		if object == nil {
			reply(rw, http.StatusNotFound, metav1.Status{
				TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
				Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: r.URL.Path + " not found",
			})
			return
		}
		reply(rw, http.StatusOK, object)
	})
	w.scheduler = serve(t, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.asked = append(w.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body)))
		answer := w.answers[r.URL.RequestURI()]
		if answer == nil {
			reply(rw, http.StatusNotFound, explain.Error{Message: "the scheduler does not know it"})
			return
		}
		reply(rw, http.StatusOK, answer)
	})
	w.writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.scheduler.Certificate().Raw})))
	w.writeKubeconfig(t)
	return w
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func reply(rw http.ResponseWriter, status int, object any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(object)
}

func (w *world) writeFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(w.directory, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// writeKubeconfig writes one with two contexts: the current one is of the namespace team-a, the other leads nowhere.
func (w *world) writeKubeconfig(t *testing.T) {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["here"] = &clientcmdapi.Cluster{
		Server:                   w.api.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.api.Certificate().Raw}),
	}
	config.Clusters["away"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	config.Contexts["here"] = &clientcmdapi.Context{Cluster: "here", Namespace: "team-a"}
	config.Contexts["away"] = &clientcmdapi.Context{Cluster: "away"}
	config.CurrentContext = "here"
	if err := clientcmd.WriteToFile(*config, filepath.Join(w.directory, "kubeconfig")); err != nil {
		t.Fatal(err)
	}
}

// run runs a command that asks the scheduler, and returns what it writes to standard output and error.
func (w *world) run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return run(t, "", append(args, "--kubeconfig", filepath.Join(w.directory, "kubeconfig"),
		"--scheduler", w.scheduler.URL, "--certificate-authority", filepath.Join(w.directory, "ca.pem"))...)
}

func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := rootCommand()
	var out, complaints bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&complaints)
	err = root.ExecuteContext(t.Context())
	return out.String(), complaints.String(), err
}

// mustContain fails the test unless the text contains all words.
func mustContain(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("there is no %q in:\n%s", w, text)
		}
	}
}

// mustFail fails the test unless err contains the words and nothing was written.
func mustFail(t *testing.T, stdout string, err error, words string) {
	t.Helper()
	if err == nil {
		err = errors.New("no error")
	}
	mustContain(t, err.Error(), words)
	if stdout != "" {
		t.Errorf("something was written:\n%s", stdout)
	}
}

func TestNoClusterNoScheduler(t *testing.T) {
	w := newWorld(t)
	kubeconfig := filepath.Join(w.directory, "kubeconfig")
	for _, test := range []struct {
		args  []string
		words string
	}{
		{[]string{"queues", "--kubeconfig", kubeconfig}, "no scheduler leads"},
		{[]string{"queues", "--kubeconfig", kubeconfig, "--context", "away"}, "looking for the leading scheduler"},
		{[]string{"queues", "--kubeconfig", kubeconfig, "--context", "none"}, "reading the kubeconfig"},
		{[]string{"queues", "--kubeconfig", kubeconfig + "x"}, "reading the kubeconfig"},
		{[]string{"queues", "--kubeconfig", kubeconfig, "--scheduler", w.scheduler.URL}, "certificate"},
		{[]string{"queues", "-o", "yaml"}, `unknown output format "yaml"`},
		{[]string{"explain", "pod/a", "-o", "yaml"}, `unknown output format "yaml"`},
		{[]string{"whatif", "-f", "-", "-o", "yaml"}, `unknown output format "yaml"`},
		{[]string{"queues", "a", "b"}, "accepts at most 1 arg"},
	} {
		stdout, _, err := run(t, "", test.args...)
		mustFail(t, stdout, err, test.words)
	}
}

func TestSchedulerFromEnvironment(t *testing.T) {
	w := newWorld(t)
	w.answers[explain.QueuesPath] = explain.Queues{Queues: []explain.Queue{{Name: "only"}}}
	t.Setenv("MUSTER_SCHEDULER", w.scheduler.URL)
	stdout, _, err := run(t, "", "queues", "--kubeconfig", filepath.Join(w.directory, "kubeconfig"),
		"--certificate-authority", filepath.Join(w.directory, "ca.pem"), "--resource", "nvidia.com/gpu")
	mustFail(t, stdout, err, "the cluster has no nvidia.com/gpu")
}
