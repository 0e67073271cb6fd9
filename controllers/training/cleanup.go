package training

import (
	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// removable says whether a finished job's pod is to be deleted.
//
// Pods that have not ended are also deleted, under every policy, when the job was stopped: when it failed by a limit,
// which would limit nothing otherwise, or was refused.
func removable(policy trainingv1.CleanPodPolicy, stopped bool, pod *corev1.Pod) bool {
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch policy {
	case trainingv1.CleanPodPolicyAll:
		return true
	case trainingv1.CleanPodPolicyRunning:
		return !ended
	default:
		return stopped && !ended
	}
}

// cleanPodPolicy is what to do with a pod of a finished job.
func (p *pass) cleanPodPolicy(pod *corev1.Pod) trainingv1.CleanPodPolicy {
	if p.kept != "" && pod.Name == p.nameOf(p.job, p.kept, 0) {
		return trainingv1.CleanPodPolicyNone
	}
	return *p.job.Policy().CleanPodPolicy
}

// stopped says whether a failed job was ended by the controller and not by its pods. It depends only on what is stored,
// so that cleaning up can go on after a restart of the controller.
func (k *kind) stopped(job trainingv1.Job, status *trainingv1.JobStatus) bool {
	failed := findCondition(status, trainingv1.JobFailed)
	if failed == nil || failed.Status != corev1.ConditionTrue {
		return false
	}
	if failed.Reason == k.name+reasonInvalid || backoffExceeded(job.Policy(), status) {
		return true
	}
	if status.CompletionTime == nil {
		return false
	}
	left, limited := untilDeadline(job.Policy(), status, status.CompletionTime.Time)
	return limited && left <= 0
}
