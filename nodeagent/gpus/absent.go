//go:build !cgo

package gpus

import (
	"fmt"
	"time"

	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// Reader cannot be had in this build: NVML is loaded through cgo.
type Reader struct{}

// Open always fails, with ErrAbsent.
func Open(string) (*Reader, error) {
	return nil, fmt.Errorf("%w: this program was built without cgo, which NVML needs", ErrAbsent)
}

// Read fails with ErrAbsent.
func (*Reader) Read() (layout.Hardware, error) { return layout.Hardware{}, ErrAbsent }

// Wait fails with ErrNoEvents.
func (*Reader) Wait(time.Duration) (*Event, error) { return nil, ErrNoEvents }

// Close does nothing.
func (*Reader) Close() error { return nil }
