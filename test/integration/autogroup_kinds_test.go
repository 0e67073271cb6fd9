package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
	"sigs.k8s.io/yaml"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	gangs "github.com/muster-scheduling/muster/internal/gang"
)

// kind makes the API server serve a kind of somebody else, with any content, until the test ends.
func (e *env) kind(group, version, kind, plural string) {
	e.Helper()
	crd := &unstructured.Unstructured{}
	e.do(yaml.Unmarshal([]byte(fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  names: {kind: %[3]s, listKind: %[3]sList, plural: %[4]s, singular: %[5]s}
  scope: Namespaced
  versions: [{name: %[2]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, group, version, kind, plural, strings.ToLower(kind))), &crd.Object))
	e.create(crd)
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(group + "/" + version)
	list.SetKind(kind + "List")
	e.eventually(kind+"s are served", func(ctx context.Context) (bool, string) {
		err := e.client.List(ctx, list)
		return err == nil, fmt.Sprint(err)
	})
}

// ownedBy makes an object one that the owner controls.
func (e *env) ownedBy(object, owner client.Object) {
	e.Helper()
	gvk, err := e.client.GroupVersionKindFor(owner)
	e.do(err)
	object.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(owner, gvk)})
}

// A JobSet is one gang over all of its jobs, in its own queue, which its owners' labels name.
func TestJobSetBecomesAGang(t *testing.T) {
	e := setUp(t, nodes(2, gpu(1))...)
	e.kind("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets")
	e.queue("vision")
	set := e.manifest(`{apiVersion: jobset.x-k8s.io/v1alpha2, kind: JobSet, metadata: {name: llm}, spec: {replicatedJobs: [
  {name: driver, template: {spec: {}}}, {name: workers, template: {spec: {parallelism: 2, completions: 2, template: {spec: {containers: [{name: main}]}}}}}]}}`)
	set.SetLabels(map[string]string{schedulingv1alpha1.QueueLabel: e.queueName("vision")})
	e.create(set)
	job := func(role string, n int32) *batchv1.Job {
		job := indexedJob("llm-"+role+"-0", n, gpu(1))
		job.Spec.Template.Labels = map[string]string{"jobset.sigs.k8s.io/jobset-name": "llm", "jobset.sigs.k8s.io/replicatedjob-name": role}
		e.ownedBy(job, set)
		return job
	}
	workers, driver := job("workers", 2), job("driver", 1)
	e.create(workers)
	group := e.expectGroup("JobSet/llm", 3)
	if group.Labels[schedulingv1alpha1.QueueLabel] != e.queueName("vision") {
		e.Errorf("the PodGroup has the labels %v", group.Labels)
	}
	e.expectReason(gangs.WaitingForMembers, 1) // the driver is missing
	e.create(driver)
	e.expectNoRoomFor(group.Name)
	e.createNodes(node("late", gpu(1)))
	e.expectBound(group.Name, 3)
	for _, p := range e.boundPods(group.Name) {
		if p.Labels[schedulingv1alpha1.RoleLabel] != p.Labels["jobset.sigs.k8s.io/replicatedjob-name"] || p.Labels[schedulingv1alpha1.QueueLabel] != e.queueName("vision") {
			e.Errorf("pod %s has the labels %v", p.Name, p.Labels)
		}
		if _, ranked := envOf(p.Spec.Containers[0])["PET_NNODES"]; ranked {
			e.Errorf("pod %s of a JobSet with two roles has been told a rank", p.Name)
		}
	}
	if owner := group.OwnerReferences; len(owner) != 1 || owner[0].UID != set.GetUID() {
		e.Errorf("the PodGroup belongs to %v", owner)
	}
	e.deleteWithPods(workers, driver)
}

// Each group of a LeaderWorkerSet is a gang of its own, which goes with the group.
func TestGroupsBecomeGangs(t *testing.T) {
	e := setUp(t, nodes(3, gpu(1))...)
	e.kind("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets")
	set := e.manifest(`{apiVersion: leaderworkerset.x-k8s.io/v1, kind: LeaderWorkerSet, metadata: {name: llm}, spec: {replicas: 2, leaderWorkerTemplate: {size: 2}}}`)
	e.create(set)
	// As its controller does: a StatefulSet of leaders, and one of workers for each of them.
	leaders := statefulSet("llm", 2, 0)
	e.ownedBy(leaders, set)
	e.create(leaders)
	var groups [2][]*corev1.Pod
	for g := range groups {
		leader := e.expectPod(fmt.Sprintf("llm-%d", g))
		workers := statefulSet(leader.Name, 1, 1)
		e.ownedBy(workers, leader)
		e.create(workers)
		groups[g] = []*corev1.Pod{leader, e.expectPod(leader.Name + "-1")}
	}
	first, second := groups[0][0].Labels[schedulingv1alpha1.PodGroupLabel], groups[1][0].Labels[schedulingv1alpha1.PodGroupLabel]
	if first == "" || second == "" || first == second {
		e.Fatalf("the groups are the gangs %q and %q", first, second)
	}
	variables := envOf(groups[1][1].Spec.Containers[0])
	if variables["PET_NODE_RANK"] != "1" || variables["PET_MASTER_ADDR"] != "llm-1.llm" || groups[1][1].Labels[schedulingv1alpha1.RoleLabel] != "worker" {
		e.Errorf("a worker has the labels %v and is told %v", groups[1][1].Labels, variables)
	}
	// There is room for one and a half.
	e.eventually("one group runs, the other waits", func(context.Context) (bool, string) {
		a, b := len(e.boundPods(first)), len(e.boundPods(second))
		return a == 2 && b == 0 || a == 0 && b == 2, fmt.Sprint(a, b)
	})
	e.expectGroup("LeaderWorkerSet/llm", 2)
	smaller := set.DeepCopy()
	e.do(unstructured.SetNestedField(smaller.Object, int64(1), "spec", "replicas"))
	e.do(e.client.Patch(e.Context(), smaller, client.MergeFrom(set)))
	change(e, leaders, func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(1)) })
	e.expectNone(&podgroupv1alpha1.PodGroup{}, second)
	e.expectBound(first, 2)
}

// statefulSet is one of n pods with a GPU each, numbered from start, for a LeaderWorkerSet.
func statefulSet(name string, n, start int32) *appsv1.StatefulSet {
	labels := map[string]string{"leaderworkerset.sigs.k8s.io/name": "llm", "set": name}
	set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{
		Replicas: &n, ServiceName: "llm", Ordinals: &appsv1.StatefulSetOrdinals{Start: start}, PodManagementPolicy: appsv1.ParallelPodManagement,
		Selector: &metav1.LabelSelector{MatchLabels: labels},
	}}
	set.Name = name
	set.Spec.Template.Labels = labels
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "none", Resources: corev1.ResourceRequirements{Limits: gpu(1)}}}
	return set
}

// expectPod waits until there is a pod, whether it has a node or not.
func (e *env) expectPod(name string) (found *corev1.Pod) {
	e.Helper()
	e.eventually("there is a pod "+name, func(context.Context) (bool, string) {
		found = e.seen(name)
		return found != nil, "there is none"
	})
	return found
}

// deleteWithPods deletes objects, and returns when the namespace has no pods any more.
func (e *env) deleteWithPods(objects ...client.Object) {
	e.Helper()
	for _, object := range objects {
		e.do(e.client.Delete(e.Context(), object, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	}
	e.expectPods()
}

// A job of Kubeflow that another operator runs, which makes no PodGroup, is a gang too.
func TestJobOfAnotherOperatorBecomesAGang(t *testing.T) {
	e := setUp(t, nodes(1, gpu(2))...)
	job := pyTorchJob("theirs", specs{trainingv1.PyTorchMaster: replicas(1, gpu(1)), trainingv1.PyTorchWorker: replicas(1, gpu(1))},
		func(p *trainingv1.RunPolicy) { p.ManagedBy = new("kueue.x-k8s.io/multikueue") })
	e.create(job)
	for _, role := range []string{"master", "worker"} {
		p := pod("theirs-"+role+"-0", "", gpu(1), podLabel("training.kubeflow.org/job-name", "theirs"), podLabel("training.kubeflow.org/replica-type", role))
		p.Spec.SchedulerName = ""
		e.ownedBy(p, job)
		e.create(p)
	}
	group := e.expectGroup("PyTorchJob/theirs", 2)
	e.expectBound(group.Name, 2)
	if reason := group.Annotations[schedulingv1alpha1.MinMemberReasonAnnotation]; reason != "2 replicas" {
		e.Errorf("its minimum is said to come from %q", reason)
	}
}

// What belongs to an experiment or a service is in the queue of that, with the priority of its family.
func TestPodsAreInTheQueueOfWhatTheyBelongTo(t *testing.T) {
	e := setUp(t, nodes(1, gpu(8))...)
	e.kind("kubeflow.org", "v1beta1", "Trial", "trials")
	e.kind("kubeflow.org", "v1beta1", "Experiment", "experiments")
	e.kind("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices")
	e.queue("sweep")
	e.queue("prod")
	experiment := e.manifest(`{apiVersion: kubeflow.org/v1beta1, kind: Experiment, metadata: {name: sweep}}`)
	experiment.SetLabels(map[string]string{schedulingv1alpha1.QueueLabel: e.queueName("sweep")})
	e.create(experiment)
	trial := e.manifest(`{apiVersion: kubeflow.org/v1beta1, kind: Trial, metadata: {name: sweep-1, labels: {katib.kubeflow.org/experiment: sweep}}}`)
	e.ownedBy(trial, experiment)
	e.create(trial)
	job := indexedJob("sweep-1", 1, gpu(1), func(j *batchv1.Job) {
		j.Spec.Template.Labels = map[string]string{"katib.kubeflow.org/trial": "sweep-1"}
	})
	e.ownedBy(job, trial)

	service := e.manifest(`{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: bert}}`)
	service.SetLabels(map[string]string{schedulingv1alpha1.QueueLabel: e.queueName("prod")})
	e.create(service)
	labels := map[string]string{"serving.kserve.io/inferenceservice": "bert"}
	deployment := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: new(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: job.Spec.Template}}
	deployment.Name, deployment.Spec.Template.Labels = "bert-predictor", labels
	deployment.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	e.ownedBy(deployment, service)

	// Two families at once, by labels alone: it is what comes first.
	both := pod("both", "", gpu(1), podLabel("katib.kubeflow.org/trial", "sweep-1"), podLabel("training.kubeflow.org/job-name", "x"),
		podLabel("training.kubeflow.org/operator-name", "pytorchjob-controller"))
	e.create(job, deployment, both)
	e.eventually("all pods are bound", func(context.Context) (bool, string) {
		n := len(e.boundPods(""))
		return n == 3, fmt.Sprint(n)
	})
	for _, p := range e.boundPods("") {
		queue, class := e.queueName("sweep"), "muster-trial"
		if strings.HasPrefix(p.Name, "bert") {
			queue, class = e.queueName("prod"), "muster-serving"
			if p.Annotations[schedulingv1alpha1.ReservationAnnotation] != "ignore" || p.Annotations[schedulingv1alpha1.PackingAnnotation] != "spread" {
				e.Errorf("pod %s has the annotations %v", p.Name, p.Annotations)
			}
		}
		if p.Labels[schedulingv1alpha1.QueueLabel] != queue || p.Spec.PriorityClassName != class {
			e.Errorf("pod %s is in queue %s with class %s, expected %s and %s", p.Name, p.Labels[schedulingv1alpha1.QueueLabel], p.Spec.PriorityClassName, queue, class)
		}
		if (p.Name == "both") != (len(p.Spec.Containers[0].VolumeMounts) > 1) { // beside the token
			e.Errorf("pod %s mounts %v", p.Name, p.Spec.Containers[0].VolumeMounts)
		}
	}
	e.delete(both)
	e.deleteWithPods(job, deployment)
}

// Nothing evicts a user's first notebook, if its queue guarantees what it asks for. The others start too.
func TestFirmNotebooks(t *testing.T) {
	e := setUp(t, nodes(1, gpu(8))...)
	e.queue("desk", guarantee(gpu(1)))
	open := func(name, user string) *corev1.Pod {
		p := pod(name, "", gpu(1), podLabel("notebook-name", name), e.ofQueue("desk"), annotation("notebooks.kubeflow.org/creator", user))
		e.create(p)
		e.expectPodBound(name)
		return p
	}
	first := open("first", "ann")
	if first.Annotations[schedulingv1alpha1.PreemptibleAnnotation] != "false" || first.Annotations[schedulingv1alpha1.FirmForAnnotation] != "ann" ||
		first.Spec.PriorityClassName != "muster-notebook" || first.Annotations[schedulingv1alpha1.PackingAnnotation] != "pack" {
		e.Errorf("the first notebook has class %s and the annotations %v", first.Spec.PriorityClassName, first.Annotations)
	}
	for name, user := range map[string]string{"second": "ann", "guest": "bob"} {
		if p := open(name, user); p.Annotations[schedulingv1alpha1.PreemptibleAnnotation] != "" {
			e.Errorf("notebook %s of %s has the annotations %v", name, user, p.Annotations)
		}
	}
	e.delete(first)
	e.expectGone(first)
	if again := open("again", "bob"); again.Annotations[schedulingv1alpha1.FirmForAnnotation] != "bob" {
		e.Errorf("the notebook that replaces it has the annotations %v", again.Annotations)
	}
}

// A notebook that was made firm, and cannot be since others use the guarantee, waits for some seconds only.
func TestFirmNotebookThatDoesNotFit(t *testing.T) {
	e := setUp(t, nodes(1, gpu(8))...)
	e.queue("desk", guarantee(gpu(1)))
	e.create(pod("server", "", gpu(1), e.ofQueue("desk"), firm))
	e.expectPodBound("server")
	notebook := pod("notebook", "", gpu(1), podLabel("notebook-name", "notebook"), e.ofQueue("desk"))
	e.create(notebook)
	if notebook.Annotations[schedulingv1alpha1.PreemptibleAnnotation] != "false" {
		e.Errorf("it has the annotations %v", notebook.Annotations)
	}
	e.expectPodBound("notebook")
	if bound := e.seen("notebook"); bound.Annotations[schedulingv1alpha1.PreemptibleAnnotation] != "" {
		e.Errorf("it is bound with the annotations %v", bound.Annotations)
	}
	e.expectEvent("Pod", "notebook", "NotFirm", "it starts as one that may be evicted")
}

// While nobody serves webhooks, pods are what they say themselves, and run alone. Those that replace them wait for nobody.
func TestPodsRunAloneWithoutWebhooks(t *testing.T) {
	e := setUp(t, nodes(1, gpu(1))...)
	e.do(shared.cluster.StopManager())
	stopped := true
	start := func(ctx context.Context) error { stopped = false; return shared.cluster.StartManager(ctx) }
	t.Cleanup(func() {
		if stopped && start(context.Background()) != nil {
			t.Error("the manager does not start again")
		}
	})
	job := indexedJob("alone", 2, gpu(1), func(j *batchv1.Job) { j.Spec.Template.Spec.SchedulerName = schedulingv1alpha1.SchedulerName })
	e.create(job)
	e.expectBound("", 1) // of two
	e.do(start(e.Context()))
	for _, p := range e.boundPods("") {
		e.delete(p)
	}
	e.expectBound("", 1) // the other
	group := e.expectGroup("Job/alone", 1)
	e.createNodes(node("late", gpu(1)))
	e.expectBound(group.Name, 1)
	e.deleteWithPods(job)
}
