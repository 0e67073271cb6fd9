package training

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// mpiExec are the jobs of kubeflow.org/v1: mpirun starts processes by kubectl exec.
var mpiExec = newMPIKind(func(k *kind) {
	k.restartPolicy = trainingv1.RestartPolicyNever
	k.setDefaults = execDefaults
	k.validate = validateExec
	k.environment = execEnvironment
	k.support = execSupport
})

const (
	kubectlVolume = "mpi-job-kubectl"
	kubectlPath   = "/opt/kube"
	kubexec       = "kubexec.sh"
)

func execDefaults(job trainingv1.Job) {
	spec := &job.(*trainingv1.MPIJob).Spec
	if spec.RunPolicy.CleanPodPolicy == nil {
		spec.RunPolicy.CleanPodPolicy = spec.CleanPodPolicy
	}
}

func validateExec(job trainingv1.Job) field.ErrorList {
	mpi := job.(*trainingv1.MPIJob)
	errs := validateMPIJob(mpi)
	worker := mpi.Replicas()[trainingv1.MPIWorker]
	if name := mpi.Spec.MainContainer; name != "" && worker != nil && mainContainer(worker.Template.Spec.Containers, name) == nil {
		errs = append(errs, field.NotFound(field.NewPath("spec", "mainContainer"), name))
	}
	return errs
}

// execSupport is the host file with the scripts that mpirun needs, and the launcher's right to run commands in its workers,
// unless the launcher has an account that the user gave it.
func execSupport(k *kind, _ Config, job trainingv1.Job, members []member) []client.Object {
	mpi := job.(*trainingv1.MPIJob)
	objects := []client.Object{&corev1.ConfigMap{
		ObjectMeta: k.supportMeta(job, mpi.Name+"-config"),
		Data: map[string]string{
			hostFile:      execHostFile(mpi, members),
			kubexec:       kubexecScript(mpi),
			discoverHosts: execDiscoverHosts(mpi, members),
		},
	}}
	if launcher := mpi.Replicas()[trainingv1.MPILauncher]; launcher == nil || launcher.Template.Spec.ServiceAccountName != "" {
		return objects
	}
	name := execAccount(mpi)
	return append(objects,
		&corev1.ServiceAccount{ObjectMeta: k.supportMeta(job, name)},
		&rbacv1.Role{ObjectMeta: k.supportMeta(job, name), Rules: execRules(members)},
		&rbacv1.RoleBinding{
			ObjectMeta: k.supportMeta(job, name),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: mpi.Namespace, Name: name}},
		})
}

// execAccount is the name of the launcher's account and of its role.
func execAccount(job *trainingv1.MPIJob) string {
	return mpiPodName(job.Name, trainingv1.MPILauncher, 0)
}

// execRules let the launcher look for its workers and run commands in them, and in no other pod.
func execRules(members []member) []rbacv1.PolicyRule {
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list", "watch"}}}
	var names []string
	for _, m := range ofType(members, trainingv1.MPIWorker) {
		names = append(names, m.name)
	}
	if len(names) == 0 {
		return rules // a rule without names would be about all pods
	}
	return append(rules, rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"pods/exec"}, ResourceNames: names, Verbs: []string{"create"},
	})
}

// execHostFile lists the hosts of mpirun: the workers, and first of all a launcher that has GPUs.
func execHostFile(job *trainingv1.MPIJob, members []member) string {
	var text strings.Builder
	for _, m := range members {
		main := mainContainer(m.spec.Template.Spec.Containers, "")
		if m.rtype == trainingv1.MPIWorker || main != nil && asksForGPU(main) {
			fmt.Fprintf(&text, "%s slots=%d\n", m.name, slots(job))
		}
	}
	return text.String()
}

// kubexecScript is what mpirun calls instead of rsh: with options, which mean nothing here, a host and a command.
func kubexecScript(job *trainingv1.MPIJob) string {
	container := ""
	if job.Spec.MainContainer != "" {
		container = " --container " + job.Spec.MainContainer
	}
	return `#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
kubectl=` + kubectlPath + `/kubectl
[ -x "$kubectl" ] || kubectl=kubectl
exec "$kubectl" exec "$host"` + container + ` -- /bin/sh -c "$*"
`
}

// execDiscoverHosts is a script that prints the hosts that run, for programs that come and go with them.
func execDiscoverHosts(job *trainingv1.MPIJob, members []member) string {
	var text strings.Builder
	text.WriteString("#!/bin/sh\n")
	for _, m := range runningWorkers(job, members) {
		fmt.Fprintf(&text, "echo %s:%d\n", m.name, slots(job))
	}
	return text.String()
}

// execEnvironment makes pods that reach each other by kubectl exec of those of the template.
func execEnvironment(_ *kind, config Config, job trainingv1.Job) injector {
	mpi := job.(*trainingv1.MPIJob)
	return func(m member, pod *corev1.PodSpec) {
		main := &pod.Containers[0]
		addVolume(pod, mpiConfigVolume, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: mpi.Name + "-config"},
			Items: []corev1.KeyToPath{
				{Key: kubexec, Path: kubexec, Mode: new(int32(0o555))},
				{Key: hostFile, Path: hostFile, Mode: new(int32(0o444))},
				{Key: discoverHosts, Path: discoverHosts, Mode: new(int32(0o555))},
			},
		}})
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: mpiConfigVolume, MountPath: mpiConfigPath})
		if m.rtype == trainingv1.MPILauncher {
			execLauncher(config, mpi, pod, main)
		} else if len(main.Command) == 0 {
			main.Command, main.Args = []string{"sleep"}, []string{"365d"}
		}
	}
}

// execLauncher makes the pod that runs mpirun. A failed one is replaced, never restarted in place: it has to wait for its
// workers again.
func execLauncher(config Config, job *trainingv1.MPIJob, pod *corev1.PodSpec, main *corev1.Container) {
	pod.RestartPolicy = corev1.RestartPolicyNever
	if pod.ServiceAccountName == "" {
		pod.ServiceAccountName = execAccount(job)
	}
	if config.MPIKubectlDeliveryImage != "" {
		addVolume(pod, kubectlVolume, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: kubectlVolume, MountPath: kubectlPath})
		pod.InitContainers = append(pod.InitContainers, kubectlDelivery(config, job, main))
	}
	if n := mpiNeeded(job); n > 0 {
		pod.InitContainers = append(pod.InitContainers, waitContainer(main, waitByExec, fmt.Sprint(n), execAccount(job)))
	}
	if !asksForGPU(main) {
		main.Env = append(main.Env, noGPUs...)
	}
	main.Env = append(main.Env, execVariables(main.Env)...)
}

// kubectlDelivery is the init container that puts kubectl where kubexec.sh looks for it. It may do as much as the main
// container, where a namespace does not let containers do more than they need.
func kubectlDelivery(config Config, job *trainingv1.MPIJob, main *corev1.Container) corev1.Container {
	return corev1.Container{
		Name:  "kubectl-delivery",
		Image: config.MPIKubectlDeliveryImage,
		Env: []corev1.EnvVar{
			{Name: "TARGET_DIR", Value: kubectlPath},
			{Name: "NAMESPACE", Value: job.Namespace},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: kubectlVolume, MountPath: kubectlPath},
			{Name: mpiConfigVolume, MountPath: mpiConfigPath},
		},
		SecurityContext: main.SecurityContext.DeepCopy(),
		Resources:       plainResources(main.DeepCopy().Resources),
	}
}

// execVariables tell mpirun its hosts and how to reach them. How Intel MPI does is left to who has set it.
func execVariables(set []corev1.EnvVar) []corev1.EnvVar {
	variables := []corev1.EnvVar{
		{Name: "OMPI_MCA_plm_rsh_agent", Value: mpiConfigPath + "/" + kubexec},
		{Name: "OMPI_MCA_orte_default_hostfile", Value: mpiConfigPath + "/" + hostFile},
	}
	for _, v := range []corev1.EnvVar{
		{Name: "I_MPI_HYDRA_BOOTSTRAP", Value: "rsh"},
		{Name: "I_MPI_HYDRA_BOOTSTRAP_EXEC", Value: mpiConfigPath + "/" + kubexec},
	} {
		if !slices.ContainsFunc(set, func(s corev1.EnvVar) bool { return s.Name == v.Name }) {
			variables = append(variables, v)
		}
	}
	return variables
}
