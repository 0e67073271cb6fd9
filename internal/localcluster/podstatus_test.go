package localcluster

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

// testPod has an init container, a sidecar and two main containers.
func testPod(policy corev1.RestartPolicy, annotations map[string]string) *corev1.Pod {
	always := corev1.ContainerRestartPolicyAlways
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Annotations: annotations},
		Spec: corev1.PodSpec{
			RestartPolicy:  policy,
			InitContainers: []corev1.Container{{Name: "init", Image: "i"}, {Name: "sidecar", Image: "i", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "a", Image: "i"}, {Name: "b", Image: "i"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
}

func condition(status corev1.PodStatus, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

func TestStarted(t *testing.T) {
	got := started(testPod(corev1.RestartPolicyNever, map[string]string{RunForAnnotation: "1500ms"}), "1.1.1.1", "2.2.2.2", testTime)
	if got.Phase != corev1.PodRunning || got.HostIP != "1.1.1.1" || got.PodIP != "2.2.2.2" || got.PodIPs[0].IP != "2.2.2.2" {
		t.Errorf("phase %s, host %s, pod %s %v", got.Phase, got.HostIP, got.PodIP, got.PodIPs)
	}
	if s := got.InitContainerStatuses; s[0].State.Terminated == nil || s[0].State.Terminated.ExitCode != 0 || s[1].State.Running == nil {
		t.Errorf("init container and sidecar: %+v", s)
	}
	for _, s := range got.ContainerStatuses {
		if s.State.Running == nil || !s.Ready || !*s.Started {
			t.Errorf("container %s does not run: %+v", s.Name, s)
		}
	}
	if c := condition(got, corev1.PodReady); c.Status != corev1.ConditionTrue {
		t.Errorf("not ready: %+v", c)
	}
	if c := condition(got, RunsUntilCondition); c.Message != "2026-01-02T03:04:07.1Z" {
		t.Errorf("runs until %q", c.Message)
	}
}

func TestRunsUntil(t *testing.T) {
	five := int64(5)
	for _, test := range []struct {
		name     string
		runFor   string
		deadline *int64
		want     string
	}{
		{name: "until deleted"},
		{name: "run time", runFor: "2s", want: "2026-01-02T03:04:07.6Z"},
		{name: "deadline, in whole seconds as the start is", deadline: &five, want: "2026-01-02T03:04:10Z"},
		{name: "run time before deadline", runFor: "2s", deadline: &five, want: "2026-01-02T03:04:07.6Z"},
		{name: "deadline before run time", runFor: "1h", deadline: &five, want: "2026-01-02T03:04:10Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := testPod(corev1.RestartPolicyNever, map[string]string{})
			if test.runFor != "" {
				pod.Annotations[RunForAnnotation] = test.runFor
			}
			pod.Spec.ActiveDeadlineSeconds = test.deadline
			if got := condition(started(pod, "", "", testTime), RunsUntilCondition).Message; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestEnded(t *testing.T) {
	second := int64(1)
	for _, test := range []struct {
		name        string
		policy      corev1.RestartPolicy
		annotations map[string]string
		deadline    *int64
		restarts    int32
		wantPhase   corev1.PodPhase // empty: unchanged, which is Running
		wantReason  string
		wantCode    int32
	}{
		{name: "success", policy: corev1.RestartPolicyNever, wantPhase: corev1.PodSucceeded},
		{name: "failure", policy: corev1.RestartPolicyNever, annotations: map[string]string{ExitCodeAnnotation: "3"}, wantPhase: corev1.PodFailed, wantCode: 3},
		{name: "on failure, success", policy: corev1.RestartPolicyOnFailure, wantPhase: corev1.PodSucceeded},
		{name: "on failure, failure", policy: corev1.RestartPolicyOnFailure, annotations: map[string]string{ExitCodeAnnotation: "3"}, wantCode: 3},
		{
			name: "on failure, second try", policy: corev1.RestartPolicyOnFailure, restarts: 1,
			annotations: map[string]string{ExitCodeAnnotation: "3", FailOnTryAnnotation: "1"}, wantPhase: corev1.PodSucceeded,
		},
		{name: "always, even after success", policy: corev1.RestartPolicyAlways},
		{
			name: "replaced pod, second try", policy: corev1.RestartPolicyNever,
			annotations: map[string]string{ExitCodeAnnotation: "3", FailOnTryAnnotation: "1", AttemptAnnotation: "1"}, wantPhase: corev1.PodSucceeded,
		},
		{
			name: "deadline beats restart", policy: corev1.RestartPolicyAlways, deadline: &second,
			wantPhase: corev1.PodFailed, wantReason: "DeadlineExceeded", wantCode: terminatedExitCode,
		},
		{
			name: "annotation broken while it ran", policy: corev1.RestartPolicyNever, annotations: map[string]string{ExitCodeAnnotation: "bad"},
			wantPhase: corev1.PodFailed, wantReason: "InvalidAnnotation", wantCode: terminatedExitCode,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := testPod(test.policy, nil)
			pod.Status = started(pod, "", "", testTime)
			pod.Annotations = test.annotations
			pod.Spec.ActiveDeadlineSeconds = test.deadline
			for i := range pod.Status.ContainerStatuses {
				pod.Status.ContainerStatuses[i].RestartCount = test.restarts
			}
			got := ended(pod, testTime.Add(time.Minute))
			if got.Phase != test.wantPhase || got.Reason != test.wantReason {
				t.Errorf("phase %q, reason %q; want %q, %q", got.Phase, got.Reason, test.wantPhase, test.wantReason)
			}
			for _, s := range got.ContainerStatuses {
				checkContainer(t, s, test.wantPhase == "", test.restarts, test.wantCode)
			}
			if over := test.wantPhase != ""; over != (got.InitContainerStatuses != nil) {
				t.Errorf("sidecar: %+v", got.InitContainerStatuses)
			}
		})
	}
}

// checkContainer wants the container to have ended with the code, and, if it was
// restarted, to run once more.
func checkContainer(t *testing.T, s corev1.ContainerStatus, restarted bool, before, code int32) {
	t.Helper()
	state := s.State
	if restarted {
		if s.RestartCount != before+1 || state.Running == nil || !s.Ready {
			t.Errorf("container %s is not restarted: %+v", s.Name, s)
		}
		state = s.LastTerminationState
	}
	if state.Terminated == nil || state.Terminated.ExitCode != code {
		t.Fatalf("container %s: %+v, want exit code %d", s.Name, state, code)
	}
	if !state.Terminated.StartedAt.Time.Equal(testTime) {
		t.Errorf("container %s started at %s, want %s", s.Name, state.Terminated.StartedAt, testTime)
	}
}

func TestKilled(t *testing.T) {
	pod := testPod(corev1.RestartPolicyAlways, nil)
	pod.Status = started(pod, "", "", testTime)
	got := killed(pod, testTime)
	if got.Phase != corev1.PodFailed || got.ContainerStatuses[0].State.Terminated.ExitCode != terminatedExitCode {
		t.Errorf("running pod: %+v", got)
	}
	if s := got.InitContainerStatuses[1]; s.State.Terminated == nil {
		t.Errorf("sidecar runs on: %+v", s)
	}
	pod.Status.Phase = corev1.PodSucceeded
	if got := killed(pod, testTime); got.Phase != "" || got.ContainerStatuses != nil {
		t.Errorf("pod that had succeeded: %+v", got)
	}
}
