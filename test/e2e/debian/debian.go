// Package debian unpacks Debian packages into a directory. Nothing is installed: no file of the machine's own changes, no
// service starts, no script of a package runs.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Set is some packages with all that they depend on, unpacked below a directory.
type Set struct {
	// Dir gets the files of the packages in root, and what apt keeps beside it.
	Dir string
	// Packages are names of packages in the sources of apt that the machine is configured with.
	Packages []string
	// Whole says that root is to hold all that the packages need; else it holds what the machine has not installed itself.
	Whole bool
}

// Root is where the files of the packages are.
func (s Set) Root() string { return filepath.Join(s.Dir, "root") }

// Done is a file that is there once the packages are unpacked.
func (s Set) Done() string { return filepath.Join(s.Dir, "unpacked") }

// Unpack downloads and unpacks the packages. It does nothing when it has done so before.
func (s Set) Unpack(ctx context.Context) error {
	names := strings.Join(s.Packages, " ")
	if before, err := os.ReadFile(s.Done()); err == nil && string(before) == names {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		return err
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "root"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := s.download(ctx); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(s.Dir, "cache/archives/*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := run(ctx, "dpkg-deb", "--extract", archive, s.Root()); err != nil {
			return err
		}
	}
	for _, dir := range []string{"lists", "cache"} {
		if err := os.RemoveAll(filepath.Join(s.Dir, dir)); err != nil {
			return err
		}
	}
	return os.WriteFile(s.Done(), []byte(names), 0o644)
}

// download lets apt find out what is needed and fetch it, with lists and a cache of its own.
func (s Set) download(ctx context.Context) error {
	options := []string{
		"-o", "Dir::State::lists=" + filepath.Join(s.Dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(s.Dir, "cache"),
		"-o", "APT::Sandbox::User=root", // the directories are ours
		"-q",
	}
	if s.Whole {
		options = append(options, "-o", "Dir::State::status=/dev/null")
	}
	if err := run(ctx, "apt-get", append(options, "update")...); err != nil {
		return err
	}
	install := append(options, "install", "--yes", "--download-only", "--no-install-recommends")
	return run(ctx, "apt-get", append(install, s.Packages...)...)
}

// run runs a command, whose output is told only when it fails.
func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output)
	}
	return nil
}

// Environment is that of a process which finds the programs in a directory, and then the programs and libraries of packages
// below root, before those of the machine.
func Environment(dir, root string) []string {
	libraries := []string{filepath.Join(root, "usr/lib"), filepath.Join(root, "lib")}
	for _, dir := range libraries[:2] {
		triplets, _ := filepath.Glob(filepath.Join(dir, "*-linux-gnu")) // fails on a bad pattern only
		libraries = append(libraries, triplets...)
	}
	programs := []string{dir}
	for _, dir := range []string{"usr/sbin", "usr/bin", "sbin", "bin"} {
		programs = append(programs, filepath.Join(root, dir))
	}
	return append(os.Environ(),
		"PATH="+strings.Join(programs, ":")+":"+os.Getenv("PATH")+":/usr/sbin:/sbin",
		"LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
}
