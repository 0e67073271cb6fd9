package kubelet

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/muster-scheduling/muster/nodeagent/kubelet/kubelettest"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

func on(nodes ...int64) *podresources.TopologyInfo {
	info := &podresources.TopologyInfo{}
	for _, id := range nodes {
		info.Nodes = append(info.Nodes, &podresources.NUMANode{ID: id})
	}
	return info
}

func block(size uint64, nodes ...int64) *podresources.ContainerMemory {
	return &podresources.ContainerMemory{MemoryType: "memory", Size: size, Topology: on(nodes...)}
}

func TestPodResources(t *testing.T) {
	server := kubelettest.New(t)
	server.Set(&podresources.AllocatableResourcesResponse{
		Devices: []*podresources.ContainerDevices{
			{ResourceName: "nvidia.com/gpu", DeviceIds: []string{"GPU-a", "GPU-b"}, Topology: on(1)},
			{ResourceName: "example.com/nic", DeviceIds: []string{"0"}},
		},
		CpuIds: []int64{1, 2, 3},
		Memory: []*podresources.ContainerMemory{block(100, 0), block(200, 1)},
	}, []*podresources.PodResources{
		{Name: "a", Containers: []*podresources.ContainerResources{
			{Devices: []*podresources.ContainerDevices{{ResourceName: "nvidia.com/gpu", DeviceIds: []string{"GPU-b"}}}, CpuIds: []int64{3}, Memory: []*podresources.ContainerMemory{block(10, 1)}},
			{CpuIds: []int64{1}},
		}},
		{Name: "a pod whose containers share what it holds", CpuIds: []int64{2, 3}, Memory: []*podresources.ContainerMemory{block(30, 0, 1)},
			Containers: []*podresources.ContainerResources{{CpuIds: []int64{2}, Memory: []*podresources.ContainerMemory{block(20, 0)}}}},
		{Name: "nothing", Containers: []*podresources.ContainerResources{{}}},
	})
	server.Start()
	got, err := ReadPodResources(t.Context(), server.Socket)
	if err != nil {
		t.Fatal(err)
	}
	want := &layout.Kubelet{
		Devices: []layout.Device{
			{Resource: "nvidia.com/gpu", ID: "GPU-a", NUMA: []int{1}}, {Resource: "nvidia.com/gpu", ID: "GPU-b", NUMA: []int{1}}, {Resource: "example.com/nic", ID: "0"},
		},
		CPUs:   []int{1, 2, 3},
		Memory: []layout.Memory{{Type: "memory", Bytes: 100, NUMA: []int{0}}, {Type: "memory", Bytes: 200, NUMA: []int{1}}},
		Held: layout.Held{
			Devices: []layout.Device{{Resource: "nvidia.com/gpu", ID: "GPU-b"}},
			CPUs:    []int{1, 2, 3},
			Memory:  []layout.Memory{{Type: "memory", Bytes: 10, NUMA: []int{1}}, {Type: "memory", Bytes: 30, NUMA: []int{0, 1}}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestKubeletThatComesAndGoes(t *testing.T) {
	server := kubelettest.New(t)
	for range 3 {
		if _, err := ReadPodResources(t.Context(), server.Socket); err == nil || !strings.Contains(err.Error(), server.Socket) {
			t.Fatalf("without a kubelet: %v", err)
		}
		server.Start()
		if _, err := ReadPodResources(t.Context(), server.Socket); err != nil {
			t.Fatalf("with a kubelet: %v", err)
		}
		server.Stop()
	}
}

func TestTopologyManager(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   TopologyManager
		fault  string
	}{
		{"set", 200, `{"kubeletconfig":{"topologyManagerPolicy":"restricted","topologyManagerScope":"pod","port":10250}}`, TopologyManager{"restricted", "pod"}, ""},
		{"forbidden", 403, "Forbidden", TopologyManager{}, "403 Forbidden"},
		{"no JSON", 200, "<html>", TopologyManager{}, "reading the kubelet's configuration"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/configz" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body)) // the client reports what it misses
			}))
			defer server.Close()
			got, err := ReadTopologyManager(t.Context(), server.Client(), server.URL)
			if got != test.want || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if _, err := ReadTopologyManager(t.Context(), http.DefaultClient, "https://127.0.0.1:1"); err == nil {
		t.Error("no error where nobody answers")
	}
}
