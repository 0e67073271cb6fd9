package integration

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// specs are the replica types of a job.
type specs = map[trainingv1.ReplicaType]*trainingv1.ReplicaSpec

// tfJob is a TFJob; its replicas need not name their container.
func tfJob(name string, replicas specs, edits ...func(*trainingv1.RunPolicy)) *trainingv1.TFJob {
	job := &trainingv1.TFJob{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: trainingv1.TFJobSpec{TFReplicaSpecs: replicas}}
	complete(job, "tensorflow", edits)
	return job
}

// pyTorchJob is a PyTorchJob; its replicas need not name their container.
func pyTorchJob(name string, replicas specs, edits ...func(*trainingv1.RunPolicy)) *trainingv1.PyTorchJob {
	job := &trainingv1.PyTorchJob{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: trainingv1.PyTorchJobSpec{PyTorchReplicaSpecs: replicas}}
	complete(job, "pytorch", edits)
	return job
}

func complete(job trainingv1.Job, container string, edits []func(*trainingv1.RunPolicy)) {
	for _, spec := range job.Replicas() {
		spec.Template.Spec.Containers[0].Name = container
	}
	for _, edit := range edits {
		edit(job.Policy())
	}
}

// replicas are n pods that run until they are deleted.
func replicas(n int32, request corev1.ResourceList, edits ...func(*trainingv1.ReplicaSpec)) *trainingv1.ReplicaSpec {
	spec := &trainingv1.ReplicaSpec{Replicas: &n}
	spec.Template.Annotations = map[string]string{}
	spec.Template.Spec.Containers = []corev1.Container{{Image: "none", Resources: corev1.ResourceRequirements{Limits: request}}}
	for _, edit := range edits {
		edit(spec)
	}
	return spec
}

// runFor ends each try of the pods after such a time.
func runFor(duration string) func(*trainingv1.ReplicaSpec) {
	return steer(localcluster.RunForAnnotation, duration)
}

// exit is what the pods end with.
func exit(code int) func(*trainingv1.ReplicaSpec) {
	return steer(localcluster.ExitCodeAnnotation, fmt.Sprint(code))
}

// onTry limits exit to one try of each pod; the others end well.
func onTry(n int) func(*trainingv1.ReplicaSpec) {
	return steer(localcluster.FailOnTryAnnotation, fmt.Sprint(n))
}

func steer(annotation, value string) func(*trainingv1.ReplicaSpec) {
	return func(spec *trainingv1.ReplicaSpec) { spec.Template.Annotations[annotation] = value }
}

func suspend(is bool) func(*trainingv1.RunPolicy) {
	return func(p *trainingv1.RunPolicy) { p.Suspend = &is }
}

func restarts(policy trainingv1.RestartPolicy) func(*trainingv1.ReplicaSpec) {
	return func(spec *trainingv1.ReplicaSpec) { spec.RestartPolicy = policy }
}

// manifest reads an object as a user writes it, with fields that may not exist.
func (e *env) manifest(text string) *unstructured.Unstructured {
	e.Helper()
	object := &unstructured.Unstructured{}
	e.do(yaml.UnmarshalStrict([]byte(text), &object.Object))
	object.SetNamespace(e.namespace)
	return object
}

// now reads an object, of the test's namespace if it belongs to one, as it is now.
func now[T client.Object](e *env, object T) T {
	e.Helper()
	fresh := reflect.New(reflect.TypeOf(object).Elem()).Interface().(T)
	key := client.ObjectKeyFromObject(object)
	if namespaced, err := e.client.IsObjectNamespaced(object); err != nil || namespaced {
		e.do(err)
		key.Namespace = e.namespace
	}
	e.do(e.client.Get(e.Context(), key, fresh))
	return fresh
}

// change edits a job as a user does.
func change[T client.Object](e *env, object T, edit func(T)) {
	e.Helper()
	before := now(e, object)
	after := before.DeepCopyObject().(T)
	edit(after)
	e.do(e.client.Patch(e.Context(), after, client.MergeFrom(before)))
}

// conditions lists the states that a job has been in: those that do not hold any more have a minus.
func conditions(job trainingv1.Job) string {
	var states []string
	for _, c := range job.State().Conditions {
		if c.Status == corev1.ConditionTrue {
			states = append(states, string(c.Type))
		} else {
			states = append(states, "-"+string(c.Type))
		}
	}
	return strings.Join(states, " ")
}

// expectConditions waits until the job's conditions are these, in this order.
func (e *env) expectConditions(job trainingv1.Job, want string) {
	e.Helper()
	e.eventually(fmt.Sprintf("job %s is %s", job.GetName(), want), func(context.Context) (bool, string) {
		seen := now(e, job)
		return conditions(seen) == want, fmt.Sprintf("%+v", seen.State().Conditions)
	})
}

// expectReasonGiven waits until a condition of the job has the reason and the words in its message.
func (e *env) expectReasonGiven(job trainingv1.Job, t trainingv1.JobConditionType, reason, words string) {
	e.Helper()
	e.eventually(fmt.Sprintf("condition %s of %s says %s: %q", t, job.GetName(), reason, words), func(context.Context) (bool, string) {
		seen := now(e, job).State().Conditions
		return slices.ContainsFunc(seen, func(c trainingv1.JobCondition) bool {
			return c.Type == t && c.Reason == reason && strings.Contains(c.Message, words)
		}), fmt.Sprintf("%+v", seen)
	})
}

// expectPods waits until these are the pods of the namespace, none of them on its way out.
func (e *env) expectPods(names ...string) {
	e.Helper()
	e.eventually(fmt.Sprintf("the pods are %v", names), func(context.Context) (bool, string) {
		seen := e.podNames()
		return slices.Equal(seen, names), fmt.Sprint(seen)
	})
}

func (e *env) podNames() []string {
	var names []string
	for _, p := range shared.watcher.in(e.namespace) {
		if p.DeletionTimestamp == nil {
			names = append(names, p.Name)
		}
	}
	return names
}

// expectServices waits until these are the services of the namespace.
func (e *env) expectServices(names ...string) {
	e.Helper()
	e.eventually(fmt.Sprintf("the services are %v", names), func(ctx context.Context) (bool, string) {
		list := &corev1.ServiceList{}
		if err := e.client.List(ctx, list, client.InNamespace(e.namespace)); err != nil {
			return false, err.Error()
		}
		var seen []string
		for _, s := range list.Items {
			if s.DeletionTimestamp == nil {
				seen = append(seen, s.Name)
			}
		}
		return slices.Equal(seen, names), fmt.Sprint(seen)
	})
}

// expectNone waits until an object does not exist any more.
func (e *env) expectNone(object client.Object, name string) {
	e.Helper()
	e.eventually(fmt.Sprintf("there is no %T %s", object, name), func(ctx context.Context) (bool, string) {
		err := e.client.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, object)
		return apierrors.IsNotFound(err), fmt.Sprint(err)
	})
}

// expectRunning waits until the pod runs, and returns it.
func (e *env) expectRunning(name string) *corev1.Pod {
	e.Helper()
	var pod *corev1.Pod
	e.eventually(fmt.Sprintf("pod %s runs", name), func(context.Context) (bool, string) {
		pod = e.seen(name)
		return pod != nil && pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil, "it does not"
	})
	return pod
}

// end ends a running pod, as a kubelet tells of it.
func (e *env) end(name string, code int32) {
	e.Helper()
	before := e.expectRunning(name)
	after := before.DeepCopy()
	after.Status.Phase = corev1.PodSucceeded
	if code != 0 {
		after.Status.Phase = corev1.PodFailed
	}
	for i := range after.Status.ContainerStatuses {
		ended := &corev1.ContainerStateTerminated{ExitCode: code, StartedAt: *before.Status.StartTime, FinishedAt: metav1.Now()}
		after.Status.ContainerStatuses[i].State = corev1.ContainerState{Terminated: ended}
	}
	e.do(e.client.Status().Patch(e.Context(), after, client.MergeFrom(before)))
}
