//go:build cgo

package gpus

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/muster-scheduling/muster/nodeagent/health"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

func read(t *testing.T, reader *Reader) layout.Hardware {
	t.Helper()
	hardware, err := reader.Read()
	if err != nil {
		t.Fatal(err)
	}
	return hardware
}

func TestDGX(t *testing.T) {
	d := newDGX()
	hardware := read(t, openDGX(t, d))
	if hardware.Driver != "550.54.15" || hardware.CUDA != 12040 || len(hardware.GPUs) != 8 || len(hardware.Connections) != 28 {
		t.Fatalf("got %+v", hardware)
	}
	want := layout.GPU{
		Index: 5, UUID: "GPU-5", BusID: "0000:15:00.0", Product: "Mock NVIDIA A100-SXM4-40GB", MemoryMiB: 40960,
		ComputeMajor: 8, NUMA: 1, MIGCapable: true,
	}
	if !reflect.DeepEqual(hardware.GPUs[5], want) {
		t.Errorf("got  %+v\nwant %+v", hardware.GPUs[5], want)
	}
	levels := map[layout.Ancestor]int{}
	for _, c := range hardware.Connections {
		levels[c.Ancestor]++
		if c.NVLinks != 12 {
			t.Errorf("GPUs %d and %d have %d NVLinks", c.A, c.B, c.NVLinks)
		}
	}
	if want := map[layout.Ancestor]int{layout.MultipleSwitch: 4, layout.SameNUMA: 8, layout.System: 16}; !reflect.DeepEqual(levels, want) {
		t.Errorf("ancestors %v, want %v", levels, want)
	}
	if d.watched != 8 {
		t.Errorf("%d GPUs report Xid errors", d.watched)
	}
}

// TestWhatIsPublished goes all the way from NVML to zones.
func TestWhatIsPublished(t *testing.T) {
	d := newDGX()
	d.divide(7, nvml.DeviceAttributes{GpuInstanceSliceCount: 3, ComputeInstanceSliceCount: 3, MemorySizeMB: 19968})
	in := layout.Input{Hardware: read(t, openDGX(t, d)), Kubelet: &layout.Kubelet{}}
	for i := range 7 {
		in.Kubelet.Devices = append(in.Kubelet.Devices, layout.Device{Resource: "nvidia.com/gpu", ID: fmt.Sprintf("GPU-%d", i)})
	}
	in.Kubelet.Devices = append(in.Kubelet.Devices, layout.Device{Resource: "nvidia.com/mig-3g.20gb", ID: "MIG-7-0"})
	want := `Node node-0 nvidia.com/gpu=4/4/4
Node node-1 nvidia.com/gpu=3/3/3 nvidia.com/mig-3g.20gb=1/1/1
NVLink nvlink-0 nvidia.com/gpu=7/7/7`
	if got := layout.Describe(in).Topology.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDirectNVLinks(t *testing.T) {
	d := newDGX()
	// As in a machine of two fully connected quads, a link of GPU 0 being down,
	// and seen from the other end only.
	d.direct(map[int][]int{0: {1, 1, 2, -1}, 1: {0, 0}, 2: {0}, 3: {0}, 4: {5}, 5: {4}})
	links := map[string]int{}
	for _, c := range read(t, openDGX(t, d)).Connections {
		if c.NVLinks > 0 {
			links[fmt.Sprintf("%d-%d", c.A, c.B)] = c.NVLinks
		}
	}
	if want := map[string]int{"0-1": 2, "0-2": 1, "0-3": 1, "4-5": 1}; !reflect.DeepEqual(links, want) {
		t.Errorf("links %v, want %v", links, want)
	}
}

func TestGPUWhoseLinksToTheSwitchesAreDown(t *testing.T) {
	d := newDGX()
	d.device(3).GetNvLinkStateFunc = func(link int) (nvml.EnableState, nvml.Return) {
		if link < 10 {
			return nvml.FEATURE_DISABLED, nvml.SUCCESS
		}
		return nvml.FEATURE_ENABLED, nvml.SUCCESS
	}
	d.device(3).GetNvLinkRemoteDeviceTypeFunc = func(int) (nvml.IntNvLinkDeviceType, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED }
	for _, c := range read(t, openDGX(t, d)).Connections {
		want := 12
		if c.A == 3 || c.B == 3 {
			want = 0
		}
		if c.NVLinks != want {
			t.Errorf("GPUs %d and %d have %d NVLinks, want %d", c.A, c.B, c.NVLinks, want)
		}
	}
}

func TestOldLibrary(t *testing.T) {
	d := newDGX()
	d.direct(map[int][]int{0: {1}, 1: {0}})
	d.lacks(fabricSymbol, remoteTypeSymbol, remappedRowsSymbol, memoryAffinitySymbol, migSymbol)
	for i := range d.Devices { // calling what a library lacks ends the process
		gpu := d.device(i)
		gpu.GetGpuFabricInfoFunc, gpu.GetNvLinkRemoteDeviceTypeFunc, gpu.GetRemappedRowsFunc, gpu.GetMemoryAffinityFunc, gpu.GetMigModeFunc = nil, nil, nil, nil, nil
	}
	hardware := read(t, openDGX(t, d))
	if hardware.GPUs[3].NUMA != layout.Unknown || hardware.GPUs[3].MIGCapable || hardware.Connections[0].NVLinks != 1 {
		t.Errorf("got %+v", hardware)
	}
}

func TestMIG(t *testing.T) {
	d := newDGX()
	d.divide(2,
		nvml.DeviceAttributes{GpuInstanceSliceCount: 1, ComputeInstanceSliceCount: 1, MemorySizeMB: 4864},
		nvml.DeviceAttributes{GpuInstanceSliceCount: 3, ComputeInstanceSliceCount: 1, MemorySizeMB: 19968})
	hardware := read(t, openDGX(t, d))
	want := []layout.Instance{
		{Index: 0, UUID: "MIG-2-0", GPUInstance: 1, Profile: "1g.5gb", MemoryMiB: 4864},
		{Index: 2, UUID: "MIG-2-2", GPUInstance: 3, Profile: "1c.3g.20gb", MemoryMiB: 19968},
	}
	if gpu := hardware.GPUs[2]; !gpu.MIGEnabled || !reflect.DeepEqual(gpu.Instances, want) {
		t.Errorf("got %+v", gpu)
	}
	if gpu := hardware.GPUs[3]; gpu.MIGEnabled || !gpu.MIGCapable {
		t.Errorf("its neighbour: %+v", gpu)
	}
	d.device(2).GetMigModeFunc = func() (int, int, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED }
	if gpu := read(t, openDGX(t, d)).GPUs[2]; gpu.MIGCapable || gpu.Broken != "" {
		t.Errorf("a GPU without MIG: %+v", gpu)
	}
}

func TestProfiles(t *testing.T) {
	tests := []struct {
		want, name string
		gi, ci     uint32
		mib, gpu   uint64
	}{
		{"1g.5gb", "", 1, 1, 4864, 40960},
		{"1g.10gb", "", 1, 1, 9856, 40960},
		{"7g.40gb", "", 7, 7, 40192, 40960},
		{"4g.20gb", "", 4, 4, 19968, 40960},
		{"1g.10gb", "", 1, 1, 9728, 81920},
		{"7g.80gb", "", 7, 7, 80896, 81559},
		{"2c.4g.20gb", "", 4, 2, 19968, 40960},
		{"1g.5gb+me", "NVIDIA A100-SXM4-40GB MIG 1g.5gb+me", 1, 1, 4864, 40960},
	}
	for _, test := range tests {
		got := profile(test.name, nvml.DeviceAttributes{GpuInstanceSliceCount: test.gi, ComputeInstanceSliceCount: test.ci, MemorySizeMB: test.mib}, test.gpu)
		if got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestFabric(t *testing.T) {
	d := newDGX()
	info := nvml.GpuFabricInfo{ClusterUuid: [16]uint8{0x6f, 15: 7}, CliqueId: 3, State: nvml.GPU_FABRIC_STATE_COMPLETED}
	d.device(0).GetGpuFabricInfoFunc = func() (nvml.GpuFabricInfo, nvml.Return) { return info, nvml.SUCCESS }
	if got := read(t, openDGX(t, d)).GPUs[0].Fabric; got != "6f000000-0000-0000-0000-000000000007.3" {
		t.Errorf("fabric %q", got)
	}
	info.State = nvml.GPU_FABRIC_STATE_IN_PROGRESS
	if got := read(t, openDGX(t, d)).GPUs[0].Fabric; got != "" {
		t.Errorf("fabric %q before it is joined", got)
	}
}

func TestLostGPU(t *testing.T) {
	d := newDGX()
	reader := openDGX(t, d)
	before := read(t, reader)
	d.lost[3] = nvml.ERROR_GPU_IS_LOST
	after := read(t, reader)
	if gpu := after.GPUs[3]; gpu.UUID != "GPU-3" || gpu.NUMA != 0 || !strings.Contains(gpu.Broken, "ERROR_GPU_IS_LOST") {
		t.Errorf("the lost GPU: %+v", gpu)
	}
	if len(after.Connections) != 21 || after.GPUs[4].Broken != "" {
		t.Errorf("the others: %+v", after)
	}
	delete(d.lost, 3)
	if again := read(t, reader); !reflect.DeepEqual(again, before) {
		t.Errorf("back again: %+v", again)
	}
	d.lost[0] = nvml.ERROR_GPU_IS_LOST // a GPU that this reader has never seen
	if gpu := read(t, openDGX(t, d)).GPUs[0]; gpu.UUID != "" || gpu.NUMA != layout.Unknown || gpu.Broken == "" {
		t.Errorf("never read: %+v", gpu)
	}
}

func TestGPUThatCannotBeReadInPart(t *testing.T) {
	d := newDGX()
	reader := openDGX(t, d)
	read(t, reader)
	d.device(1).GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) { return nvml.Memory{}, nvml.ERROR_RESET_REQUIRED }
	if gpu := read(t, reader).GPUs[1]; !strings.Contains(gpu.Broken, "memory: ERROR_RESET_REQUIRED") || gpu.MemoryMiB != 40960 {
		t.Errorf("got %+v", gpu)
	}
	d.device(1).GetMemoryInfoFunc = func() (nvml.Memory, nvml.Return) { return nvml.Memory{}, nvml.ERROR_NOT_SUPPORTED }
	if gpu := read(t, reader).GPUs[1]; gpu.Broken != "" || gpu.MemoryMiB != 0 {
		t.Errorf("without memory of its own: %+v", gpu)
	}
}

func TestAilments(t *testing.T) {
	d := newDGX()
	d.recovery = map[int]nvml.DeviceGpuRecoveryAction{
		0: nvml.GPU_RECOVERY_ACTION_NONE, 1: nvml.GPU_RECOVERY_ACTION_GPU_RESET, 2: nvml.GPU_RECOVERY_ACTION_NODE_REBOOT, 3: nvml.GPU_RECOVERY_ACTION_DRAIN_P2P,
	}
	d.device(4).GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 8, false, true, nvml.SUCCESS }
	d.device(5).GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 1, true, false, nvml.SUCCESS }
	gpus := read(t, openDGX(t, d)).GPUs
	for i, want := range []string{"", "reset of the GPU", "reboot", "transfers between GPUs", "spare rows", "", ""} {
		if got := gpus[i].Broken; (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("GPU %d: %q, want %q", i, got, want)
		}
	}
}

func TestDriverThatIsLost(t *testing.T) {
	d := newDGX()
	reader := openDGX(t, d)
	d.gone = nvml.ERROR_UNINITIALIZED
	if _, err := reader.Read(); !errors.Is(err, nvml.ERROR_UNINITIALIZED) {
		t.Errorf("got %v", err)
	}
	d.gone = nvml.SUCCESS
	d.lost[2] = nvml.ERROR_DRIVER_NOT_LOADED // while the others are read
	if _, err := reader.Read(); !errors.Is(err, nvml.ERROR_DRIVER_NOT_LOADED) {
		t.Errorf("got %v", err)
	}
	if err := reader.Close(); err != nil || d.freed != 1 || d.shut != 1 {
		t.Errorf("closing: %v, freed %d, shut %d", err, d.freed, d.shut)
	}
}

func TestXidErrors(t *testing.T) {
	d := newDGX()
	reader := openDGX(t, d)
	unknown := newDGX().device(0)
	unknown.GetUUIDFunc = func() (string, nvml.Return) { return "", nvml.ERROR_GPU_IS_LOST }
	tests := []struct {
		data nvml.EventData
		want *Event
	}{
		{nvml.EventData{Device: d.Devices[6], EventType: nvml.EventTypeXidCriticalError, EventData: 79, GpuInstanceId: noInstance}, &Event{GPU: "GPU-6", Instance: health.Whole, Xid: 79}},
		{nvml.EventData{Device: d.Devices[6], EventType: nvml.EventTypeXidCriticalError, EventData: 95, GpuInstanceId: 3}, &Event{GPU: "GPU-6", Instance: 3, Xid: 95}},
		{nvml.EventData{Device: unknown, EventType: nvml.EventTypeXidCriticalError, EventData: 48, GpuInstanceId: noInstance}, &Event{Instance: health.Whole, Xid: 48}},
		{nvml.EventData{Device: d.Devices[6], EventType: nvml.EventTypeSingleBitEccError}, nil},
	}
	for _, test := range tests {
		d.events <- test.data
		if got, err := reader.Wait(time.Second); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("got %+v, %v; want %+v", got, err, test.want)
		}
	}
	if got, err := reader.Wait(time.Second); got != nil || err != nil {
		t.Errorf("of no error: %+v, %v", got, err)
	}
}

func TestNoGPUReportsXidErrors(t *testing.T) {
	d := newDGX()
	for i := range d.Devices {
		d.device(i).RegisterEventsFunc = func(uint64, nvml.EventSet) nvml.Return { return nvml.ERROR_NOT_SUPPORTED }
	}
	if _, err := openDGX(t, d).Wait(time.Second); !errors.Is(err, ErrNoEvents) {
		t.Errorf("got %v", err)
	}
}

func TestOpen(t *testing.T) {
	for ret, absent := range map[nvml.Return]bool{
		nvml.ERROR_LIBRARY_NOT_FOUND: true, nvml.ERROR_DRIVER_NOT_LOADED: true, nvml.ERROR_LIB_RM_VERSION_MISMATCH: false, nvml.ERROR_NO_PERMISSION: false,
	} {
		d := newDGX()
		d.InitFunc = func() nvml.Return { return ret }
		if _, err := open(d); err == nil || errors.Is(err, ErrAbsent) != absent {
			t.Errorf("%v: %v", ret, err)
		}
	}
	d := newDGX()
	d.gone = nvml.ERROR_UNKNOWN
	if _, err := open(d); !errors.Is(err, nvml.ERROR_UNKNOWN) || d.shut != 1 {
		t.Errorf("a library that fails after it was opened: %v, shut %d times", err, d.shut)
	}
	if _, err := Open("/nowhere/libnvidia-ml.so.1"); !errors.Is(err, ErrAbsent) {
		t.Errorf("no library: %v", err)
	}
}
