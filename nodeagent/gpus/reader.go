//go:build cgo

package gpus

import (
	"errors"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/muster-scheduling/muster/nodeagent/health"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// Reader is an open connection to NVML. Read and Wait may be called at the same
// time, each by one goroutine; Close only after both have returned, because it
// unloads the library.
type Reader struct {
	lib    nvml.Interface
	events nvml.EventSet // nil if no GPU reports any
	known  map[int]layout.GPU
	has    map[string]bool // functions of the library that older drivers lack
}

// Open loads NVML, from the named file or, if that is empty, from where the
// dynamic linker finds it. It fails with ErrAbsent where there is no such
// library or no driver.
func Open(library string) (*Reader, error) {
	var options []nvml.LibraryOption
	if library != "" {
		options = append(options, nvml.WithLibraryPath(library))
	}
	return open(nvml.New(options...))
}

func open(lib nvml.Interface) (*Reader, error) {
	switch ret := lib.Init(); ret {
	case nvml.SUCCESS:
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, fmt.Errorf("%w: the NVIDIA library is not installed", ErrAbsent)
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return nil, fmt.Errorf("%w: the NVIDIA driver is not loaded", ErrAbsent)
	default:
		return nil, fmt.Errorf("initialising NVML: %w", ret)
	}
	r := &Reader{lib: lib, known: map[int]layout.GPU{}, has: map[string]bool{}}
	for _, symbol := range []string{fabricSymbol, remoteTypeSymbol, remappedRowsSymbol, memoryAffinitySymbol, migSymbol} {
		// Calling what the loaded library lacks would end the process.
		r.has[symbol] = lib.Extensions().LookupSymbol(symbol) == nil
	}
	if err := r.watch(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Functions that came later than the rest, by their names in the library.
const (
	fabricSymbol         = "nvmlDeviceGetGpuFabricInfo"
	remoteTypeSymbol     = "nvmlDeviceGetNvLinkRemoteDeviceType"
	remappedRowsSymbol   = "nvmlDeviceGetRemappedRows"
	memoryAffinitySymbol = "nvmlDeviceGetMemoryAffinity"
	migSymbol            = "nvmlDeviceGetMigMode" // with it came all of MIG
)

// watch registers for the Xid errors of all GPUs that report them.
func (r *Reader) watch() error {
	count, ret := r.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return fmt.Errorf("counting GPUs: %w", ret)
	}
	set, ret := r.lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return fmt.Errorf("creating a set of events: %w", ret)
	}
	watched := 0
	for i := range count {
		device, ret := r.lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue // lost already: Read reports it
		}
		if ret := device.RegisterEvents(nvml.EventTypeXidCriticalError, set); ret == nvml.SUCCESS {
			watched++
		}
	}
	if watched > 0 {
		r.events = set
		return nil
	}
	if ret := set.Free(); ret != nvml.SUCCESS {
		return fmt.Errorf("freeing a set of events: %w", ret)
	}
	return nil
}

// Wait returns the next Xid error, or nil if none comes within the time. It
// fails with ErrNoEvents if none can come, and with NVML's error if that is
// lost; then Read says what is wrong.
func (r *Reader) Wait(atMost time.Duration) (*Event, error) {
	if r.events == nil {
		return nil, ErrNoEvents
	}
	data, ret := r.events.Wait(uint32(atMost.Milliseconds()))
	switch {
	case ret == nvml.ERROR_TIMEOUT:
		return nil, nil
	case ret != nvml.SUCCESS:
		return nil, fmt.Errorf("waiting for Xid errors: %w", ret)
	case data.EventType != nvml.EventTypeXidCriticalError:
		return nil, nil
	}
	event := &Event{Xid: data.EventData, Instance: health.Whole}
	if data.GpuInstanceId != noInstance {
		event.Instance = int(data.GpuInstanceId)
	}
	if data.Device != nil {
		if uuid, ret := data.Device.GetUUID(); ret == nvml.SUCCESS {
			event.GPU = uuid
		}
	}
	return event, nil
}

// noInstance is the GPU instance of events that concern the whole GPU.
const noInstance = 0xFFFFFFFF

// Close ends the connection and unloads the library.
func (r *Reader) Close() error {
	var errs []error
	if r.events != nil {
		if ret := r.events.Free(); ret != nvml.SUCCESS {
			errs = append(errs, fmt.Errorf("freeing a set of events: %w", ret))
		}
	}
	if ret := r.lib.Shutdown(); ret != nvml.SUCCESS {
		errs = append(errs, fmt.Errorf("shutting NVML down: %w", ret))
	}
	return errors.Join(errs...)
}
