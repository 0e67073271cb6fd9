package training

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// replicaStatuses counts the pods of each type that the job has. A running pod that is being deleted counts as failed.
func (k *kind) replicaStatuses(job trainingv1.Job, members []member) map[trainingv1.ReplicaType]*trainingv1.ReplicaStatus {
	statuses := map[trainingv1.ReplicaType]*trainingv1.ReplicaStatus{}
	for t := range job.Replicas() {
		statuses[t] = &trainingv1.ReplicaStatus{
			Selector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: k.typeLabels(job, t)}),
		}
	}
	for _, m := range members {
		if m.pod == nil {
			continue
		}
		switch count := statuses[m.rtype]; m.pod.Status.Phase {
		case corev1.PodRunning:
			if m.pod.DeletionTimestamp == nil {
				count.Active++
			} else {
				count.Failed++
			}
		case corev1.PodSucceeded:
			count.Succeeded++
		case corev1.PodFailed:
			count.Failed++
		}
	}
	return statuses
}

// allSucceeded moves pods that still run when the job has succeeded: their work is done.
func allSucceeded(statuses map[trainingv1.ReplicaType]*trainingv1.ReplicaStatus) {
	for _, s := range statuses {
		s.Succeeded += s.Active
		s.Active = 0
	}
}

// noneActive is for pods that are deleted because the job has ended: nobody counts them again.
func noneActive(statuses map[trainingv1.ReplicaType]*trainingv1.ReplicaStatus) {
	for _, s := range statuses {
		s.Active = 0
	}
}
