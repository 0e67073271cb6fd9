// Package gpus reads the GPUs of this node through NVIDIA's management library,
// NVML. It is the only package that imports it, and compiles without cgo, too:
// Open then says that no GPU can be read.
package gpus

import "errors"

// ErrAbsent is wrapped by Open where there is nothing to read: no NVIDIA
// library, no driver, or a program that was built without cgo. It may change
// while the agent runs, when a driver is installed.
var ErrAbsent = errors.New("no GPU can be read")

// ErrNoEvents is returned by Wait where no GPU reports Xid errors.
var ErrNoEvents = errors.New("no GPU reports Xid errors")

// Event is one Xid error that the driver reported.
type Event struct {
	GPU      string // UUID; empty if the driver could not say which GPU it was
	Instance int    // the MIG GPU instance, or health.Whole
	Xid      uint64
}
