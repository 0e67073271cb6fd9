package training

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestNoteCountsAPodOnce(t *testing.T) {
	status := &trainingv1.JobStatus{}
	b1 := podIn(tfJob, "b", corev1.PodFailed, withUID("b1"), restarted(2))
	for i, want := range []bool{true, false, false} {
		if got := note(status, b1, true); got != want {
			t.Errorf("time %d: new is %v, want %v", i, got, want)
		}
	}
	note(status, podIn(tfJob, "a", corev1.PodFailed, withUID("a1")), false)
	note(status, podIn(tfJob, "b", corev1.PodFailed, withUID("b2"), restarted(1)), true)
	note(status, podIn(tfJob, "c", corev1.PodRunning, withUID("c1"), restarted(5)), false)

	want := []trainingv1.RestartedPod{
		{Name: "a", UID: "a1", Attempt: 1},
		{Name: "b", UID: "b2", Attempt: 2, Restarts: 5},
		{Name: "c", UID: "c1", Attempt: 1, Restarts: 5},
	}
	if diff := cmp.Diff(want, status.RestartedPods); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]int32{"a": 1, "b": 2, "aa": 0, "z": 0} {
		if got := attemptsOf(status, name); got != want {
			t.Errorf("attempts of %s: got %d, want %d", name, got, want)
		}
	}
}

func TestTotalRestarts(t *testing.T) {
	status := &trainingv1.JobStatus{RestartedPods: []trainingv1.RestartedPod{
		{Name: "a", UID: "a1", Attempt: 1, Restarts: 3},
		{Name: "b", UID: "b1", Attempt: 1, Restarts: 1},
	}}
	members := []member{
		{name: "a", pod: podIn(tfJob, "a", corev1.PodFailed, withUID("a1"), restarted(2))}, // on record already
		{name: "b", pod: podIn(tfJob, "b", corev1.PodRunning, withUID("b2"), restarted(4))},
		{name: "c", pod: podIn(tfJob, "c", corev1.PodRunning, restarted(1))},
		{name: "d"},
	}
	if got := totalRestarts(status, members); got != 9 {
		t.Errorf("got %d, want 3+1 on record and 4+1 in place", got)
	}
	status.Restarts = 12
	if got := totalRestarts(status, members); got != 12 {
		t.Errorf("got %d, but the total must not go back from 12", got)
	}
}

func TestContainerRestartsCountInitContainers(t *testing.T) {
	pod := podIn(tfJob, "p", corev1.PodPending, restarted(1))
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{RestartCount: 2}}
	if got := containerRestarts(pod); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
}

func TestBackoffExceeded(t *testing.T) {
	tests := []struct {
		limit    *int32
		restarts int32
		want     bool
	}{
		{nil, 1000, false},
		{ptr.To[int32](0), 0, false},
		{ptr.To[int32](0), 1, true},
		{ptr.To[int32](3), 3, false},
		{ptr.To[int32](3), 4, true},
	}
	for _, tt := range tests {
		policy, status := &trainingv1.RunPolicy{BackoffLimit: tt.limit}, &trainingv1.JobStatus{Restarts: tt.restarts}
		if got := backoffExceeded(policy, status); got != tt.want {
			t.Errorf("%d restarts of %v: got %v", tt.restarts, tt.limit, got)
		}
	}
}
