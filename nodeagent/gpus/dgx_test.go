//go:build cgo

package gpus

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
)

// dgx is go-nvml's own mock of a DGX A100 with what that leaves out: PCI
// addresses, NVLinks to six NVSwitches, NUMA nodes, health and Xid errors. A
// function that the mock lacks panics when it is called.
type dgx struct {
	*dgxa100.Server
	lost     map[int]nvml.Return // by GPU: what every call on it returns
	gone     nvml.Return         // what every call on the library returns; 0: it works
	recovery map[int]nvml.DeviceGpuRecoveryAction
	events   chan nvml.EventData
	watched  int
	freed    int
	shut     int
}

func newDGX() *dgx {
	d := &dgx{
		Server: dgxa100.New(), lost: map[int]nvml.Return{}, recovery: map[int]nvml.DeviceGpuRecoveryAction{},
		events: make(chan nvml.EventData, 1),
	}
	count, handle := d.DeviceGetCountFunc, d.DeviceGetHandleByIndexFunc
	d.DeviceGetCountFunc = func() (int, nvml.Return) {
		if ret := d.state(-1); ret != nvml.SUCCESS {
			return 0, ret
		}
		return count()
	}
	d.DeviceGetHandleByIndexFunc = func(i int) (nvml.Device, nvml.Return) {
		if ret := d.state(i); ret != nvml.SUCCESS {
			return nil, ret
		}
		return handle(i)
	}
	d.ShutdownFunc = func() nvml.Return {
		d.shut++
		return nvml.SUCCESS
	}
	d.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) {
		return &mock.EventSet{
			WaitFunc: func(uint32) (nvml.EventData, nvml.Return) {
				select {
				case event := <-d.events:
					return event, nvml.SUCCESS
				default:
					return nvml.EventData{}, nvml.ERROR_TIMEOUT
				}
			},
			FreeFunc: func() nvml.Return {
				d.freed++
				return nvml.SUCCESS
			},
		}, nvml.SUCCESS
	}
	for i := range d.Devices {
		d.complete(i)
	}
	return d
}

func (d *dgx) device(i int) *dgxa100.Device { return d.Devices[i].(*dgxa100.Device) }

func (d *dgx) state(gpu int) nvml.Return {
	if d.gone != nvml.SUCCESS {
		return d.gone
	}
	return d.lost[gpu]
}

// pci is the address of GPU i, as the driver of a real one gives it.
func pci(i int) nvml.PciInfo { return nvml.PciInfo{Domain: 0, Bus: uint32(0x10 + i)} }

// complete gives one GPU what the mock leaves out.
func (d *dgx) complete(i int) {
	gpu := d.device(i)
	gpu.UUID = fmt.Sprintf("GPU-%d", i)
	gpu.GetPciInfoFunc = func() (nvml.PciInfo, nvml.Return) { return pci(i), nvml.SUCCESS }
	gpu.RegisterEventsFunc = func(kinds uint64, _ nvml.EventSet) nvml.Return {
		if kinds != nvml.EventTypeXidCriticalError {
			return nvml.ERROR_INVALID_ARGUMENT
		}
		d.watched++
		return nvml.SUCCESS
	}
	gpu.GetMemoryAffinityFunc = func(int, nvml.AffinityScope) ([]uint, nvml.Return) {
		return []uint{1 << (i / 4)}, nvml.SUCCESS
	}
	gpu.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 0, false, false, nvml.SUCCESS }
	gpu.GetFieldValuesFunc = func(fields []nvml.FieldValue) nvml.Return {
		for f := range fields {
			fields[f].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
			if action, ok := d.recovery[i]; ok && fields[f].FieldId == nvml.FI_DEV_GET_GPU_RECOVERY_ACTION {
				fields[f].NvmlReturn = uint32(nvml.SUCCESS)
				binary.NativeEndian.PutUint32(fields[f].Value[:], uint32(action))
			}
		}
		return nvml.SUCCESS
	}
	gpu.GetGpuFabricInfoFunc = func() (nvml.GpuFabricInfo, nvml.Return) { return nvml.GpuFabricInfo{}, nvml.ERROR_NOT_SUPPORTED }
	gpu.GetTopologyCommonAncestorFunc = func(other nvml.Device) (nvml.GpuTopologyLevel, nvml.Return) {
		j := other.(*dgxa100.Device).Index
		switch {
		case i/2 == j/2:
			return nvml.TOPOLOGY_MULTIPLE, nvml.SUCCESS
		case i/4 == j/4:
			return nvml.TOPOLOGY_NODE, nvml.SUCCESS
		}
		return nvml.TOPOLOGY_SYSTEM, nvml.SUCCESS
	}
	gpu.GetNvLinkStateFunc = func(link int) (nvml.EnableState, nvml.Return) {
		if link >= 12 {
			return 0, nvml.ERROR_INVALID_ARGUMENT
		}
		return nvml.FEATURE_ENABLED, nvml.SUCCESS
	}
	gpu.GetNvLinkRemoteDeviceTypeFunc = func(int) (nvml.IntNvLinkDeviceType, nvml.Return) {
		return nvml.NVLINK_DEVICE_TYPE_SWITCH, nvml.SUCCESS
	}
	gpu.GetNvLinkRemotePciInfoFunc = func(link int) (nvml.PciInfo, nvml.Return) {
		return nvml.PciInfo{Bus: uint32(0xc0 + link/2)}, nvml.SUCCESS
	}
}

// direct connects GPUs by NVLinks without switches: peers[i] are the GPUs at the
// other end of the links of GPU i; -1 is a link that is down.
func (d *dgx) direct(peers map[int][]int) {
	for i := range d.Devices {
		gpu, ends := d.device(i), peers[i]
		gpu.GetNvLinkStateFunc = func(link int) (nvml.EnableState, nvml.Return) {
			if link >= len(ends) {
				return 0, nvml.ERROR_INVALID_ARGUMENT
			}
			if ends[link] < 0 {
				return nvml.FEATURE_DISABLED, nvml.SUCCESS
			}
			return nvml.FEATURE_ENABLED, nvml.SUCCESS
		}
		gpu.GetNvLinkRemoteDeviceTypeFunc = func(int) (nvml.IntNvLinkDeviceType, nvml.Return) {
			return nvml.NVLINK_DEVICE_TYPE_GPU, nvml.SUCCESS
		}
		gpu.GetNvLinkRemotePciInfoFunc = func(link int) (nvml.PciInfo, nvml.Return) {
			return pci(ends[link]), nvml.SUCCESS
		}
	}
}

// divide gives GPU i MIG devices, at indices with gaps between them.
func (d *dgx) divide(i int, parts ...nvml.DeviceAttributes) {
	gpu := d.device(i)
	gpu.MigMode = nvml.DEVICE_MIG_ENABLE
	gpu.GetMaxMigDeviceCountFunc = func() (int, nvml.Return) { return 7, nvml.SUCCESS }
	gpu.GetMigDeviceHandleByIndexFunc = func(index int) (nvml.Device, nvml.Return) {
		if index%2 != 0 || index/2 >= len(parts) {
			return nil, nvml.ERROR_NOT_FOUND
		}
		return &mock.Device{
			GetUUIDFunc:          func() (string, nvml.Return) { return fmt.Sprintf("MIG-%d-%d", i, index), nvml.SUCCESS },
			GetGpuInstanceIdFunc: func() (int, nvml.Return) { return index + 1, nvml.SUCCESS },
			GetAttributesFunc:    func() (nvml.DeviceAttributes, nvml.Return) { return parts[index/2], nvml.SUCCESS },
			GetNameFunc:          func() (string, nvml.Return) { return "Mock NVIDIA A100-SXM4-40GB", nvml.SUCCESS },
		}, nvml.SUCCESS
	}
}

// lacks makes the library one that is too old for the functions.
func (d *dgx) lacks(symbols ...string) {
	d.LookupSymbolFunc = func(symbol string) error {
		if strings.Contains(strings.Join(symbols, " "), symbol) {
			return fmt.Errorf("undefined symbol: %s", symbol)
		}
		return nil
	}
}

func openDGX(t *testing.T, d *dgx) *Reader {
	t.Helper()
	reader, err := open(d)
	if err != nil {
		t.Fatal(err)
	}
	return reader
}
