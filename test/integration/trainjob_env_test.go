package integration

import (
	"context"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// trainJob reads a TrainJob as a user writes it.
func (e *env) trainJob(text string) *trainerv1alpha1.TrainJob {
	e.Helper()
	job := &trainerv1alpha1.TrainJob{}
	e.do(yaml.UnmarshalStrict([]byte(text), job))
	return job
}

// runtime reads a TrainingRuntime as a user writes it, and creates it in the test's namespace.
func (e *env) runtime(text string) *trainerv1alpha1.TrainingRuntime {
	e.Helper()
	runtime := &trainerv1alpha1.TrainingRuntime{}
	e.do(yaml.UnmarshalStrict([]byte(text), runtime))
	e.create(runtime)
	return runtime
}

// states lists the states that a TrainJob has been in: those that do not hold any more have a minus.
func states(job *trainerv1alpha1.TrainJob) string {
	var all []string
	for _, c := range job.Status.Conditions {
		if c.Status == metav1.ConditionTrue {
			all = append(all, c.Type)
		} else {
			all = append(all, "-"+c.Type)
		}
	}
	return strings.Join(all, " ")
}

// expectStates waits until the conditions of a TrainJob are these, in this order, and returns it.
func (e *env) expectStates(job *trainerv1alpha1.TrainJob, want string) *trainerv1alpha1.TrainJob {
	e.Helper()
	var seen *trainerv1alpha1.TrainJob
	e.eventually(fmt.Sprintf("TrainJob %s is %s", job.Name, want), func(context.Context) (bool, string) {
		seen = now(e, job)
		return states(seen) == want, fmt.Sprintf("%+v", seen.Status)
	})
	return seen
}

// expectTold waits until a condition of a TrainJob has the reason and the words in its message, and returns the job.
func (e *env) expectTold(job *trainerv1alpha1.TrainJob, t, reason string, words ...string) *trainerv1alpha1.TrainJob {
	e.Helper()
	var seen *trainerv1alpha1.TrainJob
	e.eventually(fmt.Sprintf("condition %s of %s says %s: %q", t, job.Name, reason, words), func(context.Context) (bool, string) {
		seen = now(e, job)
		for _, c := range seen.Status.Conditions {
			if c.Type == t && c.Reason == reason && containsAll(c.Message, words) {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", seen.Status)
	})
	return seen
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// podAt waits until the pod with that index of a Job runs, and returns it. The names of a Job's pods end at random.
func (e *env) podAt(job string, index int) *corev1.Pod {
	e.Helper()
	var found *corev1.Pod
	e.eventually(fmt.Sprintf("pod %d of Job %s runs", index, job), func(context.Context) (bool, string) {
		for _, p := range shared.watcher.in(e.namespace) {
			if p.Labels[batchv1.JobNameLabel] == job && p.Labels[batchv1.JobCompletionIndexAnnotation] == fmt.Sprint(index) &&
				p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
				found = p
				return true, ""
			}
		}
		return false, fmt.Sprint(e.podNames())
	})
	return found
}

// environment is what the container of a pod is told, as it would see it: references to the pod's own fields resolved.
func environment(e *env, pod *corev1.Pod, container string) map[string]string {
	e.Helper()
	told := map[string]string{}
	for _, c := range pod.Spec.Containers {
		if c.Name != container {
			continue
		}
		for _, v := range c.Env {
			told[v.Name] = v.Value
			if v.ValueFrom != nil && v.ValueFrom.FieldRef != nil {
				key := strings.TrimSuffix(strings.TrimPrefix(v.ValueFrom.FieldRef.FieldPath, "metadata.annotations['"), "']")
				told[v.Name] = pod.Annotations[key]
			}
		}
	}
	return told
}

// expectEnvironment checks variables of a container of a pod; those not named are not looked at.
func (e *env) expectEnvironment(pod *corev1.Pod, container string, want map[string]string) {
	e.Helper()
	told := environment(e, pod, container)
	for name, value := range want {
		if got, ok := told[name]; !ok || got != value {
			e.Errorf("%s of %s: %q, want %q", name, pod.Name, got, value)
		}
	}
}
