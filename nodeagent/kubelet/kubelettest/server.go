// Package kubelettest has a kubelet for tests: its pod-resources API on a unix
// socket.
package kubelettest

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// Server is a kubelet that can be stopped and started. Its methods may be called
// at any time, by one goroutine.
type Server struct {
	podresources.UnimplementedPodResourcesListerServer
	Socket string

	test *testing.T
	grpc *grpc.Server

	mu          sync.Mutex
	allocatable *podresources.AllocatableResourcesResponse
	held        *podresources.ListPodResourcesResponse
}

// New returns a kubelet that does not run yet and has nothing to give.
func New(t *testing.T) *Server {
	s := &Server{Socket: filepath.Join(t.TempDir(), "kubelet.sock"), test: t}
	s.Set(nil, nil)
	t.Cleanup(s.Stop)
	return s
}

// Set says what the kubelet may give, and what pods hold.
func (s *Server) Set(allocatable *podresources.AllocatableResourcesResponse, pods []*podresources.PodResources) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if allocatable == nil {
		allocatable = &podresources.AllocatableResourcesResponse{}
	}
	s.allocatable = allocatable
	s.held = &podresources.ListPodResourcesResponse{PodResources: pods}
}

// Start makes the kubelet answer.
func (s *Server) Start() {
	s.test.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.test.Context(), "unix", s.Socket)
	if err != nil {
		s.test.Fatal(err)
	}
	s.grpc = grpc.NewServer()
	podresources.RegisterPodResourcesListerServer(s.grpc, s)
	go func(server *grpc.Server) { _ = server.Serve(listener) }(s.grpc) // ends with Stop
}

// Stop ends the kubelet; its socket is gone.
func (s *Server) Stop() {
	if s.grpc != nil {
		s.grpc.Stop()
		s.grpc = nil
	}
}

// GetAllocatableResources implements the API.
func (s *Server) GetAllocatableResources(context.Context, *podresources.AllocatableResourcesRequest) (*podresources.AllocatableResourcesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allocatable, nil
}

// List implements the API.
func (s *Server) List(context.Context, *podresources.ListPodResourcesRequest) (*podresources.ListPodResourcesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, nil
}
