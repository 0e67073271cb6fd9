package nodes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const containerdSocket = "/run/containerd/containerd.sock"

// RunNode is a node: it runs containerd and the kubelet, and returns when one of them has ended.
func RunNode(n NodeConfig) error {
	if err := n.mount(); err != nil {
		return err
	}
	if err := n.configure(); err != nil {
		return err
	}
	logs := filepath.Join(n.dir(), "log")
	containerd, err := start("containerd", logs, exec.Command("containerd", "--config="+n.file("containerd.toml"),
		"--root="+n.file("containerd"), "--state=/run/containerd"))
	if err != nil {
		return err
	}
	if err := n.importImages(containerd); err != nil {
		return err
	}
	kubelet, err := start("kubelet", logs, exec.Command("kubelet", "--config="+n.file("kubelet.yaml"),
		"--kubeconfig="+n.Kubeconfig, "--hostname-override="+nodeName(n.Number), "--node-ip="+nodeAddress(n.Number), "--v=2"))
	if err != nil {
		return err
	}
	select {
	case <-containerd.ended:
		return containerd.failure()
	case <-kubelet.ended:
		return kubelet.failure()
	}
}

func (n NodeConfig) file(name string) string { return filepath.Join(n.dir(), name) }

// mount hides what the machine has where containerd, CNI and the kubelet insist on writing, whatever they are told. The
// kubelet also insists on three settings of the kernel: it reads files that say so, and the machine's stay as they are.
func (n NodeConfig) mount() error {
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount a file system at %s: %w", dir, err)
		}
	}
	for _, dir := range []string{"/var/lib/kubelet", "/var/lib/cni", "/var/log/containers", n.file("kubelet"), n.file("cni")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	bind := map[string]string{n.file("kubelet"): "/var/lib/kubelet"}
	for setting, value := range map[string]string{"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"} {
		file := n.file(filepath.Base(setting))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		bind[file] = "/proc/sys/" + setting
	}
	for from, to := range bind {
		if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s at %s: %w", from, to, err)
		}
	}
	return nil
}

// configure writes the configurations of the node's programs.
func (n NodeConfig) configure() error {
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	values := strings.NewReplacer("@DIR@", n.dir(), "@IPAM@", filepath.Join(n.Dir, "ipam"), "@RANGE@", podRange,
		"@PAUSE@", n.PauseImage, "@RUNC@", runc, "@PLUGINS@", n.Plugins, "@SOCKET@", containerdSocket, "@DNS@", DNSAddress,
		"@CGROUP@", filepath.Join(n.Cgroup, nodeName(n.Number)), "@PORT@", fmt.Sprint(10250+n.Number))
	for name, text := range map[string]string{"cni/10-pods.conflist": cniConfig, "containerd.toml": containerdConfig, "kubelet.yaml": kubeletConfig} {
		if err := os.WriteFile(n.file(name), []byte(values.Replace(text)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// importImages waits for containerd and gives it the images.
func (n NodeConfig) importImages(containerd *process) error {
	deadline := time.After(startTimeout)
	for run("ctr", "--address="+containerdSocket, "version") != nil {
		select {
		case <-containerd.ended:
			return containerd.failure()
		case <-deadline:
			return fmt.Errorf("containerd does not answer within %s", startTimeout)
		case <-time.After(100 * time.Millisecond):
		}
	}
	for _, archive := range n.Images {
		if err := importImage(containerdSocket, archive); err != nil {
			return err
		}
	}
	return nil
}

// All nodes take their pods' addresses from one place: they are on one bridge.
const cniConfig = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isDefaultGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "@IPAM@", "ranges": [[{"subnet": "@RANGE@"}]]}}]}
`

// restrict_oom_score_adj: a machine may lack the right to lower the value (CAP_SYS_RESOURCE).
const containerdConfig = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "@PAUSE@"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "@RUNC@"
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "@PLUGINS@"
conf_dir = "@DIR@/cni"
`

// Nothing is evicted and no image is removed: the disk is the machine's, however full it is.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /@CGROUP@
containerRuntimeEndpoint: unix://@SOCKET@
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
clusterDNS: ["@DNS@"]
clusterDomain: cluster.local
resolvConf: ""
makeIPTablesUtilChains: false
protectKernelDefaults: true
oomScoreAdj: 0
registryPullQPS: 0
evictionHard: {memory.available: 1Mi, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%, imagefs.inodesFree: 0%}
imageGCHighThresholdPercent: 100
podLogsDir: @DIR@/podlogs
port: @PORT@
readOnlyPort: 0
healthzPort: 0
`
