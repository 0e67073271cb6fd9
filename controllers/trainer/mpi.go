package trainer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

const (
	sshVolume      = "mpi-ssh-auth"
	hostfileVolume = "mpi-hostfile"
	hostfileKey    = "hostfile"
	hostfileDir    = "/etc/mpi"
	publicKey      = "ssh-publickey"
)

func sshSecretName(job string) string { return job + "-mpi-ssh-auth" }
func hostfileName(job string) string  { return job + "-mpi-hostfile" }

// tellMPI lets mpirun in the launcher start processes on all nodes, over ssh.
func (e *expansion) tellMPI(policy *trainerv1alpha1.MPIPolicy) error {
	if policy.MPIImplementation != nil && *policy.MPIImplementation != "OpenMPI" {
		return badRuntime("mlPolicy.mpi.mpiImplementation is %s; only OpenMPI is known", *policy.MPIImplementation)
	}
	launcher, node := e.jobNamed(trainerv1alpha1.Launcher), e.jobNamed(trainerv1alpha1.Node)
	if launcher == nil || nodeContainer(launcher) == nil {
		return badRuntime("mlPolicy.mpi needs a job %s with a container %s", trainerv1alpha1.Launcher, trainerv1alpha1.Node)
	}
	asNode := policy.RunLauncherAsNode != nil && *policy.RunLauncherAsNode
	if node != nil {
		if nodeContainer(node) == nil {
			return badRuntime("its job %s has no container %s", node.Name, trainerv1alpha1.Node)
		}
		e.countNodes(node, asNode)
		e.configureNode(nodeContainer(node))
		e.giveResources(nodeContainer(node))
	} else if !asNode {
		return badRuntime("mlPolicy.mpi needs a job %s, or runLauncherAsNode", trainerv1alpha1.Node)
	}
	setPods(launcher, 1)
	slots, err := e.slots(policy)
	if err != nil {
		return err
	}
	e.writeHostfile(launcher, node, asNode, slots)
	mount := "/root/.ssh"
	if policy.SSHAuthMountPath != nil {
		mount = *policy.SSHAuthMountPath
	}
	e.setUpLauncher(launcher, node, mount, slots)
	if node != nil {
		e.mountKeys(node, nodeContainer(node), mount)
	}
	return nil
}

// countNodes sets the number of pods beside the launcher, of which there is one at least.
func (e *expansion) countNodes(node *trainerv1alpha1.ReplicatedJob, launcherIsNode bool) {
	n := *node.Template.Spec.Parallelism
	switch {
	case e.trainer.NumNodes != nil:
		n = *e.trainer.NumNodes
	case e.policy.NumNodes != nil:
		n = *e.policy.NumNodes
	default:
		launcherIsNode = false // the template counts the pods beside the launcher
	}
	if launcherIsNode {
		n = max(n-1, 1)
	}
	setPods(node, n)
}

// slots is the number of processes on each node: as given, else one for each GPU.
func (e *expansion) slots(policy *trainerv1alpha1.MPIPolicy) (int32, error) {
	if given := e.trainer.NumProcPerNode; given != nil {
		if n := given.IntValue(); n > 0 {
			return int32(n), nil
		}
		return 0, fmt.Errorf("spec.trainer.numProcPerNode is %s; with MPI it must be a number", given.String())
	}
	if policy.NumProcPerNode != nil && *policy.NumProcPerNode > 1 {
		return *policy.NumProcPerNode, nil
	}
	rjob := e.jobNamed(trainerv1alpha1.Node)
	if rjob == nil {
		rjob = e.jobNamed(trainerv1alpha1.Launcher)
	}
	return max(gpus(nodeContainer(rjob)), 1), nil
}

func (e *expansion) writeHostfile(launcher, node *trainerv1alpha1.ReplicatedJob, launcherIsNode bool, slots int32) {
	var text strings.Builder
	if launcherIsNode {
		fmt.Fprintf(&text, "%s slots=%d\n", e.address(launcher, 0, 0), slots)
	}
	for _, host := range e.hosts(node) {
		fmt.Fprintf(&text, "%s slots=%d\n", host, slots)
	}
	e.Hostfile = text.String()
}

// hosts are the addresses of all pods of a replicated job, which may be nil.
func (e *expansion) hosts(rjob *trainerv1alpha1.ReplicatedJob) []string {
	if rjob == nil {
		return nil
	}
	var hosts []string
	for job := range *rjob.Replicas {
		for pod := range podsOf(rjob) {
			hosts = append(hosts, e.address(rjob, job, pod))
		}
	}
	return hosts
}

// setUpLauncher gives the launcher keys, host file and Open MPI's settings. It starts at the same time as the nodes, since
// it is placed together with them, and waits for them itself.
func (e *expansion) setUpLauncher(launcher, node *trainerv1alpha1.ReplicatedJob, mount string, slots int32) {
	c := nodeContainer(launcher)
	upsertEnv(c,
		corev1.EnvVar{Name: "OMPI_MCA_orte_default_hostfile", Value: hostfileDir + "/" + hostfileKey},
		corev1.EnvVar{Name: "OMPI_MCA_orte_keep_fqdn_hostnames", Value: "true"},
		corev1.EnvVar{Name: "OMPI_MCA_orte_set_default_slots", Value: fmt.Sprint(slots)},
		corev1.EnvVar{Name: "OMPI_MCA_plm_rsh_args", Value: "-o ConnectionAttempts=10"},
	)
	e.mountKeys(launcher, c, mount)
	pod := &launcher.Template.Spec.Template.Spec
	addVolume(pod, corev1.Volume{Name: hostfileVolume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: hostfileName(e.job.Name)},
		Items:                []corev1.KeyToPath{{Key: hostfileKey, Path: hostfileKey, Mode: new(int32(0o444))}},
	}}})
	addMount(c, corev1.VolumeMount{Name: hostfileVolume, MountPath: hostfileDir})
	if node == nil {
		return
	}
	launcher.DependsOn = slices.DeleteFunc(launcher.DependsOn, func(d trainerv1alpha1.DependsOn) bool {
		return d.Name == node.Name && d.Status == trainerv1alpha1.DependencyReady
	})
	if len(launcher.DependsOn) == 0 {
		launcher.DependsOn = nil
	}
	pod.InitContainers = append(pod.InitContainers, waitForNodes(c, e.hosts(node)))
}

// waitScript ends when each host given lets one log in, and at once where there is no ssh: mpirun says that better.
const waitScript = `command -v ssh >/dev/null || exit 0
for host in "$@"; do
  until ssh -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$host" true </dev/null; do
    sleep 1
  done
done`

// waitForNodes is an init container, with the launcher's own image, that ends when mpirun can log in to each node.
func waitForNodes(c *corev1.Container, hosts []string) corev1.Container {
	wait := corev1.Container{
		Name: "wait-for-nodes", Image: c.Image, ImagePullPolicy: c.ImagePullPolicy, SecurityContext: c.SecurityContext.DeepCopy(),
		Command:      []string{"/bin/sh", "-c", waitScript, "wait-for-nodes"},
		Args:         hosts,
		VolumeMounts: slices.Clone(c.VolumeMounts),
	}
	// A namespace may ask every container for these. They add nothing to what the pod needs.
	wait.Resources.Requests, wait.Resources.Limits = cpuAndMemory(c.Resources.Requests), cpuAndMemory(c.Resources.Limits)
	return wait
}

func cpuAndMemory(amounts corev1.ResourceList) corev1.ResourceList {
	some := maps.Clone(amounts)
	maps.DeleteFunc(some, func(name corev1.ResourceName, _ resource.Quantity) bool {
		return name != corev1.ResourceCPU && name != corev1.ResourceMemory
	})
	if len(some) == 0 {
		return nil
	}
	return some
}

// mountKeys gives a container the keys by which the pods log in to each other. ssh refuses a key of its own user that others
// may read; one of root has to be readable by the group of another user.
func (e *expansion) mountKeys(rjob *trainerv1alpha1.ReplicatedJob, c *corev1.Container, path string) {
	mode := int32(0o640)
	if strings.HasPrefix(path, "/root/") {
		mode = 0o600
	}
	addVolume(&rjob.Template.Spec.Template.Spec, corev1.Volume{Name: sshVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName:  sshSecretName(e.job.Name),
		DefaultMode: new(int32(0o400)),
		Items: []corev1.KeyToPath{
			{Key: corev1.SSHAuthPrivateKey, Path: "id_rsa", Mode: &mode},
			{Key: publicKey, Path: "id_rsa.pub", Mode: new(int32(0o644))},
			{Key: publicKey, Path: "authorized_keys", Mode: new(int32(0o644))},
		},
	}}})
	addMount(c, corev1.VolumeMount{Name: sshVolume, MountPath: path})
}

// addVolume puts a volume in the place of one of its name.
func addVolume(pod *corev1.PodSpec, v corev1.Volume) {
	pod.Volumes = slices.DeleteFunc(pod.Volumes, func(old corev1.Volume) bool { return old.Name == v.Name })
	pod.Volumes = append(pod.Volumes, v)
}

// addMount puts a mount in the place of one of its path.
func addMount(c *corev1.Container, m corev1.VolumeMount) {
	c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(old corev1.VolumeMount) bool { return old.MountPath == m.MountPath })
	c.VolumeMounts = append(c.VolumeMounts, m)
}
