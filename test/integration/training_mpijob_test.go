package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
)

// mpiJob is an MPIJob of kubeflow.org/v2beta1 with so many workers, which are deleted when it has finished.
func mpiJob(launcher *trainingv1.ReplicaSpec, workers int32, edits ...func(*trainingv1.RunPolicy)) *trainingv2beta1.MPIJob {
	job := &trainingv2beta1.MPIJob{ObjectMeta: metav1.ObjectMeta{Name: "job"}}
	job.Spec.MPIReplicaSpecs = specs{"Launcher": launcher, "Worker": replicas(workers, cpu(1))}
	job.Spec.RunPolicy.CleanPodPolicy = new(trainingv1.CleanPodPolicyRunning)
	complete(job, "main", edits)
	return job
}

// execJob is one of kubeflow.org/v1.
func execJob(launcher *trainingv1.ReplicaSpec, workers int32, edits ...func(*trainingv1.RunPolicy)) *trainingv1.MPIJob {
	newer := mpiJob(launcher, workers, edits...)
	return &trainingv1.MPIJob{ObjectMeta: newer.ObjectMeta, Spec: newer.Spec}
}

// object reads one of the objects of the test's namespace.
func object[T client.Object](e *env, o T, name string) T {
	e.Helper()
	o.SetName(name)
	return now(e, o)
}

// expectHosts waits until discover_hosts.sh of the job prints these hosts.
func (e *env) expectHosts(job string, hosts ...string) {
	e.Helper()
	want := "#!/bin/sh\n"
	for _, h := range hosts {
		want += "echo " + h + "\n"
	}
	e.eventually(fmt.Sprintf("the hosts of %s are %v", job, hosts), func(context.Context) (bool, string) {
		text := object(e, &corev1.ConfigMap{}, job+"-config").Data["discover_hosts.sh"]
		return text == want, text
	})
}

const userMPIJob = `
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata:
  name: pi
spec:
  slotsPerWorker: 2
  runPolicy:
    cleanPodPolicy: Running
    ttlSecondsAfterFinished: 1
  sshAuthMountPath: /home/mpiuser/.ssh
  mpiReplicaSpecs:
    Launcher:
      replicas: 1
      template:
        spec:
          containers:
          - {name: mpi-launcher, image: mpi-pi, command: [mpirun, -n, "4", /home/mpiuser/pi], resources: {limits: {cpu: 1}}}
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - {name: mpi-worker, image: mpi-pi, resources: {limits: {cpu: 1}}}
`

// By ssh: what the launcher needs to log in to its workers is there, all pods are one gang, the launcher decides, and nothing
// is left when the time to live is over.
func TestMPIJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(e.manifest(userMPIJob))
	job := object(e, &trainingv2beta1.MPIJob{}, "pi")
	e.expectConditions(job, "Created Running")
	e.expectPods("pi-launcher", "pi-worker-0", "pi-worker-1")
	e.expectMinimum("pi", 3)
	host := func(pod string) string { return pod + ".pi." + e.namespace + ".svc" }
	e.expectVariables("pi-launcher", map[string]string{
		"K_MPI_JOB_ROLE": "launcher", "OMPI_MCA_orte_keep_fqdn_hostnames": "true", "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile",
		"OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10", "OMPI_MCA_orte_set_default_slots": "2", "NVIDIA_VISIBLE_DEVICES": "",
	})
	e.expectVariables("pi-worker-1", map[string]string{"K_MPI_JOB_ROLE": "worker", "NVIDIA_VISIBLE_DEVICES": "<unset>"})
	worker := e.seen("pi-worker-1")
	labels := map[string]string{
		"training.kubeflow.org/operator-name": "mpi-operator", "training.kubeflow.org/job-name": "pi", "training.kubeflow.org/job-role": "worker",
		"training.kubeflow.org/replica-index": "1", "scheduling.x-k8s.io/pod-group": "pi",
	}
	if fmt.Sprint(worker.Labels) != fmt.Sprint(labels) || worker.Spec.Hostname != "pi-worker-1" || worker.Spec.Subdomain != "pi" ||
		strings.Join(worker.Spec.Containers[0].Command, " ") != "/usr/sbin/sshd -De" || worker.OwnerReferences[0].APIVersion != "kubeflow.org/v2beta1" {
		t.Errorf("worker: %+v %+v", worker.ObjectMeta, worker.Spec)
	}
	if init := e.seen("pi-launcher").Spec.InitContainers; len(init) != 1 || init[0].Name != "wait-for-workers" || init[0].Image != "mpi-pi" {
		t.Errorf("init containers: %+v", init)
	}
	config := object(e, &corev1.ConfigMap{}, "pi-config").Data
	if config["hostfile"] != host("pi-worker-0")+" slots=2\n"+host("pi-worker-1")+" slots=2\n" {
		t.Errorf("host file: %s", config["hostfile"])
	}
	e.expectHosts("pi", host("pi-worker-0"), host("pi-worker-1"))
	service, secret := object(e, &corev1.Service{}, "pi").Spec, object(e, &corev1.Secret{}, "pi-ssh")
	if service.ClusterIP != corev1.ClusterIPNone || !service.PublishNotReadyAddresses || service.Selector["training.kubeflow.org/operator-name"] != "mpi-operator" {
		t.Errorf("service: %+v", service)
	}
	if secret.Type != corev1.SecretTypeSSHAuth || len(secret.Data["ssh-privatekey"]) == 0 || len(secret.Data["ssh-publickey"]) == 0 {
		t.Error("the secret has no keys")
	}

	e.end("pi-launcher", 0)
	e.expectReasonGiven(job, trainingv1.JobSucceeded, "MPIJobSucceeded", "successfully completed")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "pi")
	e.expectNone(&trainingv1.MPIJob{}, "pi")
	e.expectPods()
	e.expectServices()
	e.expectNone(&corev1.Secret{}, "pi-ssh")
}

const userExecJob = `
apiVersion: kubeflow.org/v1
kind: MPIJob
metadata:
  name: mnist
spec:
  slotsPerWorker: 1
  cleanPodPolicy: Running
  mpiReplicaSpecs:
    Launcher:
      replicas: 1
      template:
        spec:
          containers:
          - {name: mpi, image: horovod, command: [mpirun, python, /train.py], resources: {limits: {cpu: 1}}}
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - {name: mpi, image: horovod, resources: {limits: {cpu: 1}}}
`

// By kubectl exec: the launcher may run commands in its workers, and in no other pod. It decides; its pod stays for its log.
func TestExecMPIJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(e.manifest(userExecJob))
	job := object(e, &trainingv1.MPIJob{}, "mnist")
	e.expectConditions(job, "Created Running")
	e.expectPods("mnist-launcher", "mnist-worker-0", "mnist-worker-1")
	e.expectMinimum("mnist", 3)
	e.expectMasters("mnist-launcher")
	e.expectServices()
	e.expectVariables("mnist-launcher", map[string]string{
		"OMPI_MCA_plm_rsh_agent": "/etc/mpi/kubexec.sh", "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile", "NVIDIA_VISIBLE_DEVICES": "",
		"I_MPI_HYDRA_BOOTSTRAP": "rsh", "I_MPI_HYDRA_BOOTSTRAP_EXEC": "/etc/mpi/kubexec.sh",
	})
	launcher, worker := e.seen("mnist-launcher"), e.seen("mnist-worker-0")
	if init := launcher.Spec.InitContainers; len(init) != 2 || init[0].Name != "kubectl-delivery" || init[1].Image != "horovod" {
		t.Errorf("init containers: %+v", init)
	}
	if main := worker.Spec.Containers[0]; strings.Join(append(main.Command, main.Args...), " ") != "sleep 365d" ||
		worker.Labels["training.kubeflow.org/operator-name"] != "mpijob-controller" || worker.Labels["training.kubeflow.org/replica-type"] != "worker" ||
		worker.OwnerReferences[0].APIVersion != "kubeflow.org/v1" {
		t.Errorf("worker: %+v %+v", worker.ObjectMeta, main)
	}
	config := object(e, &corev1.ConfigMap{}, "mnist-config").Data
	if config["hostfile"] != "mnist-worker-0 slots=1\nmnist-worker-1 slots=1\n" || !strings.Contains(config["kubexec.sh"], "exec") {
		t.Errorf("configuration: %s", config)
	}
	e.expectHosts("mnist", "mnist-worker-0:1", "mnist-worker-1:1")
	rules := object(e, &rbacv1.Role{}, "mnist-launcher").Rules
	if len(rules) != 2 || rules[1].Resources[0] != "pods/exec" || strings.Join(rules[1].ResourceNames, " ") != "mnist-worker-0 mnist-worker-1" {
		t.Errorf("rules: %+v", rules)
	}
	subject := object(e, &rbacv1.RoleBinding{}, "mnist-launcher").Subjects[0]
	account := object(e, &corev1.ServiceAccount{}, launcher.Spec.ServiceAccountName)
	if subject.Name != account.Name || account.Name != "mnist-launcher" {
		t.Errorf("account %s, bound %+v", account.Name, subject)
	}

	e.end("mnist-launcher", 3)
	e.expectReasonGiven(job, trainingv1.JobFailed, "MPIJobFailed", "1 Launcher replica(s) failed (mnist-launcher: exit code 3")
	e.expectPods("mnist-launcher")
	e.expectRestarts(job, 0)
	e.delete(job)
	e.expectPods()
}

// mpiManifest is a small MPIJob as somebody writes it who uses a version of the API.
func mpiManifest(e *env, version, name string, workers int) *unstructured.Unstructured {
	return e.manifest(fmt.Sprintf(`
apiVersion: kubeflow.org/%s
kind: MPIJob
metadata: {name: %s}
spec:
  mpiReplicaSpecs:
    Launcher: {template: {spec: {containers: [{name: main, image: i}]}}}
    Worker: {replicas: %d, template: {spec: {containers: [{name: main, image: i}]}}}
`, version, name, workers))
}

// The version through which a job is created says how it is launched: however it is created, even if it is edited through the
// other before anybody looks, and for good.
func TestMPIJobVersions(t *testing.T) {
	e := setUp(t, node("node", cpu(1)))
	other := map[string]string{"v1": "v2beta1", "v2beta1": "v1"}
	apply := func(version, name string, workers int, owner string) {
		t.Helper()
		e.do(e.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(mpiManifest(e, version, name, workers)),
			client.ForceOwnership, client.FieldOwner(owner)))
	}
	e.withoutManager(func() {
		for version := range other {
			e.create(mpiManifest(e, version, "created-"+version, 2))
			apply(version, "applied-"+version, 2, "user")
		}
		e.nextSecond()
		for version, edited := range other {
			e.do(e.client.Patch(t.Context(), mpiManifest(e, edited, "created-"+version, 1), client.Merge, client.FieldOwner("editor")))
			apply(edited, "applied-"+version, 1, "editor")
		}
	})
	check := func(workers int) {
		t.Helper()
		for version := range other {
			for _, name := range []string{"created-" + version, "applied-" + version} {
				e.expectLaunched(version, name, workers)
			}
		}
	}
	check(1)
	for version, edited := range other {
		apply(edited, "created-"+version, 3, "user")
		apply(edited, "applied-"+version, 3, "user")
	}
	check(3)
}

// expectLaunched waits until a job has so many hosts, and checks that it is launched as those of a version are.
func (e *env) expectLaunched(version, name string, workers int) {
	e.Helper()
	e.eventually(fmt.Sprintf("%s has %d hosts", name, workers), func(ctx context.Context) (bool, string) {
		config := &corev1.ConfigMap{}
		err := e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name + "-config"}, config)
		return strings.Count(config.Data["hostfile"], "slots=") == workers, fmt.Sprintf("%v %v", config.Data, err)
	})
	operator := map[string]string{"v1": "mpijob-controller", "v2beta1": "mpi-operator"}[version]
	if got := e.expectRunning(name + "-launcher").Labels["training.kubeflow.org/operator-name"]; got != operator {
		e.Errorf("%s is run by %s", name, got)
	}
	if got := object(e, &trainingv1.MPIJob{}, name).Annotations[trainingv1.MPIVersionAnnotation]; got != version {
		e.Errorf("%s is recorded as %q", name, got)
	}
}
