package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
	"sigs.k8s.io/yaml"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// nodesJob is a TrainJob of two nodes of a runtime that comes with Muster.
func (e *env) nodesJob(runtime string) *trainerv1alpha1.TrainJob {
	e.Helper()
	return e.trainJob(fmt.Sprintf(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: %s}
spec:
  runtimeRef: {name: %[1]s-distributed}
  trainer: {image: train, command: [run], numNodes: 2, resourcesPerNode: {limits: {cpu: 1}}}
`, runtime))
}

// What each replica is told by the runtimes that come with Muster.
func TestTrainJobOfEachFramework(t *testing.T) {
	e := setUp(t, node("node", cpu(9)))
	for runtime, want := range map[string]map[string]string{
		"jax":     {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "INDEX", "JAX_COORDINATOR_ADDRESS": "jax-node-0-0.jax:29500"},
		"xgboost": {"DMLC_NUM_WORKER": "2", "DMLC_TASK_ID": "INDEX", "DMLC_TRACKER_URI": "xgboost-node-0-0.xgboost", "DMLC_TRACKER_PORT": "29500"},
	} {
		e.create(e.nodesJob(runtime))
		for i := range 2 {
			told := map[string]string{}
			for name, value := range want {
				told[name] = strings.ReplaceAll(value, "INDEX", fmt.Sprint(i))
			}
			e.expectEnvironment(e.podAt(runtime+"-node-0", i), "node", told)
		}
	}
	job := e.nodesJob("deepspeed")
	e.create(job)
	launcher := e.podAt("deepspeed-launcher-0", 0)
	e.expectEnvironment(launcher, "node", map[string]string{
		"OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile", "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
		"OMPI_MCA_orte_set_default_slots": "1", "OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10",
	})
	e.expectMinimum("deepspeed", 2)
	e.expectMPI("deepspeed", "deepspeed-launcher-0-0.deepspeed slots=1\ndeepspeed-node-0-0.deepspeed slots=1\n")
	worker := e.podAt("deepspeed-node-0", 0)
	e.expectStates(job, "Created Running")
	e.end(launcher.Name, 0)
	e.expectStates(job, "-Running Created Complete")
	e.expectGone(worker)

	e.create(e.nodesJob("mpi"))
	e.podAt("mpi-launcher-0", 0)
	e.expectMinimum("mpi", 3)
	e.expectMPI("mpi", "mpi-node-0-0.mpi slots=1\nmpi-node-0-1.mpi slots=1\n")
}

// expectMPI checks the host file, and that the keys are a pair.
func (e *env) expectMPI(job, hostfile string) {
	e.Helper()
	if got := now(e, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: job + "-mpi-hostfile"}}).Data["hostfile"]; got != hostfile {
		e.Errorf("host file %q, want %q", got, hostfile)
	}
	secret := now(e, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: job + "-mpi-ssh-auth"}})
	if secret.Type != corev1.SecretTypeSSHAuth || secret.Immutable == nil || !*secret.Immutable {
		e.Errorf("Secret of type %s, immutable %v", secret.Type, secret.Immutable)
	}
	private, err := ssh.ParsePrivateKey(secret.Data[corev1.SSHAuthPrivateKey])
	e.do(err)
	public, _, _, _, err := ssh.ParseAuthorizedKey(secret.Data["ssh-publickey"])
	e.do(err)
	if string(private.PublicKey().Marshal()) != string(public.Marshal()) {
		e.Error("the keys are no pair")
	}
}

// jobSetCRD is as much of the kind JobSet as a client sees.
const jobSetCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: jobsets.jobset.x-k8s.io
  annotations: {api-approved.kubernetes.io: unapproved}
spec:
  group: jobset.x-k8s.io
  scope: Namespaced
  names: {kind: JobSet, plural: jobsets, singular: jobset, listKind: JobSetList}
  versions:
  - name: v1alpha2
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// installJobSet gives the cluster the kind JobSet until the test ends.
func (e *env) installJobSet() {
	e.Helper()
	crds := apiextensions.NewForConfigOrDie(shared.cluster.RESTConfig()).ApiextensionsV1().CustomResourceDefinitions()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	e.do(yaml.UnmarshalStrict([]byte(jobSetCRD), crd))
	_, err := crds.Create(e.Context(), crd, metav1.CreateOptions{})
	e.do(err)
	served := func(want bool) func(context.Context) (bool, string) {
		return func(context.Context) (bool, string) {
			_, err := e.clients.Discovery().ServerResourcesForGroupVersion("jobset.x-k8s.io/v1alpha2")
			return (err == nil) == want, fmt.Sprint(err)
		}
	}
	e.Cleanup(func() {
		ctx := context.WithoutCancel(e.Context())
		if err := crds.Delete(ctx, crd.Name, metav1.DeleteOptions{}); err != nil {
			e.Error(err)
		}
		if err := poll(ctx, served(false)); err != nil {
			e.Error(err)
		}
	})
	e.eventually("JobSets are served", served(true))
}

func (e *env) jobSet(name string) *unstructured.Unstructured {
	e.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "jobset.x-k8s.io", Version: "v1alpha2", Kind: "JobSet"})
	e.eventually("there is a JobSet "+name, func(ctx context.Context) (bool, string) {
		err := e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, object)
		return err == nil, fmt.Sprint(err)
	})
	return object
}

// Where the cluster has JobSets a TrainJob becomes one, and follows it. One that was started without goes on without.
func TestTrainJobAsJobSet(t *testing.T) {
	e := setUp(t, node("node", cpu(4)))
	before := e.nodesJob("torch")
	e.create(before)
	e.expectStates(before, "Created Running")
	e.installJobSet()

	job := e.nodesJob("jax")
	e.create(job)
	set := e.jobSet("jax")
	pod, _, err := unstructured.NestedMap(set.Object["spec"].(map[string]any)["replicatedJobs"].([]any)[0].(map[string]any), "template", "spec", "template")
	e.do(err)
	labels, _, _ := unstructured.NestedStringMap(pod, "metadata", "labels")
	scheduler, _, _ := unstructured.NestedString(pod, "spec", "schedulerName")
	if labels["scheduling.x-k8s.io/pod-group"] != "jax" || scheduler != "muster" {
		e.Errorf("pods of the JobSet have the labels %v and the scheduler %s", labels, scheduler)
	}
	e.expectMinimum("jax", 2)
	if names := jobsOf(e, "jax"); len(names) > 0 {
		e.Errorf("a TrainJob that is a JobSet has the Jobs %v of its own", names)
	}
	e.tellJobSet(set, "replicatedJobsStatus: [{name: node, ready: 1, active: 1}]")
	e.expectStates(job, "Created Running")

	change(e, job, func(j *trainerv1alpha1.TrainJob) { j.Spec.Suspend = new(true) })
	e.expectSuspend("jax", true)
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "jax")
	change(e, job, func(j *trainerv1alpha1.TrainJob) { j.Spec.Suspend = new(false) })
	e.expectSuspend("jax", false)
	e.expectMinimum("jax", 2)
	e.tellJobSet(e.jobSet("jax"), "restarts: 2, conditions: [{type: Failed, status: 'True', reason: ReachedMaxRestarts, message: too often, lastTransitionTime: '2026-01-01T00:00:00Z'}]")
	if seen := e.expectTold(job, trainerv1alpha1.TrainJobFailed, "ReachedMaxRestarts", "too often"); seen.Status.Restarts != 2 {
		e.Errorf("restarts: %d", seen.Status.Restarts)
	}
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "jax")

	if err := e.client.Get(e.Context(), client.ObjectKey{Namespace: e.namespace, Name: "torch"}, set); !apierrors.IsNotFound(err) {
		e.Errorf("the TrainJob that ran before has become a JobSet: %v", err)
	}
	e.expectStates(before, "Created Running")
}

// tellJobSet writes the status of a JobSet, as its controller would.
func (e *env) tellJobSet(set *unstructured.Unstructured, status string) {
	e.Helper()
	var told map[string]any
	e.do(yaml.UnmarshalStrict([]byte("{"+status+"}"), &told))
	changed := set.DeepCopy()
	changed.Object["status"] = told
	e.do(e.client.Status().Patch(e.Context(), changed, client.MergeFrom(set)))
}

// expectSuspend waits until a JobSet is suspended, or is not.
func (e *env) expectSuspend(name string, want bool) {
	e.Helper()
	e.eventually(fmt.Sprintf("suspend of JobSet %s is %v", name, want), func(context.Context) (bool, string) {
		is, found, err := unstructured.NestedBool(e.jobSet(name).Object, "spec", "suspend")
		return err == nil && found && is == want, fmt.Sprint(is, found, err)
	})
}
