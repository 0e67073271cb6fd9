package training

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// Restarts are counted in status.restartedPods, by pod name, with the UID of the pod counted last. A pod is noted there
// when its end is first seen and deleted only after that has been stored; so it counts once, whenever the controller
// is restarted and however often it looks.

// note records that a pod will have a successor, and with counted that this is a restart. It reports whether the pod is
// new to the record.
func note(status *trainingv1.JobStatus, pod *corev1.Pod, counted bool) bool {
	i, found := findRecord(status, pod.Name)
	if !found {
		status.RestartedPods = slices.Insert(status.RestartedPods, i, trainingv1.RestartedPod{Name: pod.Name})
	}
	record := &status.RestartedPods[i]
	if record.UID == pod.UID {
		return false
	}
	record.UID = pod.UID
	record.Attempt++
	record.Restarts += containerRestarts(pod)
	if counted {
		record.Restarts++
	}
	return true
}

// isNoted says whether a pod is on record already.
func isNoted(status *trainingv1.JobStatus, pod *corev1.Pod) bool {
	i, found := findRecord(status, pod.Name)
	return found && status.RestartedPods[i].UID == pod.UID
}

// attemptOf is how many pods of that name have been replaced, by themselves or with all others.
func attemptOf(status *trainingv1.JobStatus, name string) int32 {
	return attemptsOf(status, name) + gangAttempts(status)
}

// attemptsOf is how many pods of that name have been noted.
func attemptsOf(status *trainingv1.JobStatus, name string) int32 {
	if i, found := findRecord(status, name); found {
		return status.RestartedPods[i].Attempt
	}
	return 0
}

// findRecord returns where the record of a pod name is, or belongs: they are sorted by name.
func findRecord(status *trainingv1.JobStatus, name string) (int, bool) {
	return slices.BinarySearchFunc(status.RestartedPods, name, func(r trainingv1.RestartedPod, name string) int {
		return strings.Compare(r.Name, name)
	})
}

// containerRestarts is how often containers of the pod were restarted in place.
func containerRestarts(pod *corev1.Pod) int32 {
	var n int32
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range statuses {
			n += c.RestartCount
		}
	}
	return n
}

// totalRestarts adds the restarts in place of the pods that exist to those on record. It never goes back, even if a pod
// vanishes before it could be noted.
func totalRestarts(status *trainingv1.JobStatus, members []member) int32 {
	var n int32
	for _, r := range status.RestartedPods {
		n += r.Restarts
	}
	if gang := status.RestartedGang; gang != nil {
		n += gang.Restarts
	}
	for _, m := range members {
		if m.pod != nil && !m.former && !isNoted(status, m.pod) {
			n += containerRestarts(m.pod)
		}
	}
	return max(n, status.Restarts)
}

// backoffExceeded says whether a job has needed more restarts than it may make.
func backoffExceeded(policy *trainingv1.RunPolicy, status *trainingv1.JobStatus) bool {
	return policy.BackoffLimit != nil && status.Restarts > *policy.BackoffLimit
}
