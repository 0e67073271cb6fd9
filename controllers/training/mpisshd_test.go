package training

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const sshdJob = `
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: pi}
spec:
  slotsPerWorker: 2
  mpiReplicaSpecs:
    Launcher: {template: {spec: {containers: [{name: main, image: i}]}}}
    Worker: {replicas: 2, template: {spec: {containers: [{name: main, image: i}]}}}
`

// machine is this computer in the part of a cluster: each worker of sshdJob is an sshd on a port of its own, which has what
// the worker's pod would have in its volumes.
type machine struct {
	*testing.T
	dir  string
	data map[string]map[string][]byte // of the secret and of the config map, by name
	pods map[string]*corev1.Pod
}

// TestWithSSHDAndMPIRun: with what is created for a job, the machine's own ssh, sshd and mpirun find the workers, log in to
// them and start a process in every slot.
func TestWithSSHDAndMPIRun(t *testing.T) {
	for _, program := range []string{"ssh", "/usr/sbin/sshd", "mpirun"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("this machine has no %s: apt-get install openssh-client openssh-server openmpi-bin", program)
		}
	}
	m := newMachine(t)
	config := ""
	for _, worker := range []string{"pi-worker-0", "pi-worker-1"} {
		port := m.startSSHD(worker)
		config += fmt.Sprintf("Host %s.pi.ns.svc.cluster.local\n  HostName 127.0.0.1\n  Port %d\n", worker, port)
	}
	launcher := m.pods["pi-launcher"]
	home := m.mount(launcher)
	m.write("ssh_config", 0o600, config+"Host *\n  IdentityFile "+home+rootHome+"/id_rsa\n  IdentitiesOnly yes\n"+
		"  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n")
	m.write("bin/ssh", 0o755, "#!/bin/sh\nexec "+m.program("ssh")+" -F "+m.dir+"/ssh_config \"$@\"\n")

	wait := launcher.Spec.InitContainers[0].Command
	if out := m.run(launcher, home, wait[0], wait[1:]...); !strings.HasSuffix(out, "2 workers answer\n") {
		t.Fatalf("waiting for the workers: %s", out)
	}
	out := m.run(launcher, home, m.program("mpirun"), "sh", "-c", "echo rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE in $IN_POD")
	want := []string{
		"rank 0 of 4 in pi-worker-0", "rank 1 of 4 in pi-worker-0", "rank 2 of 4 in pi-worker-1", "rank 3 of 4 in pi-worker-1",
	}
	if got := slices.Sorted(strings.Lines(out)); strings.Join(got, "") != strings.Join(want, "\n")+"\n" {
		t.Errorf("mpirun: %s", out)
	}
}

// newMachine has decided what to create for the job.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{T: t, dir: t.TempDir(), data: map[string]map[string][]byte{}, pods: map[string]*corev1.Pod{}}
	k, job := readyJob(t, sshdJob)
	p := k.decide(Config{ClusterDomain: "cluster.local"}, job, seeing(), noon)
	for _, object := range slices.Concat(p.before, p.create) {
		if err := fillIn(object); err != nil {
			t.Fatal(err)
		}
		switch object := object.(type) {
		case *corev1.Secret:
			m.data[object.Name] = object.Data
		case *corev1.ConfigMap:
			m.data[object.Name] = map[string][]byte{}
			for key, value := range object.Data {
				m.data[object.Name][key] = []byte(value)
			}
		case *corev1.Pod:
			m.pods[object.Name] = object
		}
	}
	return m
}

func (m *machine) write(name string, mode os.FileMode, text string) {
	m.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		m.Fatal(err)
	}
	return path
}

// mount lays out the volumes of a pod as a kubelet does, below a directory of the pod, which it returns.
func (m *machine) mount(pod *corev1.Pod) string {
	m.Helper()
	sources := map[string][]corev1.KeyToPath{}
	names, modes := map[string]string{}, map[string]os.FileMode{}
	for _, v := range pod.Spec.Volumes {
		modes[v.Name] = 0o644
		if v.Secret != nil {
			sources[v.Name], names[v.Name], modes[v.Name] = v.Secret.Items, v.Secret.SecretName, os.FileMode(*v.Secret.DefaultMode)
		} else {
			sources[v.Name], names[v.Name] = v.ConfigMap.Items, v.ConfigMap.Name
		}
	}
	for _, mount := range pod.Spec.Containers[0].VolumeMounts {
		for _, item := range sources[mount.Name] {
			mode := modes[mount.Name]
			if item.Mode != nil {
				mode = os.FileMode(*item.Mode)
			}
			data := m.data[names[mount.Name]][item.Key]
			if len(data) == 0 {
				m.Errorf("%s: no key %s in %s", pod.Name, item.Key, names[mount.Name])
			}
			m.write(filepath.Join(pod.Name, mount.MountPath, item.Path), mode, string(data))
		}
	}
	return filepath.Join(m.dir, pod.Name)
}

// startSSHD starts the sshd of a worker, and returns its port. Its configuration is what an image has to bring.
func (m *machine) startSSHD(worker string) int {
	m.Helper()
	pod := m.pods[worker]
	home := m.mount(pod)
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // which sshd needs, and the init system makes
			m.Fatal(err)
		}
	}
	hostKey, err := newKeys()
	if err != nil {
		m.Fatal(err)
	}
	port := freePort(m.T)
	m.write(worker+"/tmp/.keep", 0o600, "")
	m.write(worker+"/host_key", 0o600, string(hostKey[corev1.SSHAuthPrivateKey]))
	m.write(worker+"/sshd_config", 0o600, fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s/host_key\nPidFile none\n"+
		"UsePAM no\nPasswordAuthentication no\nStrictModes no\nAuthorizedKeysFile %s/authorized_keys\n"+
		"SetEnv IN_POD=%s TMPDIR=%s/tmp\n", port, home, home+rootHome, worker, home))
	command := pod.Spec.Containers[0].Command
	if len(command) != 2 || command[1] != "-De" {
		m.Fatalf("a worker runs %q", command)
	}
	var log bytes.Buffer
	sshd := exec.Command(command[0], "-De", "-f", home+"/sshd_config")
	sshd.Stderr = &log
	if err := sshd.Start(); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		if err := sshd.Process.Kill(); err != nil {
			m.Error(err)
		}
		sshd.Wait() //nolint:errcheck // it was killed
		if m.Failed() {
			m.Logf("sshd of %s: %s", worker, &log)
		}
	})
	return port
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// run runs a command with the environment and the files of the launcher, and returns what it prints.
func (m *machine) run(pod *corev1.Pod, home, program string, args ...string) string {
	m.Helper()
	here := func(text string) string { return strings.ReplaceAll(text, mpiConfigPath, home+mpiConfigPath) }
	for i := range args {
		args[i] = here(args[i])
	}
	env := map[string]string{
		"PATH": m.dir + "/bin:" + os.Getenv("PATH"), "HOME": home, "TMPDIR": m.dir,
		"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
	}
	for _, v := range pod.Spec.Containers[0].Env {
		env[v.Name] = here(v.Value)
	}
	cmd := exec.CommandContext(m.Context(), program, args...)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		m.Fatalf("%s: %v: %s%s", program, err, out, &errors)
	}
	return string(out)
}
