package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Cgroups is a control group of the caller's own: one directory in each hierarchy of cgroup v1, or one in that of v2.
type Cgroups struct {
	// Name of the directories, below the hierarchies' roots.
	Name string
	// v1 are the mount points of the hierarchies of version 1; v2 is that of version 2. Where there are both, v1 has the
	// controllers, and v2 only sorts processes: runc makes groups in it on its own.
	v1 []string
	v2 string
	// controllers of v2 are those that a kubelet wants where the machine has them.
	controllers []string
	// enabled are the controllers of v2 that Make turned on for the root's children, as they are turned off again.
	enabled []string
}

// needed are the controllers without which a kubelet does not start, of either version. Those of v2 it wants only where there
// are any.
var (
	needed   = []string{"cpuset", "cpu", "memory", "pids"}
	optional = []string{"hugetlb", "io"}
)

// FindCgroups finds out which version the machine uses. It fails, and says why, where a kubelet could use neither.
func FindCgroups(name string) (*Cgroups, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	c := &Cgroups{Name: name}
	var controllers []string
	for line := range strings.Lines(string(mounts)) {
		field := strings.Fields(line)
		switch {
		case len(field) < 4:
		case field[2] == "cgroup":
			c.v1 = append(c.v1, field[1])
			controllers = append(controllers, strings.Split(field[3], ",")...)
		case field[2] == "cgroup2":
			c.v2 = field[1]
		}
	}
	if len(c.v1) == 0 && c.v2 != "" {
		content, err := os.ReadFile(filepath.Join(c.v2, "cgroup.controllers"))
		if err != nil {
			return nil, err
		}
		controllers = strings.Fields(string(content))
		for _, controller := range slices.Concat(needed, optional) {
			if slices.Contains(controllers, controller) {
				c.controllers = append(c.controllers, controller)
			}
		}
	}
	for _, controller := range needed {
		if !slices.Contains(controllers, controller) {
			return nil, fmt.Errorf("the control groups of this machine lack the controller %q", controller)
		}
	}
	return c, nil
}

// Make makes the control group, with all of the machine's CPUs and memory.
func (c *Cgroups) Make() error {
	for _, hierarchy := range c.v1 {
		if err := makeV1(hierarchy, c.Name); err != nil {
			return err
		}
	}
	if len(c.v1) > 0 {
		return nil
	}
	return c.makeV2()
}

// MakeBelow makes a control group below this one.
func (c *Cgroups) MakeBelow(name string) error {
	below := *c
	below.Name = filepath.Join(c.Name, name)
	return below.Make()
}

func makeV1(hierarchy, name string) error {
	dir := filepath.Join(hierarchy, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		all, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if errors.Is(err, fs.ErrNotExist) {
			continue // another controller's hierarchy
		} else if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), all, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeV2 makes the control group and lets its children use the controllers.
func (c *Cgroups) makeV2() error {
	dir := filepath.Join(c.v2, c.Name)
	parent := filepath.Dir(dir)
	before, err := os.ReadFile(filepath.Join(parent, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	for _, controller := range c.controllers {
		if slices.Contains(strings.Fields(string(before)), controller) {
			continue
		}
		if err := os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("turn on the controller %q below %s: %w", controller, parent, err)
		}
		if parent == c.v2 {
			c.enabled = append(c.enabled, controller)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	on := "+" + strings.Join(c.controllers, " +")
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(on), 0o644)
}

// Remove removes the control group, once the processes in it have ended, and turns off what Make turned on. It does
// nothing where there is none.
func (c *Cgroups) Remove() error {
	var err error
	for range 100 {
		if err = c.remove(); err == nil || !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(100 * time.Millisecond) // processes that were killed are on their way out
	}
	for _, controller := range c.enabled {
		file := filepath.Join(c.v2, "cgroup.subtree_control")
		err = errors.Join(err, os.WriteFile(file, []byte("-"+controller), 0o644))
	}
	c.enabled = nil
	return err
}

func (c *Cgroups) remove() error {
	var errs []error
	for _, hierarchy := range append(slices.Clone(c.v1), c.v2) {
		if hierarchy == "" {
			continue
		}
		var dirs []string
		err := filepath.WalkDir(filepath.Join(hierarchy, c.Name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		for _, dir := range slices.Backward(dirs) {
			if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, &os.PathError{Op: "rmdir", Path: dir, Err: err})
			}
		}
	}
	return errors.Join(errs...)
}
