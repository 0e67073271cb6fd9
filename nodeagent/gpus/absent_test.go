//go:build !cgo

package gpus

import (
	"errors"
	"testing"
	"time"
)

func TestWithoutCgo(t *testing.T) {
	if _, err := Open(""); !errors.Is(err, ErrAbsent) {
		t.Errorf("opening: %v", err)
	}
	var reader Reader
	if _, err := reader.Read(); !errors.Is(err, ErrAbsent) {
		t.Errorf("reading: %v", err)
	}
	if _, err := reader.Wait(time.Second); !errors.Is(err, ErrNoEvents) {
		t.Errorf("waiting: %v", err)
	}
	if err := reader.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}
