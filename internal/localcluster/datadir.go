package localcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A dataDir is the directory of one cluster, locked while the cluster uses it.
type dataDir struct {
	path    string
	sockets string // temporary, and entered by nobody else
	keep    bool   // outlives the cluster
	created bool   // was not there before
	lock    *os.File
}

// openDataDir makes and locks the directory; an empty path means a temporary one.
func openDataDir(path string) (*dataDir, error) {
	parent := os.TempDir()
	if len(parent) > 64 {
		parent = "/tmp" // a socket's path may have little more than 100 bytes
	}
	sockets, err := os.MkdirTemp(parent, "muster-local-") // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make temporary directory: %w", err)
	}
	if path == "" {
		return &dataDir{path: sockets, sockets: sockets}, nil
	}
	d := &dataDir{path: path, sockets: sockets, keep: true}
	if err := d.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory: %w", err), d.close())
	}
	return d, nil
}

func (d *dataDir) open() error {
	path, err := filepath.Abs(d.path)
	if err != nil {
		return err
	}
	d.path = path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		d.created = true
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	d.lock, err = os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		d.created = false
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by another muster-local", path)
		}
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}

// discard makes close remove the directory if it was not there before.
func (d *dataDir) discard() {
	d.keep = d.keep && !d.created
}

// close unlocks the directory, and removes it unless it is kept.
func (d *dataDir) close() error {
	errs := []error{os.RemoveAll(d.sockets)}
	if !d.keep {
		errs = append(errs, os.RemoveAll(d.path))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}
