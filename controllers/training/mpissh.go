package training

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// mpiSSH are the jobs of kubeflow.org/v2beta1: mpirun starts processes by ssh.
var mpiSSH = newMPIKind(func(k *kind) {
	k.version = trainingv1.MPIVersionSSH
	k.operatorName = "mpi-operator"
	k.typeLabel = trainingv1.JobRoleLabel
	k.labelIndex = sshIndexLabel
	k.setDefaults = sshDefaults
	k.validate = validateSSH
	k.environment = sshEnvironment
	k.support = sshSupport
})

const (
	// rootHome is where root has its keys. Only there, ssh looks at their mode.
	rootHome = "/root/.ssh"

	mpiConfigVolume = "mpi-job-config"
	mpiConfigPath   = "/etc/mpi"
	hostFile        = "hostfile"
	discoverHosts   = "discover_hosts.sh"
	sshVolume       = "ssh-auth"
	sshBackoffLimit = 6 // that of a batch Job, as which upstream runs the launcher
)

func sshDefaults(job trainingv1.Job) {
	spec := &job.(*trainingv1.MPIJob).Spec
	if spec.SSHAuthMountPath == "" {
		spec.SSHAuthMountPath = rootHome
	}
	if spec.MPIImplementation == "" {
		spec.MPIImplementation = trainingv1.OpenMPI
	}
	if spec.RunPolicy.BackoffLimit == nil {
		spec.RunPolicy.BackoffLimit = new(int32(sshBackoffLimit))
	}
	for t, replica := range spec.MPIReplicaSpecs {
		if replica.RestartPolicy == "" && t == trainingv1.MPILauncher {
			replica.RestartPolicy = trainingv1.RestartPolicyOnFailure
		} else if replica.RestartPolicy == "" {
			replica.RestartPolicy = trainingv1.RestartPolicyNever
		}
	}
}

func validateSSH(job trainingv1.Job) field.ErrorList {
	mpi := job.(*trainingv1.MPIJob)
	errs := validateMPIJob(mpi)
	spec := field.NewPath("spec")
	replicas := spec.Child("mpiReplicaSpecs")
	if w := mpi.Replicas()[trainingv1.MPIWorker]; w != nil && *w.Replicas < 1 {
		errs = append(errs, field.Invalid(replicas.Key("Worker").Child("replicas"), *w.Replicas,
			"must be 1 or more; a job without workers has no Worker at all"))
	}
	allowed := []trainingv1.RestartPolicy{trainingv1.RestartPolicyNever, trainingv1.RestartPolicyOnFailure}
	for _, t := range []trainingv1.ReplicaType{trainingv1.MPILauncher, trainingv1.MPIWorker} {
		if r := mpi.Replicas()[t]; r != nil && r.RestartPolicy != allowed[0] && r.RestartPolicy != allowed[1] {
			errs = append(errs, field.NotSupported(replicas.Key(string(t)).Child("restartPolicy"), r.RestartPolicy, allowed))
		}
	}
	implementations := []trainingv1.MPIImplementation{trainingv1.OpenMPI, trainingv1.IntelMPI, trainingv1.MPICH}
	if i := mpi.Spec.MPIImplementation; i != implementations[0] && i != implementations[1] && i != implementations[2] {
		errs = append(errs, field.NotSupported(spec.Child("mpiImplementation"), i, implementations))
	}
	return errs
}

func launcherWorks(job *trainingv1.MPIJob) bool {
	return ptr.Deref(job.Spec.RunLauncherAsWorker, false)
}

// sshIndexLabel counts the hosts: with a launcher that is one, it is the first.
func sshIndexLabel(job trainingv1.Job, m member) string {
	works := launcherWorks(job.(*trainingv1.MPIJob))
	switch {
	case m.rtype == trainingv1.MPILauncher && works:
		return "0"
	case m.rtype == trainingv1.MPILauncher:
		return ""
	case works:
		return fmt.Sprint(m.index + 1)
	}
	return fmt.Sprint(m.index)
}

// sshHost is the name of a pod in DNS.
func sshHost(config Config, job *trainingv1.MPIJob, pod string) string {
	host := fmt.Sprintf("%s.%s.%s.svc", pod, job.Name, job.Namespace)
	if config.ClusterDomain != "" {
		host += "." + config.ClusterDomain
	}
	return host
}

// sshSupport is the service that gives the pods names in DNS, the host file and the keys. The service publishes addresses
// before pods are ready, so that the names are there when the launcher looks for them.
func sshSupport(k *kind, config Config, job trainingv1.Job, members []member) []client.Object {
	mpi := job.(*trainingv1.MPIJob)
	return []client.Object{
		&corev1.Service{
			ObjectMeta: k.supportMeta(job, mpi.Name),
			Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: k.labels(job), PublishNotReadyAddresses: true},
		},
		&corev1.ConfigMap{
			ObjectMeta: k.supportMeta(job, mpi.Name+"-config"),
			Data:       map[string]string{hostFile: sshHostFile(config, mpi, members), discoverHosts: sshDiscoverHosts(config, mpi, members)},
		},
		&corev1.Secret{ // the keys are drawn when it is created, once
			ObjectMeta: k.supportMeta(job, mpi.Name+"-ssh"),
			Type:       corev1.SecretTypeSSHAuth,
			Immutable:  new(true),
		},
	}
}

// sshHostFile lists the hosts of mpirun: the launcher if it is one, and the workers.
func sshHostFile(config Config, job *trainingv1.MPIJob, members []member) string {
	format := "%s slots=%d\n"
	if job.Spec.MPIImplementation != trainingv1.OpenMPI {
		format = "%s:%d\n"
	}
	var text strings.Builder
	for _, m := range members {
		if m.rtype == trainingv1.MPIWorker || launcherWorks(job) {
			fmt.Fprintf(&text, format, sshHost(config, job, m.name), slots(job))
		}
	}
	return text.String()
}

// sshDiscoverHosts is a script that prints the hosts that run, for programs that come and go with them.
func sshDiscoverHosts(config Config, job *trainingv1.MPIJob, members []member) string {
	var text strings.Builder
	text.WriteString("#!/bin/sh\n")
	if launcherWorks(job) {
		fmt.Fprintf(&text, "echo %s\n", sshHost(config, job, mpiPodName(job.Name, trainingv1.MPILauncher, 0)))
	}
	for _, m := range runningWorkers(job, members) {
		fmt.Fprintf(&text, "echo %s\n", sshHost(config, job, m.name))
	}
	return text.String()
}

// sshEnvironment makes pods that reach each other by ssh of those of the template.
func sshEnvironment(_ *kind, config Config, job trainingv1.Job) injector {
	mpi := job.(*trainingv1.MPIJob)
	return func(m member, pod *corev1.PodSpec) {
		pod.Hostname, pod.Subdomain = m.name, mpi.Name
		if pod.HostNetwork {
			pod.DNSPolicy = corev1.DNSClusterFirstWithHostNet
		}
		main := &pod.Containers[0]
		mountKeys(mpi, pod, main)
		if m.rtype == trainingv1.MPIWorker {
			sshWorker(config, mpi, pod, main)
		} else {
			sshLauncher(config, mpi, pod, main)
		}
	}
}

// mountKeys lets a pod log in to the others, and the others to it.
func mountKeys(job *trainingv1.MPIJob, pod *corev1.PodSpec, main *corev1.Container) {
	source := &corev1.SecretVolumeSource{
		SecretName: job.Name + "-ssh",
		Items: []corev1.KeyToPath{
			{Key: corev1.SSHAuthPrivateKey, Path: "id_rsa"},
			{Key: sshPublicKey, Path: "id_rsa.pub"},
			{Key: sshPublicKey, Path: "authorized_keys"},
		},
	}
	if job.Spec.SSHAuthMountPath == rootHome {
		source.DefaultMode = new(int32(0o600))
	}
	addVolume(pod, sshVolume, corev1.VolumeSource{Secret: source})
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: sshVolume, MountPath: job.Spec.SSHAuthMountPath})
}

func sshWorker(config Config, job *trainingv1.MPIJob, pod *corev1.PodSpec, main *corev1.Container) {
	domain := config.ClusterDomain
	if domain == "" {
		domain = "cluster.local"
	}
	if pod.DNSConfig == nil {
		pod.DNSConfig = &corev1.PodDNSConfig{}
	}
	pod.DNSConfig.Searches = append(pod.DNSConfig.Searches, fmt.Sprintf("%s.%s.svc.%s", job.Name, job.Namespace, domain))
	if len(main.Command) == 0 && len(main.Args) == 0 {
		main.Command = []string{"/usr/sbin/sshd", "-De"}
	}
	main.Env = append(main.Env, corev1.EnvVar{Name: "K_MPI_JOB_ROLE", Value: "worker"})
}

// sshLauncher makes the pod that runs mpirun. A failed one is replaced, never restarted in place: it has to wait for its
// workers again.
func sshLauncher(config Config, job *trainingv1.MPIJob, pod *corev1.PodSpec, main *corev1.Container) {
	pod.RestartPolicy = corev1.RestartPolicyNever
	addVolume(pod, mpiConfigVolume, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: job.Name + "-config"},
		Items: []corev1.KeyToPath{
			{Key: hostFile, Path: hostFile, Mode: new(int32(0o444))},
			{Key: discoverHosts, Path: discoverHosts, Mode: new(int32(0o555))},
		},
	}})
	main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: mpiConfigVolume, MountPath: mpiConfigPath})
	if n := mpiNeeded(job); n > 0 {
		own := sshHost(config, job, pod.Hostname)
		pod.InitContainers = append(pod.InitContainers, waitContainer(main, waitBySSH, fmt.Sprint(n), own))
	}
	main.Env = append(main.Env, corev1.EnvVar{Name: "K_MPI_JOB_ROLE", Value: "launcher"})
	main.Env = append(main.Env, sshVariables(job)...)
	if !launcherWorks(job) {
		main.Env = append(main.Env, noGPUs...)
	}
}

// sshVariables tell mpirun its hosts. ssh tries often enough to get over names that are not everywhere yet.
func sshVariables(job *trainingv1.MPIJob) []corev1.EnvVar {
	const hosts, attempts = mpiConfigPath + "/" + hostFile, "-o ConnectionAttempts=10"
	n := fmt.Sprint(slots(job))
	switch job.Spec.MPIImplementation {
	case trainingv1.IntelMPI:
		return []corev1.EnvVar{
			{Name: "I_MPI_HYDRA_HOST_FILE", Value: hosts},
			{Name: "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS", Value: attempts},
			{Name: "I_MPI_PERHOST", Value: n},
		}
	case trainingv1.MPICH:
		return []corev1.EnvVar{
			{Name: "HYDRA_HOST_FILE", Value: hosts},
			{Name: "HYDRA_LAUNCH_EXTRA_ARGS", Value: attempts},
		}
	}
	return []corev1.EnvVar{
		{Name: "OMPI_MCA_orte_keep_fqdn_hostnames", Value: "true"},
		{Name: "OMPI_MCA_orte_default_hostfile", Value: hosts},
		{Name: "OMPI_MCA_plm_rsh_args", Value: attempts},
		{Name: "OMPI_MCA_orte_set_default_slots", Value: n},
	}
}
