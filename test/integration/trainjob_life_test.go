package integration

import (
	"context"
	"fmt"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// steeredRuntime is a runtime of torch whose pods do what the annotations say. More goes into the spec of the set.
func steeredRuntime(annotations, more string) string {
	return fmt.Sprintf(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: steered}
spec:
  mlPolicy: {numNodes: 2, torch: {}}
  template:
    spec:
      %s
      replicatedJobs:
      - name: node
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            backoffLimit: 0
            template:
              metadata: {annotations: {%s}}
              spec: {containers: [{name: node, image: train, resources: {limits: {cpu: 1}}, env: [{name: VERSION, value: "1"}]}]}
`, more, annotations)
}

// steeredJob is a TrainJob of steeredRuntime. More goes into its spec.
func (e *env) steeredJob(name, more string) *trainerv1alpha1.TrainJob {
	e.Helper()
	return e.trainJob(fmt.Sprintf(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: %s}
spec:
  runtimeRef: {kind: TrainingRuntime, name: steered}
  %s
`, name, more))
}

// A failure says which pod of which Job ended how; the job then goes when its time to live is over.
func TestTrainJobFails(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.runtime(steeredRuntime(`local.muster.dev/run-for: 200ms, local.muster.dev/exit-code: "3"`, ""))
	job := e.steeredJob("job", "ttlSecondsAfterFinished: 1")
	e.mayBreak("job")
	e.create(job)
	e.expectTold(job, trainerv1alpha1.TrainJobFailed, "FailedJobs", "Job job-node-0 failed: BackoffLimitExceeded", "container node ended with exit code 3")
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	e.expectNone(&trainerv1alpha1.TrainJob{}, "job")
	e.expectNone(&batchv1.Job{}, "job-node-0")
	e.expectEvent("TrainJob", "job", "FailedJobs", "exit code 3")
}

// With a failure policy all Jobs are made anew, as often as it says.
func TestTrainJobRestarts(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.runtime(steeredRuntime(`local.muster.dev/run-for: 300ms, local.muster.dev/exit-code: "7", local.muster.dev/fail-on-try: "1"`, "failurePolicy: {maxRestarts: 1}"))
	job := e.steeredJob("once", "")
	e.mayBreak("once")
	e.create(job)
	seen := e.expectTold(job, trainerv1alpha1.TrainJobComplete, "AllJobsCompleted")
	if seen.Status.Restarts != 1 || seen.Status.RestartsCountTowardsMax != 1 {
		e.Errorf("restarts: %+v", seen.Status)
	}
	e.expectEvent("TrainJob", "once", "TrainJobRestarting", "exit code 7")
	again := now(e, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "once-node-0"}})
	if got := again.Spec.Template.Labels["jobset.sigs.k8s.io/restart-attempt"]; got != "1" {
		e.Errorf("the Job that completed is of attempt %s", got)
	}
	change(e, &trainerv1alpha1.TrainingRuntime{ObjectMeta: metav1.ObjectMeta{Name: "steered"}}, func(r *trainerv1alpha1.TrainingRuntime) {
		delete(r.Spec.Template.Spec.ReplicatedJobs[0].Template.Spec.Template.Annotations, "local.muster.dev/fail-on-try")
	})
	job = e.steeredJob("ever", "")
	e.mayBreak("ever")
	e.create(job)
	e.expectTold(job, trainerv1alpha1.TrainJobFailed, "ReachedMaxRestarts", "1 time(s)", "exit code 7")
}

// A job that is suspended has no pods. What it is resumed with is the runtime as it is then, while one that runs keeps what it
// was made from.
func TestTrainJobSuspended(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.runtime(steeredRuntime("", ""))
	job := e.steeredJob("job", "")
	e.create(job)
	e.expectStates(job, "Created Running")
	change(e, &trainerv1alpha1.TrainingRuntime{ObjectMeta: metav1.ObjectMeta{Name: "steered"}}, func(r *trainerv1alpha1.TrainingRuntime) {
		r.Spec.Template.Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.Containers[0].Env[0].Value = "2"
	})
	e.mayBreak("job")
	before := e.podAt("job-node-0", 0)
	e.do(e.client.Delete(e.Context(), now(e, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "job-node-0"}}), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	e.expectGone(before)
	e.expectEnvironment(e.podAt("job-node-0", 0), "node", map[string]string{"VERSION": "1"})

	set := func(is bool) {
		change(e, job, func(j *trainerv1alpha1.TrainJob) { j.Spec.Suspend = &is })
	}
	first := now(e, job).Status.StartTime
	set(true)
	e.expectStates(job, "-Running Created Suspended")
	e.expectPods()
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	if got, want := now(e, job).Status.JobsStatus, (trainerv1alpha1.JobStatus{Name: "node", Suspended: 1}); len(got) != 1 || got[0] != want {
		e.Errorf("Jobs of a suspended TrainJob: %+v", got)
	}
	e.nextSecond()
	set(false)
	seen := e.expectStates(job, "-Suspended Created Running")
	e.expectEnvironment(e.podAt("job-node-0", 0), "node", map[string]string{"VERSION": "2"})
	if !first.Before(seen.Status.StartTime) {
		e.Errorf("started at %v, resumed at %v", first, seen.Status.StartTime)
	}
}

// Pods that the cluster takes away are replaced, without limit: that is no failure of the program.
func TestTrainJobEvicted(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.runtime(steeredRuntime("", ""))
	job := e.steeredJob("job", "")
	e.create(job)
	e.expectStates(job, "Created Running")
	e.mayBreak("job")
	before := []*corev1.Pod{e.podAt("job-node-0", 0), e.podAt("job-node-0", 1)}
	for _, p := range before {
		e.do(e.clients.PolicyV1().Evictions(e.namespace).Evict(e.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: e.namespace}}))
	}
	e.expectGone(before...)
	e.podAt("job-node-0", 0)
	e.podAt("job-node-0", 1)
	seen := e.expectStates(job, "Created Running")
	if seen.Status.Restarts != 0 {
		e.Errorf("restarts: %+v", seen.Status)
	}
}

func TestTrainJobDeadline(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.runtime(steeredRuntime("", ""))
	job := e.steeredJob("job", "activeDeadlineSeconds: 1")
	e.create(job)
	seen := e.expectTold(job, trainerv1alpha1.TrainJobFailed, trainerv1alpha1.TrainJobDeadlineExceededReason, "1 s")
	e.expectPods()
	e.expectNone(&podgroupv1alpha1.PodGroup{}, "job")
	if seen.Status.CompletionTime == nil {
		e.Error("no completion time")
	}
}

// A job waits for its runtime, and fails if nothing can be made of the two. Nothing is half done meanwhile.
func TestTrainJobWithoutRuntime(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := e.steeredJob("job", "")
	e.create(job)
	e.expectTold(job, trainerv1alpha1.TrainJobCreated, trainerv1alpha1.TrainJobRuntimeNotFoundReason, "no TrainingRuntime steered")
	e.expectPods()
	e.expectServices()
	e.runtime(steeredRuntime("", ""))
	e.expectStates(job, "Created Running")

	wrong := e.steeredJob("wrong", "podSpecOverrides: [{targetJobs: [{name: nodes}], serviceAccountName: x}]")
	e.create(wrong)
	e.expectTold(wrong, trainerv1alpha1.TrainJobFailed, "FailedValidation", "spec.podSpecOverrides[0]: the runtime has no job nodes")
	e.create(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "taken"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})
	taken := e.steeredJob("taken", "")
	e.create(taken)
	e.expectTold(taken, trainerv1alpha1.TrainJobCreated, "NameTaken", "Service taken exists already")
	if jobs := jobsOf(e, "taken"); len(jobs) > 0 {
		e.Errorf("the job whose name is taken has the Jobs %v", jobs)
	}
}

// jobsOf are the names of the Jobs of a TrainJob.
func jobsOf(e *env, name string) []string {
	e.Helper()
	list := &batchv1.JobList{}
	e.do(e.client.List(e.Context(), list))
	var names []string
	for _, job := range list.Items {
		if job.Namespace == e.namespace && job.Labels["jobset.sigs.k8s.io/jobset-name"] == name {
			names = append(names, job.Name)
		}
	}
	return names
}

const initializedRuntime = `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: tuned}
spec:
  mlPolicy: {numNodes: 3, torch: {}}
  template:
    spec:
      volumeClaimPolicies:
      - templates: [{metadata: {name: workspace}, spec: {accessModes: [ReadWriteMany], volumeName: none, resources: {requests: {storage: 1Gi}}}}]
      replicatedJobs:
      - name: dataset-initializer
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: dataset-initializer}}
          spec:
            template:
              spec: {containers: [{name: dataset-initializer, image: fetch, resources: {limits: {cpu: 1}}}]}
      - name: node
        dependsOn: [{name: dataset-initializer, status: Complete}]
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec:
            template:
              spec: {containers: [{name: node, image: train, resources: {limits: {cpu: 1}}}]}
`

// Initializers run before the gang of those who train has room, which gets its pods only then; and only once, however often
// the job is suspended.
func TestTrainJobInitializers(t *testing.T) {
	e := setUp(t, node("small", cpu(2)))
	e.runtime(initializedRuntime)
	job := e.trainJob(`
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: job, labels: {scheduling.muster.dev/queue: default}, annotations: {scheduling.muster.dev/expected-runtime: 1h}}
spec:
  runtimeRef: {kind: TrainingRuntime, name: tuned}
  initializer: {dataset: {storageUri: "hf://data", secretRef: {name: token}, env: [{name: SPLIT, value: train}]}}
`)
	e.create(job)
	pod := e.podAt("job-dataset-initializer-0", 0)
	e.expectEnvironment(pod, "dataset-initializer", map[string]string{"STORAGE_URI": "hf://data", "SPLIT": "train"})
	if from := pod.Spec.Containers[0].EnvFrom; len(from) != 1 || from[0].SecretRef.Name != "token" {
		e.Errorf("variables of the initializer come from %+v", from)
	}
	now(e, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "workspace-job"}})
	e.expectPods(pod.Name)
	e.expectMinimum("job", 3)
	if group := e.getPodGroup("job"); group.Labels["scheduling.muster.dev/queue"] != "default" || group.Annotations["scheduling.muster.dev/expected-runtime"] != "1h" {
		e.Errorf("PodGroup: %+v", group.ObjectMeta)
	}
	e.end(pod.Name, 0)
	e.eventually("the pods that train wait for room", func(context.Context) (bool, string) {
		return len(e.podNames()) == 4, fmt.Sprint(e.podNames())
	})
	e.expectNoRoomFor("job")
	set := func(is bool) {
		change(e, job, func(j *trainerv1alpha1.TrainJob) { j.Spec.Suspend = &is })
	}
	first := now(e, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "job-dataset-initializer-0"}})
	set(true)
	e.expectPods(pod.Name)
	set(false)
	e.createNodes(node("more", cpu(1)))
	e.expectStates(job, "-Suspended Created Running")
	if again := now(e, first); again.UID != first.UID {
		e.Error("the initializer has run again")
	}
}
