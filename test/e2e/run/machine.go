package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/muster-scheduling/muster/test/e2e/debian"
	"github.com/muster-scheduling/muster/test/e2e/sandbox"
)

// nodePrograms are the programs of a node that are not built here, and the Debian packages that have them.
var nodePrograms = map[string]string{
	"containerd": "containerd", "ctr": "containerd", "containerd-shim-runc-v2": "containerd",
	"runc": "runc", "nft": "nftables", "ip": "iproute2",
}

const pluginPackage = "containernetworking-plugins"

// hidden are directories that a node sees empty.
var hidden = []string{"/run", "/var/lib", "/var/log", "/proc", "/sys"}

// findSite finds the repository from this program's own path, and what the machine has. It changes nothing.
func findSite() (site, error) {
	program, err := os.Executable()
	if err != nil {
		return site{}, err
	}
	s := site{dir: filepath.Dir(program), root: filepath.Join(filepath.Dir(program), "..", "..")}
	if runtime.GOOS != "linux" {
		return s, &missingError{"it takes Linux"}
	}
	if os.Geteuid() != 0 {
		return s, &missingError{"it takes root: real nodes mount file systems and make network devices and control groups"}
	}
	for _, dir := range hidden {
		if strings.HasPrefix(s.dir, dir+"/") {
			return s, &missingError{"the checkout is below " + dir + ", which a node hides with a directory of its own"}
		}
	}
	// The name differs between checkouts, and stays the same for one: what a killed run left is found by the next.
	name := fmt.Sprintf("muster-e2e-%x", sha256.Sum256([]byte(s.dir)))[:len("muster-e2e-")+8]
	if s.cgroups, err = sandbox.FindCgroups(name); err != nil {
		return s, &missingError{err.Error()}
	}
	s.packages = debian.Set{Dir: s.file("packages", "node")}
	return s, nil
}

// prepareMachine downloads the programs of a node that are missing and finds out whether the machine lets them work.
func (s *site) prepareMachine(ctx context.Context) error {
	missing := map[string]bool{}
	for program, name := range nodePrograms {
		if _, err := exec.LookPath(program); err != nil {
			missing[name] = true
		}
	}
	if pluginsIn("/") == "" {
		missing[pluginPackage] = true
	}
	if len(missing) > 0 {
		if err := s.download(ctx, missing); err != nil {
			return err
		}
	}
	return s.probe(ctx)
}

func (s *site) download(ctx context.Context, missing map[string]bool) error {
	s.packages.Packages = sortedKeys(missing)
	names := strings.Join(s.packages.Packages, ", ")
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return &missingError{fmt.Sprintf("%s are not installed, and there is no %s to download them with", names, program)}
		}
	}
	fmt.Printf("e2e: packages, unpacked below bin/e2e and not installed: %s\n", names)
	if err := s.packages.Unpack(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return &missingError{fmt.Sprintf("%s are not installed and cannot be downloaded: %v", names, err)}
	}
	return nil
}

// pluginsIn is where the plugins of CNI are below a root, or nothing.
func pluginsIn(root string) string {
	for _, dir := range []string{"usr/lib/cni", "opt/cni/bin", "usr/libexec/cni"} {
		if _, err := os.Stat(filepath.Join(root, dir, "bridge")); err == nil {
			return filepath.Join(root, dir)
		}
	}
	return ""
}

func (s *site) plugins() string {
	if dir := pluginsIn(s.packages.Root()); dir != "" {
		return dir
	}
	return pluginsIn("/")
}

// probes are what a node does with the kernel, in namespaces that end with it.
const probes = `
ip link add e2e type bridge
ip link add left type veth peer name right
nft add table ip e2e
mkdir "$1/a" "$1/b" "$1/work" "$1/all"
mount -t overlay overlay -o "lowerdir=$1/a,upperdir=$1/b,workdir=$1/work" "$1/all"
`

// probe tries what the kernel has to allow.
func (s *site) probe(ctx context.Context) error {
	dir := s.file("work", "probe")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cmd := sandbox.Command(sandbox.Whole, s.self("init"), "sh", "-ec", probes, "sh", dir)
	cmd.Env = s.environment()
	output, err := cmd.CombinedOutput()
	if err != nil {
		return &missingError{fmt.Sprintf("the kernel does not allow what a node needs: %v\n%s", err, output)}
	}
	if err := s.cgroups.Make(); err != nil {
		return &missingError{fmt.Sprintf("control groups cannot be made here: %v", errors.Join(err, s.cgroups.Remove()))}
	}
	return ctx.Err()
}
