package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/component-base/metrics/legacyregistry"
)

// notebookServers plays the servers of all notebooks: the pods of simulated nodes have none.
var notebookServers = struct {
	sync.Mutex
	answers map[string]map[string]func() any // by namespace/name of the notebook, then by path
	asked   map[string]int                   // how often, by namespace/name
}{answers: map[string]map[string]func() any{}, asked: map[string]int{}}

// startNotebookServers serves them until the process ends, and returns what the manager has to be told to find them.
// Culling is on for every notebook of the tests, so that it is seen to leave alone those that are not idle.
func startNotebookServers() ([]string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the servers of notebooks: %w", err)
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(answerForNotebook)) }() // ends with the process
	return []string{
		"--cull-idle-notebooks", "--notebook-check-period=100ms",
		"--notebook-url=http://" + listener.Addr().String() + "/{namespace}/{name}",
	}, nil
}

// answerForNotebook answers requests for /<namespace>/<name>/<path at the notebook's server>.
func answerForNotebook(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	key := parts[0] + "/" + parts[1]
	notebookServers.Lock()
	defer notebookServers.Unlock()
	notebookServers.asked[key]++
	server, up := notebookServers.answers[key]
	answer := server["/"+strings.TrimPrefix(parts[2], "notebook/"+key+"/")]
	switch {
	case !up:
		w.WriteHeader(http.StatusServiceUnavailable)
	case answer == nil:
		w.WriteHeader(http.StatusNotFound)
	default:
		if err := json.NewEncoder(w).Encode(answer()); err != nil {
			panic(err)
		}
	}
}

// serve makes a notebook's server answer, by path below its prefix, until it is told otherwise.
func (e *env) serve(notebook string, answers map[string]func() any) {
	notebookServers.Lock()
	defer notebookServers.Unlock()
	notebookServers.answers[e.namespace+"/"+notebook] = answers
}

// jupyter is a server with these kernels and terminals.
func jupyter(kernels, terminals []any) map[string]func() any {
	return map[string]func() any{
		"/api/kernels":   func() any { return kernels },
		"/api/terminals": func() any { return terminals },
	}
}

// expectAsked waits until each of the notebooks has been asked so often from now on.
func (e *env) expectAsked(n int, notebooks ...string) {
	e.Helper()
	asked := func(notebook string) int {
		notebookServers.Lock()
		defer notebookServers.Unlock()
		return notebookServers.asked[e.namespace+"/"+notebook]
	}
	enough := map[string]int{}
	for _, name := range notebooks {
		enough[name] = asked(name) + n
	}
	for _, name := range notebooks {
		e.eventually(fmt.Sprintf("notebook %s is asked %d times", name, n), func(context.Context) (bool, string) {
			return asked(name) >= enough[name], fmt.Sprintf("%d of %d", asked(name), enough[name])
		})
	}
}

// since is a time in the form of Jupyter's answers.
func since(ago time.Duration) string {
	return time.Now().Add(-ago).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// writes is how often anybody has asked the API server to write objects of these resources, their status included.
func writes(e *env, resources ...string) map[string]int {
	e.Helper()
	families, err := legacyregistry.DefaultGatherer.Gather()
	e.do(err)
	n := map[string]int{}
	for _, family := range families {
		if family.GetName() != "apiserver_request_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			for _, r := range resources {
				if labels["resource"] == r && strings.Contains("POST PUT PATCH APPLY DELETE", labels["verb"]) {
					n[labels["verb"]+" "+r+" "+labels["subresource"]] += int(metric.GetCounter().GetValue())
				}
			}
		}
	}
	return n
}
