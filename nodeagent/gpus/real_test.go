//go:build cgo

package gpus

import (
	"testing"
	"time"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// TestRealGPUs reads the GPUs of this machine. It is the one test that is
// skipped where its subject is missing.
func TestRealGPUs(t *testing.T) {
	reader, err := Open("")
	if err != nil {
		t.Skipf("skipped, nothing was tested: %v", err)
	}
	hardware := read(t, reader)
	if len(hardware.GPUs) == 0 {
		t.Skip("skipped, nothing was tested: NVML works and finds no GPU")
	}
	if hardware.Driver == "" || hardware.CUDA < 10000 {
		t.Errorf("driver %q, CUDA %d", hardware.Driver, hardware.CUDA)
	}
	for _, gpu := range hardware.GPUs {
		t.Logf("%+v", gpu)
		if gpu.UUID == "" || gpu.Product == "" || gpu.BusID == "" || gpu.ComputeMajor == 0 || gpu.Broken != "" {
			t.Errorf("GPU %d: %+v", gpu.Index, gpu)
		}
	}
	if n := len(hardware.GPUs); len(hardware.Connections) != n*(n-1)/2 {
		t.Errorf("%d connections between %d GPUs", len(hardware.Connections), n)
	}
	if event, err := reader.Wait(10 * time.Millisecond); err != nil {
		t.Errorf("waiting for Xid errors: %v, %v", event, err)
	}
	out := layout.Describe(layout.Input{Hardware: hardware, Kubelet: &layout.Kubelet{}})
	t.Logf("labels %v\n%s", out.Labels, out.Topology)
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}
