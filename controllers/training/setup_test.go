package training

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
)

func TestPodNews(t *testing.T) {
	pod := func(phase corev1.PodPhase, options ...podOption) *corev1.Pod {
		return podIn(tfJob, "p", phase, options...)
	}
	scheduled := pod(corev1.PodPending)
	scheduled.Spec.NodeName = "n"
	updates := []struct {
		name   string
		before *corev1.Pod
		after  *corev1.Pod
		want   bool
	}{
		{"bound", pod(corev1.PodPending), scheduled, false},
		{"running", pod(corev1.PodPending), pod(corev1.PodRunning), true},
		{"restarted in place", pod(corev1.PodRunning), pod(corev1.PodRunning, restarted(1)), true},
		{"being deleted", pod(corev1.PodRunning), pod(corev1.PodRunning, deletedAt(noon)), true},
		{"another pod of the name", pod(corev1.PodPending), pod(corev1.PodPending, withUID("2")), true},
		{"a condition", pod(corev1.PodRunning), pod(corev1.PodRunning, preempted()), false},
	}
	for _, tt := range updates {
		if got := podNews().Update(ctrlevent.UpdateEvent{ObjectOld: tt.before, ObjectNew: tt.after}); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
	if podNews().Create(ctrlevent.CreateEvent{Object: pod(corev1.PodPending)}) {
		t.Error("a new pod is news")
	}
	if !podNews().Create(ctrlevent.CreateEvent{Object: pod(corev1.PodRunning)}) {
		t.Error("a pod that ran before it was seen is no news")
	}
	if !podNews().Delete(ctrlevent.DeleteEvent{Object: pod(corev1.PodRunning)}) {
		t.Error("a pod that is gone is no news")
	}
}
