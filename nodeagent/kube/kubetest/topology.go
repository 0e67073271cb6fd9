package kubetest

import (
	"encoding/json"
	"net/http"
	"strconv"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (s *Server) getTopology(*http.Request, []byte) (any, error) {
	if s.noKind || s.topology == nil {
		return nil, notFound
	}
	return s.topology, nil
}

func (s *Server) postTopology(_ *http.Request, body []byte) (any, error) {
	if s.noKind {
		return nil, notFound
	}
	if s.topology != nil {
		return nil, refusal{http.StatusConflict, metav1.StatusReasonAlreadyExists}
	}
	return s.store(body)
}

func (s *Server) putTopology(_ *http.Request, body []byte) (any, error) {
	var object nrt.NodeResourceTopology
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, err
	}
	switch {
	case s.noKind || s.topology == nil:
		return nil, notFound
	case object.ResourceVersion != s.topology.ResourceVersion:
		return nil, conflict
	}
	return s.store(body)
}

func (s *Server) store(body []byte) (any, error) {
	object := &nrt.NodeResourceTopology{}
	if err := json.Unmarshal(body, object); err != nil {
		return nil, err
	}
	if object.Name != NodeName {
		return nil, invalid
	}
	s.version++
	object.UID, object.ResourceVersion = "7b1e", strconv.Itoa(s.version)
	s.topology = object
	return object, nil
}

func (s *Server) deleteTopology(*http.Request, []byte) (any, error) {
	if s.noKind || s.topology == nil {
		return nil, notFound
	}
	s.topology = nil
	return metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusSuccess}, nil
}
