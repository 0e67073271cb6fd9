package training

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// mpiJobOf is an MPIJob of a version with two workers, and what else spec and the workers say.
func mpiJobOf(t *testing.T, version, spec, worker string) (*kind, *trainingv1.MPIJob) {
	t.Helper()
	k, job := readyJob(t, `
apiVersion: kubeflow.org/`+version+`
kind: MPIJob
metadata: {name: j}
spec:
  `+spec+`
  mpiReplicaSpecs:
    Launcher: {template: {spec: {containers: [{name: main, image: i}]}}}
    Worker: {replicas: 2, `+worker+` template: {spec: {containers: [{name: main, image: i}]}}}
`)
	return k, job.(*trainingv1.MPIJob)
}

func TestMPIDefaults(t *testing.T) {
	k, job := mpiJobOf(t, "v2beta1", "", "")
	launcher, worker := job.Replicas()["Launcher"], job.Replicas()["Worker"]
	if k != mpiSSH || launcher.RestartPolicy != "OnFailure" || worker.RestartPolicy != "Never" || *launcher.Replicas != 1 ||
		*job.Policy().CleanPodPolicy != "None" || *job.Policy().BackoffLimit != 6 || job.Spec.SSHAuthMountPath != "/root/.ssh" || job.Spec.MPIImplementation != "OpenMPI" {
		t.Errorf("v2beta1: %+v", job.Spec)
	}
	k, job = mpiJobOf(t, "v1", "cleanPodPolicy: Running", "")
	launcher, worker = job.Replicas()["Launcher"], job.Replicas()["Worker"]
	if k != mpiExec || launcher.RestartPolicy != "Never" || worker.RestartPolicy != "Never" || *job.Policy().CleanPodPolicy != "Running" || job.Policy().BackoffLimit != nil {
		t.Errorf("v1: %+v", job.Spec)
	}
	_, job = mpiJobOf(t, "v1", "cleanPodPolicy: Running\n  runPolicy: {cleanPodPolicy: All}", "")
	if *job.Policy().CleanPodPolicy != "All" {
		t.Errorf("both policies: %s", *job.Policy().CleanPodPolicy)
	}
	_, alone := readyJob(t, `{apiVersion: kubeflow.org/v1, kind: MPIJob, metadata: {name: j}, spec: {mpiReplicaSpecs: {launcher: {}, worker: {}}}}`)
	if *alone.Replicas()["Worker"].Replicas != 0 || *alone.Replicas()["Launcher"].Replicas != 1 {
		t.Errorf("replicas: %+v", alone.Replicas())
	}
}

func TestMPIValidation(t *testing.T) {
	const containers = "template: {spec: {containers: [{name: main, image: i}]}}"
	tests := []struct{ name, version, metadata, spec, want string }{
		{"plain", "v2beta1", "", "mpiReplicaSpecs: {Launcher: {" + containers + "}, Worker: {replicas: 1, " + containers + "}}", ""},
		{"launcher alone", "v2beta1", "", "mpiReplicaSpecs: {Launcher: {" + containers + "}}", ""},
		{"no launcher", "v2beta1", "", "mpiReplicaSpecs: {Worker: {replicas: 1, " + containers + "}}", "a Launcher with exactly 1 replica"},
		{"two launchers", "v1", "", "mpiReplicaSpecs: {Launcher: {replicas: 2, " + containers + "}}", "a Launcher with exactly 1 replica"},
		{"no worker", "v2beta1", "", "mpiReplicaSpecs: {Launcher: {" + containers + "}, Worker: {" + containers + "}}", "a job without workers has no Worker"},
		{"no worker by exec", "v1", "", "mpiReplicaSpecs: {Launcher: {" + containers + "}, Worker: {" + containers + "}}", ""},
		{"restart policy", "v2beta1", "", "mpiReplicaSpecs: {Launcher: {restartPolicy: ExitCode, " + containers + "}}", `supported values: "Never", "OnFailure"`},
		{"restart policy by exec", "v1", "", "mpiReplicaSpecs: {Launcher: {restartPolicy: ExitCode, " + containers + "}}", ""},
		{"no container", "v1", "", "mpiReplicaSpecs: {Launcher: {}}", "a container is needed"},
		{"no image", "v1", "", "mpiReplicaSpecs: {Launcher: {template: {spec: {containers: [{name: main}]}}}}", "has no image"},
		{"slots", "v2beta1", "", "slotsPerWorker: 0, mpiReplicaSpecs: {Launcher: {" + containers + "}}", "slotsPerWorker"},
		{"implementation", "v2beta1", "", "mpiImplementation: LAM, mpiReplicaSpecs: {Launcher: {" + containers + "}}", "mpiImplementation"},
		{"main container", "v1", "", "mainContainer: main, mpiReplicaSpecs: {Launcher: {" + containers + "}, Worker: {replicas: 1, " + containers + "}}", ""},
		{"no main container", "v1", "", "mainContainer: train, mpiReplicaSpecs: {Launcher: {" + containers + "}, Worker: {replicas: 1, " + containers + "}}", "mainContainer"},
		{"annotation", "v1", "annotations: {training.muster.dev/mpi-version: v2},", "mpiReplicaSpecs: {Launcher: {" + containers + "}}", "training.muster.dev/mpi-version"},
		{"name", "v2beta1", "", "mpiReplicaSpecs: {Launcher: {" + containers + "}, Worker: {replicas: 11, " + containers + "}}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, job := readyJob(t, "{apiVersion: kubeflow.org/"+tt.version+", kind: MPIJob, metadata: {"+tt.metadata+" name: j}, spec: {"+tt.spec+"}}")
			errs := k.validateJob(job)
			if tt.want == "" && len(errs) > 0 || tt.want != "" && (len(errs) == 0 || !strings.Contains(errs.ToAggregate().Error(), tt.want)) {
				t.Errorf("got %v, want %q", errs.ToAggregate(), tt.want)
			}
		})
	}
}

func TestMPINamesAreChecked(t *testing.T) {
	for name, ok := range map[string]bool{strings.Repeat("a", 54): true, strings.Repeat("a", 55): false} {
		k, job := mpiJobOf(t, "v2beta1", "", "")
		job.Name = name
		if errs := k.validateJob(job); (len(errs) == 0) != ok {
			t.Errorf("%d characters: %v", len(name), errs.ToAggregate())
		}
	}
}

// A job begins to run when all of its pods do that it needs, and goes on as long as the launcher does.
func TestMPIRunning(t *testing.T) {
	tests := []struct {
		name, spec, active string
		ran, want          bool
	}{
		{"all", "", "j-launcher j-worker-0 j-worker-1", false, true},
		{"a worker is missing", "", "j-launcher j-worker-1", false, false},
		{"a worker is missing now", "", "j-launcher j-worker-1", true, true},
		{"one worker is enough", "runPolicy: {schedulingPolicy: {minAvailable: 2}}", "j-launcher j-worker-1", false, true},
		{"no launcher", "", "j-worker-0 j-worker-1", false, false},
		{"no launcher now", "", "j-worker-0 j-worker-1", true, false},
	}
	for _, tt := range tests {
		k, job := mpiJobOf(t, "v2beta1", tt.spec, "")
		if tt.ran {
			enter(job.State(), trainingv1.JobRunning, "r", "m", noon)
		}
		seen := seeing()
		for name := range strings.FieldsSeq(tt.active) {
			seen.pods[name] = podIn(k, name, corev1.PodRunning)
		}
		if got := k.isRunning(job, k.members(job, seen.pods)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// The list of hosts for programs that look for them is written when the launcher can begin, and then follows the workers.
func TestMPIDiscoverHosts(t *testing.T) {
	running := func(k *kind, names string) observed {
		var pods []*corev1.Pod
		for name := range strings.FieldsSeq(names) {
			pods = append(pods, podIn(k, name, corev1.PodRunning))
		}
		return seeing(pods...)
	}
	tests := []struct{ version, spec, running, want string }{
		{"v2beta1", "", "", ""},
		{"v2beta1", "", "j-worker-0", ""},
		{"v2beta1", "", "j-worker-0 j-worker-1", "echo j-worker-0.j.ns.svc\necho j-worker-1.j.ns.svc\n"},
		{"v2beta1", "", "j-launcher j-worker-1", "echo j-worker-1.j.ns.svc\n"},
		{"v2beta1", "runLauncherAsWorker: true", "j-launcher j-worker-1", "echo j-launcher.j.ns.svc\necho j-worker-1.j.ns.svc\n"},
		{"v2beta1", "runPolicy: {schedulingPolicy: {minAvailable: 2}}", "j-worker-0", "echo j-worker-0.j.ns.svc\n"},
		{"v1", "slotsPerWorker: 4", "j-worker-0 j-worker-1", "echo j-worker-0:4\necho j-worker-1:4\n"},
	}
	for _, tt := range tests {
		k, job := mpiJobOf(t, tt.version, tt.spec, "")
		seen := running(k, tt.running)
		p := k.decide(Config{}, job, seen, noon)
		got := ""
		for _, object := range p.before {
			if m, ok := object.(*corev1.ConfigMap); ok {
				got = m.Data["discover_hosts.sh"]
			}
		}
		if got != "#!/bin/sh\n"+tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// A launcher that fails because it has lost a worker is replaced even if it is never to be restarted.
func TestMPILauncherThatLostAWorker(t *testing.T) {
	k, job := mpiJobOf(t, "v1", "", "")
	created := func(at time.Time) podOption {
		return func(pod *corev1.Pod) { pod.CreationTimestamp = metav1.NewTime(at) }
	}
	began := noon.Add(-time.Minute)
	launcher := podIn(k, "j-launcher", corev1.PodFailed, exited(1, noon))
	launcher.Spec.Containers = []corev1.Container{{Name: ""}}
	launcher.Status.ContainerStatuses[0].State.Terminated.StartedAt = metav1.NewTime(began)
	tests := []struct {
		name    string
		worker  *corev1.Pod
		excused bool
	}{
		{"it runs", podIn(k, "j-worker-1", corev1.PodRunning, created(began.Add(-time.Minute))), false},
		{"it is gone", nil, true},
		{"it is being deleted", podIn(k, "j-worker-1", corev1.PodRunning, deletedAt(noon)), true},
		{"it was preempted", podIn(k, "j-worker-1", corev1.PodFailed, preempted()), true},
		{"it was evicted", podIn(k, "j-worker-1", corev1.PodFailed, because("Evicted")), true},
		{"it is a new one", podIn(k, "j-worker-1", corev1.PodRunning, created(noon)), true},
		{"it failed by itself", podIn(k, "j-worker-1", corev1.PodFailed, exited(1, noon)), false},
	}
	for _, tt := range tests {
		pods := []*corev1.Pod{launcher, podIn(k, "j-worker-0", corev1.PodRunning)}
		if tt.worker != nil {
			pods = append(pods, tt.worker)
		}
		f := k.failures(job, k.members(job, seeing(pods...).pods))
		if excused := len(f.replaced) > 0 && f.replaced[0].name == "j-launcher"; excused != tt.excused {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

// Workers go when the job has ended, its launcher stays for its log.
func TestMPICleanUp(t *testing.T) {
	for _, policy := range []string{"Running", "All"} {
		k, job := mpiJobOf(t, "v2beta1", "runPolicy: {cleanPodPolicy: "+policy+"}", "")
		enter(job.State(), trainingv1.JobSucceeded, "r", "m", noon)
		job.Status.CompletionTime = &metav1.Time{Time: noon}
		p := k.decide(Config{}, job, seeing(podIn(k, "j-launcher", corev1.PodSucceeded), podIn(k, "j-worker-0", corev1.PodRunning)), noon)
		if len(p.remove) != 1 || p.remove[0].GetName() != "j-worker-0" {
			t.Errorf("%s: removed %v", policy, p.remove)
		}
	}
}

// What belongs to a job as a whole is put right, and the keys are not drawn again.
func TestMPISupportIsPutRight(t *testing.T) {
	w := newWorld(t, `
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: j, annotations: {training.muster.dev/mpi-version: v2beta1}}
spec:
  mpiReplicaSpecs:
    Launcher: {template: {spec: {containers: [{name: main, image: i}]}}}
    Worker: {replicas: 2, template: {spec: {containers: [{name: main, image: i}]}}}
`)
	w.settle()
	w.expectPods("j-launcher j-worker-0 j-worker-1")
	get := func() (*corev1.Secret, *corev1.ConfigMap) {
		secret, config := &corev1.Secret{}, &corev1.ConfigMap{}
		secret.Name, config.Name = "j-ssh", "j-config"
		secret.Namespace, config.Namespace = "ns", "ns"
		for _, object := range []client.Object{secret, config} {
			if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				t.Fatal(err)
			}
		}
		return secret, config
	}
	secret, config := get()
	expectKeys(t, secret.Data)
	update := func(object client.Object) {
		if err := w.client.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	broken := config.DeepCopy()
	broken.Data["hostfile"] = ""
	update(broken)
	w.settle()
	same, right := get()
	if diff := cmp.Diff(config.Data, right.Data) + cmp.Diff(secret.Data, same.Data); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	w.editJob(func(j trainingv1.Job) { j.Policy().Suspend = new(true) })
	w.settle()
	w.expectPods("")
	w.editJob(func(j trainingv1.Job) { j.Policy().Suspend = new(false) })
	w.settle()
	w.expectPods("j-launcher j-worker-0 j-worker-1")
	if same, _ := get(); cmp.Diff(secret.Data, same.Data) != "" {
		t.Error("the keys were drawn again")
	}
}

// The launcher's rights end at its own workers.
func TestMPIRights(t *testing.T) {
	k, job := mpiJobOf(t, "v1", "", "")
	rules := func() (rules []rbacv1.PolicyRule) {
		for _, object := range k.support(k, Config{}, job, k.members(job, nil)) {
			if role, ok := object.(*rbacv1.Role); ok {
				rules = role.Rules
			}
		}
		return rules
	}
	if r := rules(); len(r) != 2 || strings.Join(r[1].ResourceNames, " ") != "j-worker-0 j-worker-1" {
		t.Errorf("rules: %+v", r)
	}
	*job.Replicas()["Worker"].Replicas = 0
	if r := rules(); len(r) != 1 {
		t.Errorf("without workers: %+v", r)
	}
	job.Replicas()["Launcher"].Template.Spec.ServiceAccountName = "mine"
	if r := rules(); r != nil {
		t.Errorf("with an account of the user's: %+v", r)
	}
}

// What mpirun is told, for each implementation; nothing is told to other containers.
func TestMPIEnvironment(t *testing.T) {
	for implementation, want := range map[string]variables{
		"OpenMPI": {
			"OMPI_MCA_orte_keep_fqdn_hostnames": "true", "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile",
			"OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10", "OMPI_MCA_orte_set_default_slots": "3",
		},
		"Intel": {
			"I_MPI_HYDRA_HOST_FILE": "/etc/mpi/hostfile", "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": "-o ConnectionAttempts=10", "I_MPI_PERHOST": "3",
		},
		"MPICH": {"HYDRA_HOST_FILE": "/etc/mpi/hostfile", "HYDRA_LAUNCH_EXTRA_ARGS": "-o ConnectionAttempts=10"},
	} {
		for _, works := range []string{"false", "true"} {
			_, job := mpiJobOf(t, "v2beta1", "slotsPerWorker: 3\n  mpiImplementation: "+implementation+"\n  runLauncherAsWorker: "+works, "")
			_, pods, err := Preview(Config{}, job)
			if err != nil {
				t.Fatal(err)
			}
			launcher := variables{"K_MPI_JOB_ROLE": "launcher"}
			maps.Copy(launcher, want)
			if works == "false" {
				launcher["NVIDIA_VISIBLE_DEVICES"], launcher["NVIDIA_DRIVER_CAPABILITIES"] = "", ""
			}
			for i, want := range []variables{launcher, {"K_MPI_JOB_ROLE": "worker"}, {"K_MPI_JOB_ROLE": "worker"}} {
				got := variables{}
				for _, v := range pods[i].Spec.Containers[0].Env {
					got[v.Name] = v.Value
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, %s (-want +got):\n%s", implementation, pods[i].Name, diff)
				}
			}
		}
	}
}
