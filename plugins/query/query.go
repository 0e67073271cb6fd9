// Package query answers questions about gangs and queues over HTTP, in the JSON of internal/explain: why a gang waits, what
// the queues use, and what would become of a gang that does not exist. Who may ask is checked before, by the server.
package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/plugins/state"
)

const (
	// maxQuestion is the largest body that is read: five thousand pods of the usual size.
	maxQuestion = 32 << 20
	// patience is how long a question may take. It waits for the cycle that is under way, and for other questions.
	patience = time.Minute
)

// Endpoint answers for one scheduler.
type Endpoint struct {
	gangs  *state.Store
	whatIf WhatIf
}

// WhatIf answers what would become of a gang. The pods of the question have UIDs that are nobody's, and are valid.
type WhatIf func(context.Context, explain.Question) (explain.Answer, error)

// New makes the endpoint of a scheduler whose gangs are those.
func New(gangs *state.Store, whatIf WhatIf) *Endpoint {
	return &Endpoint{gangs: gangs, whatIf: whatIf}
}

// Install adds the endpoint's paths.
func (e *Endpoint) Install(paths *mux.PathRecorderMux) {
	paths.HandlePrefix(explain.GangsPath, e.only(http.MethodGet, e.gang))
	paths.Handle(explain.QueuesPath, e.only(http.MethodGet, e.queues))
	paths.Handle(explain.WhatIfPath, e.only(http.MethodPost, e.ask))
}

// refusal is an answer that is none.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, message: fmt.Sprintf(format, args...)}
}

// only lets requests of one method through to a scheduler that leads, and writes what is answered.
func (e *Endpoint) only(method string, answer func(http.ResponseWriter, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		var body any
		var err error
		switch {
		case request.Method != method:
			w.Header().Set("Allow", method)
			err = refuse(http.StatusMethodNotAllowed, "%s takes %s, not %s", request.URL.Path, method, request.Method)
		case !e.gangs.IsOpen():
			err = refuse(http.StatusServiceUnavailable, "this scheduler does not lead, or has not read the cluster yet: ask the one that holds the lease")
		default:
			ctx, cancel := context.WithTimeout(request.Context(), patience)
			defer cancel()
			body, err = answer(w, request.WithContext(ctx))
		}
		write(request.Context(), w, body, err)
	})
}

func write(ctx context.Context, w http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	if err != nil {
		status, body = statusOf(err), explain.Error{Message: err.Error()}
		if status == http.StatusInternalServerError {
			klog.FromContext(ctx).Error(err, "Answering a question")
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		klog.FromContext(ctx).V(2).Info("Whoever asked did not wait for the answer", "err", err)
	}
}

func statusOf(err error) int {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.status
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// gang answers about one gang.
func (e *Endpoint) gang(_ http.ResponseWriter, request *http.Request) (any, error) {
	namespace, name, two := strings.Cut(strings.TrimPrefix(request.URL.Path, explain.GangsPath), "/")
	if !two || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, refuse(http.StatusNotFound, "%s is not of the form %sNAMESPACE/NAME", request.URL.Path, explain.GangsPath)
	}
	kind := request.URL.Query().Get(explain.KindParameter)
	switch kind {
	case "":
		kind = explain.KindPodGroup
	case explain.KindPod, explain.KindPodGroup:
	default:
		return nil, refuse(http.StatusBadRequest, "%s must be %s or %s, not %q", explain.KindParameter, explain.KindPodGroup, explain.KindPod, kind)
	}
	gang, known := e.gangs.Explain(kind, namespace, name)
	if !known {
		return nil, refuse(http.StatusNotFound, "the scheduler knows no %s %s/%s", kind, namespace, name)
	}
	return gang, nil
}

// queues answers with the tree.
func (e *Endpoint) queues(http.ResponseWriter, *http.Request) (any, error) {
	states, capacity := e.gangs.Queues()
	return treeOf(states, capacity), nil
}

// ask answers what would become of a gang.
func (e *Endpoint) ask(w http.ResponseWriter, request *http.Request) (any, error) {
	var question explain.Question
	if err := json.NewDecoder(http.MaxBytesReader(w, request.Body, maxQuestion)).Decode(&question); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, err
		}
		return nil, refuse(http.StatusBadRequest, "reading the question: %v", err)
	}
	if err := prepare(&question); err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	answer, err := e.whatIf(request.Context(), question)
	if err != nil {
		return nil, err
	}
	return answer, nil
}
