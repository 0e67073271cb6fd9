package training

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestJudge(t *testing.T) {
	const always, onFailure, never, byCode = trainingv1.RestartPolicyAlways, trainingv1.RestartPolicyOnFailure,
		trainingv1.RestartPolicyNever, trainingv1.RestartPolicyExitCode
	tests := []struct {
		name   string
		policy trainingv1.RestartPolicy
		pod    []podOption
		want   verdict
	}{
		{"always", always, []podOption{exited(1, noon)}, restart},
		{"on failure", onFailure, []podOption{exited(1, noon)}, restart},
		{"never", never, []podOption{exited(137, noon)}, fail},
		{"an error of the program", byCode, []podOption{exited(1, noon)}, fail},
		{"the last such code", byCode, []podOption{exited(127, noon)}, fail},
		{"the first signal", byCode, []podOption{exited(128, noon)}, restart},
		{"killed", byCode, []podOption{exited(137, noon)}, restart},
		{"no exit code", byCode, nil, restart},
		{"preempted, never", never, []podOption{preempted(), exited(1, noon)}, replace},
		{"preempted, by code", byCode, []podOption{preempted(), exited(1, noon)}, replace},
		{"preempted, always", always, []podOption{preempted()}, replace},
		{"node lost", never, []podOption{because("NodeLost")}, replace},
		{"node shut down", never, []podOption{because("Terminated")}, replace},
		{"evicted by the kubelet", never, []podOption{because("Evicted"), preempted()}, restart},
		{"refused by the kubelet", never, []podOption{because("UnexpectedAdmissionError")}, restart},
		{"refused for a resource", byCode, []podOption{because("OutOfnvidia.com/gpu")}, restart},
		{"past its own deadline", never, []podOption{because("DeadlineExceeded")}, fail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := podIn(tfJob, "p", corev1.PodFailed, tt.pod...)
			if got := judge(pod, tfJob.container, tt.policy); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestJudgeLooksAtTheMainContainer(t *testing.T) {
	pod := podIn(tfJob, "p", corev1.PodFailed, exited(1, noon))
	pod.Status.ContainerStatuses = append([]corev1.ContainerStatus{{
		Name:  "sidecar",
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137}},
	}}, pod.Status.ContainerStatuses...)
	if got := judge(pod, tfJob.container, trainingv1.RestartPolicyExitCode); got != fail {
		t.Errorf("the sidecar's exit code decided: got %d", got)
	}
}

func TestRestartDelay(t *testing.T) {
	tests := []struct {
		attempt int32
		ran     time.Duration
		want    time.Duration
	}{
		{0, 0, 0},
		{1, 0, time.Second},
		{2, 0, 2 * time.Second},
		{3, time.Minute, 4 * time.Second},
		{9, 0, 256 * time.Second},
		{10, 0, 5 * time.Minute},
		{1 << 30, 0, 5 * time.Minute},
		{10, 10 * time.Minute, 0},
	}
	for _, tt := range tests {
		if got := restartDelay(tt.attempt, tt.ran); got != tt.want {
			t.Errorf("attempt %d after %v: got %v, want %v", tt.attempt, tt.ran, got, tt.want)
		}
	}
}

func TestEndOf(t *testing.T) {
	pod := podIn(tfJob, "p", corev1.PodFailed, exited(1, noon), startedAt(noon.Add(-time.Minute)))
	if end, ran := endOf(pod); !end.Equal(noon) || ran != time.Minute {
		t.Errorf("got %v after %v", end, ran)
	}
	if end, ran := endOf(podIn(tfJob, "p", corev1.PodFailed)); !end.IsZero() || ran != 0 {
		t.Errorf("unknown end: got %v after %v", end, ran)
	}
}
