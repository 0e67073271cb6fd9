package notebook

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// nextStatus is what there is to say about a notebook: what its pod says about itself, and before that the problem.
func nextStatus(nb *notebookv1.Notebook, s seen, p *problem, now time.Time) notebookv1.NotebookStatus {
	var status notebookv1.NotebookStatus
	if p != nil {
		status.Conditions = append(status.Conditions, degraded(nb.Status, p, now))
	}
	if s.set != nil && owns(nb, s.set) {
		status.ReadyReplicas = s.set.Status.ReadyReplicas
	}
	if s.pod == nil {
		return status
	}
	for _, c := range s.pod.Status.Conditions {
		status.Conditions = append(status.Conditions, notebookv1.NotebookCondition{
			Type: string(c.Type), Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			LastProbeTime: known(c.LastProbeTime), LastTransitionTime: known(c.LastTransitionTime),
		})
	}
	if container := serverStatus(nb.Name, s.pod); container != nil {
		status.ContainerState = container.State
	}
	return status
}

// degraded is the condition that tells a problem. It keeps the time since when something has been wrong.
func degraded(before notebookv1.NotebookStatus, p *problem, now time.Time) notebookv1.NotebookCondition {
	since := metav1.NewTime(now.Truncate(time.Second))
	if old := findDegraded(before); old != nil && old.LastTransitionTime != nil {
		since = *old.LastTransitionTime
	}
	return notebookv1.NotebookCondition{
		Type: notebookv1.NotebookDegraded, Status: string(corev1.ConditionTrue), LastTransitionTime: &since,
		Reason: p.reason, Message: shorten(p.message),
	}
}

func findDegraded(status notebookv1.NotebookStatus) *notebookv1.NotebookCondition {
	for i := range status.Conditions {
		if status.Conditions[i].Type == notebookv1.NotebookDegraded {
			return &status.Conditions[i]
		}
	}
	return nil
}

// serverStatus is the status of the container that is named like the notebook, else of the first of the pod; nil if the
// kubelet has told nothing yet.
func serverStatus(notebook string, pod *corev1.Pod) *corev1.ContainerStatus {
	name := pod.Spec.Containers[0].Name
	for _, c := range pod.Spec.Containers {
		if c.Name == notebook {
			name = notebook
		}
	}
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == name {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

func known(t metav1.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
