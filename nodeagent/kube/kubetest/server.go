// Package kubetest has an API server for tests: one node, its
// NodeResourceTopology and events, behind HTTP. It keeps the rules that the node
// agent relies on: resource versions, server-side apply with its record of who
// owns a label, and conditions merged by type.
package kubetest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/rest"
)

// NodeName is the name of the server's only node.
const NodeName = "gpu-1"

// Server answers requests until the test ends. Its methods may be called at any
// time, by any goroutine.
type Server struct {
	http *httptest.Server

	mu       sync.Mutex
	version  int
	node     corev1.Node
	owners   map[string]map[string]bool // by "f:labels/KEY": managers
	topology *nrt.NodeResourceTopology
	noKind   bool
	down     bool
	events   []eventsv1.Event
	writes   []string
	requests int
}

// New starts a server with a node that has no labels.
func New(t *testing.T) *Server {
	s := &Server{owners: map[string]map[string]bool{}}
	s.node.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	s.node.Name, s.node.UID = NodeName, "4a5c"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes/"+NodeName, s.answer(s.getNode))
	mux.HandleFunc("PATCH /api/v1/nodes/"+NodeName, s.answer(s.patchNode))
	mux.HandleFunc("PATCH /api/v1/nodes/"+NodeName+"/status", s.answer(s.patchStatus))
	const topologies = "/apis/topology.node.k8s.io/v1alpha2/noderesourcetopologies"
	mux.HandleFunc("POST "+topologies, s.answer(s.postTopology))
	mux.HandleFunc("GET "+topologies+"/"+NodeName, s.answer(s.getTopology))
	mux.HandleFunc("PUT "+topologies+"/"+NodeName, s.answer(s.putTopology))
	mux.HandleFunc("DELETE "+topologies+"/"+NodeName, s.answer(s.deleteTopology))
	mux.HandleFunc("POST /apis/events.k8s.io/v1/namespaces/default/events", s.answer(s.postEvent))
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.http.Close)
	return s
}

// Config says how to reach the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.http.URL, QPS: -1} }

// Node returns the node as it is.
func (s *Server) Node() *corev1.Node {
	defer s.lock()()
	return s.node.DeepCopy()
}

// Topology returns the NodeResourceTopology; nil if there is none.
func (s *Server) Topology() *nrt.NodeResourceTopology {
	defer s.lock()()
	return s.topology.DeepCopy()
}

// SetTopology replaces the NodeResourceTopology, as another program might.
func (s *Server) SetTopology(object *nrt.NodeResourceTopology) {
	defer s.lock()()
	s.topology = object.DeepCopy()
}

// ChangeNode changes the node, but for its labels and annotations.
func (s *Server) ChangeNode(change func(*corev1.Node)) {
	defer s.lock()()
	change(&s.node)
	s.bump()
}

// SetLabel writes a label as the manager, which owns it from then on.
func (s *Server) SetLabel(manager, key, value string) {
	defer s.lock()()
	if s.node.Labels[key] != value {
		s.owners["f:labels/"+key] = map[string]bool{}
	}
	s.own("f:labels/"+key, manager)
	metav1.SetMetaDataLabel(&s.node.ObjectMeta, key, value)
	s.bump()
}

// SetDown makes every request fail, or lets them succeed again.
func (s *Server) SetDown(down bool) {
	defer s.lock()()
	s.down = down
}

// SetKind says whether the server knows NodeResourceTopologies, as it does at first.
func (s *Server) SetKind(exists bool) {
	defer s.lock()()
	s.noKind = !exists
}

// Events returns the recorded events, oldest first.
func (s *Server) Events() []eventsv1.Event {
	defer s.lock()()
	return slices.Clone(s.events)
}

// Writes returns what was written, oldest first, such as "PATCH nodes".
func (s *Server) Writes() []string {
	defer s.lock()()
	return slices.Clone(s.writes)
}

// Requests returns how many requests there were, refused ones too.
func (s *Server) Requests() int {
	defer s.lock()()
	return s.requests
}

func (s *Server) lock() (unlock func()) {
	s.mu.Lock()
	return s.mu.Unlock
}

func (s *Server) bump() {
	s.version++
	s.node.ResourceVersion = strconv.Itoa(s.version)
}

func (s *Server) own(field, manager string) {
	if s.owners[field] == nil {
		s.owners[field] = map[string]bool{}
	}
	s.owners[field][manager] = true
}

// refusal is an answer other than success.
type refusal struct {
	code   int
	reason metav1.StatusReason
}

func (r refusal) Error() string { return string(r.reason) }

var (
	notFound = refusal{http.StatusNotFound, metav1.StatusReasonNotFound}
	conflict = refusal{http.StatusConflict, metav1.StatusReasonConflict}
	invalid  = refusal{http.StatusBadRequest, metav1.StatusReasonBadRequest}
)

// answer wraps a handler that gets the request's body and returns the object to
// send, or a refusal.
func (s *Server) answer(handle func(*http.Request, []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer s.lock()()
		s.requests++
		if s.down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		object, err := handle(r, body)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			refused := invalid
			errors.As(err, &refused)
			w.WriteHeader(refused.code)
			object = metav1.Status{
				TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure,
				Code: int32(refused.code), Reason: refused.reason, Message: err.Error(),
			}
		} else if r.Method != http.MethodGet {
			parts := strings.Split(strings.TrimSuffix(r.URL.Path, "/"+NodeName), "/")
			s.writes = append(s.writes, r.Method+" "+parts[len(parts)-1])
		}
		_ = json.NewEncoder(w).Encode(object) // a client that went away is no fault
	}
}

func (s *Server) getNode(*http.Request, []byte) (any, error) {
	node := s.node.DeepCopy()
	node.ManagedFields = s.managedFields()
	return node, nil
}

func (s *Server) patchNode(r *http.Request, body []byte) (any, error) {
	if r.Header.Get("Content-Type") == string(types.ApplyPatchType) {
		return s.apply(r.URL.Query().Get("fieldManager"), body)
	}
	var patch struct {
		Metadata struct{ ResourceVersion string }
		Spec     struct{ Taints []corev1.Taint }
	}
	if err := json.Unmarshal(body, &patch); err != nil {
		return nil, err
	}
	if patch.Metadata.ResourceVersion != s.node.ResourceVersion {
		return nil, conflict
	}
	s.node.Spec.Taints = patch.Spec.Taints
	s.bump()
	return s.node, nil
}

func (s *Server) patchStatus(_ *http.Request, body []byte) (any, error) {
	before, err := json.Marshal(s.node)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, body, corev1.Node{})
	if err != nil {
		return nil, err
	}
	var node corev1.Node
	if err := json.Unmarshal(after, &node); err != nil {
		return nil, err
	}
	s.node.Status = node.Status
	s.bump()
	return s.node, nil
}

func (s *Server) postEvent(_ *http.Request, body []byte) (any, error) {
	var event eventsv1.Event
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	if event.Name == "" || event.EventTime.IsZero() || event.Action == "" || event.Reason == "" ||
		event.ReportingController == "" || event.ReportingInstance == "" {
		return nil, errors.New("the event lacks a required field")
	}
	for _, other := range s.events {
		if other.Name == event.Name {
			return nil, refusal{http.StatusConflict, metav1.StatusReasonAlreadyExists}
		}
	}
	s.events = append(s.events, event)
	return event, nil
}
