package training

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// noon is the time of tests that need one.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// readJob reads a job from YAML and gives it what the API server would have: a namespace and a UID.
func readJob(t *testing.T, text string) (*kind, trainingv1.Job) {
	t.Helper()
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(text), &meta); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.name == meta.Kind })
	if i < 0 {
		t.Fatalf("no kind %q", meta.Kind)
	}
	job := NewJob(meta.APIVersion, meta.Kind)
	if job == nil {
		job = kinds[i].newJob()
	}
	if err := yaml.UnmarshalStrict([]byte(text), job); err != nil {
		t.Fatal(err)
	}
	job = asWritten(job)
	k := kinds[i].of(job)
	if job.GetNamespace() == "" {
		job.SetNamespace("ns")
	}
	job.SetUID(types.UID("uid-of-" + job.GetName()))
	return k, job
}

// readyJob is readJob with defaults set.
func readyJob(t *testing.T, text string) (*kind, trainingv1.Job) {
	t.Helper()
	k, job := readJob(t, text)
	k.setAllDefaults(job)
	return k, job
}

// simpleTFJob is a TFJob with workers only, and what else spec says.
func simpleTFJob(t *testing.T, workers, spec string) (*kind, trainingv1.Job) {
	t.Helper()
	return readyJob(t, `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: tf}
spec:
  `+spec+`
  tfReplicaSpecs:
    Worker: {`+workers+`, template: {spec: {containers: [{name: tensorflow, image: i}]}}}
`)
}

// podOption changes a pod of a test.
type podOption func(*corev1.Pod)

// podIn returns a pod in a phase, with one container of the kind's name.
func podIn(k *kind, name string, phase corev1.PodPhase, options ...podOption) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid-of-" + name)}}
	pod.Status.Phase = phase
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: k.container}}
	for _, o := range options {
		o(pod)
	}
	return pod
}

func exited(code int32, at time.Time) podOption {
	return func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses[0].State.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, FinishedAt: metav1.NewTime(at)}
	}
}

func startedAt(at time.Time) podOption {
	return func(pod *corev1.Pod) { pod.Status.StartTime = &metav1.Time{Time: at} }
}

func restarted(n int32) podOption {
	return func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].RestartCount = n }
}

func because(reason string) podOption {
	return func(pod *corev1.Pod) { pod.Status.Reason = reason }
}

func preempted() podOption {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
		})
	}
}

func deletedAt(at time.Time) podOption {
	return func(pod *corev1.Pod) { pod.DeletionTimestamp = &metav1.Time{Time: at} }
}

func withUID(uid string) podOption {
	return func(pod *corev1.Pod) { pod.UID = types.UID(uid) }
}

// seeing is what is observed when only these pods exist.
func seeing(pods ...*corev1.Pod) observed {
	seen := observed{pods: map[string]*corev1.Pod{}, services: map[string]*corev1.Service{}}
	for _, pod := range pods {
		seen.pods[pod.Name] = pod
	}
	return seen
}

// states lists the conditions of a status, a false one with a "!".
func states(status *trainingv1.JobStatus) string {
	text := ""
	for i, c := range status.Conditions {
		if i > 0 {
			text += " "
		}
		if c.Status != corev1.ConditionTrue {
			text += "!"
		}
		text += string(c.Type)
	}
	return text
}
