package localcluster

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RunsUntilCondition is the pod condition whose message is the time at which a
// pod's present try ends, in RFC 3339 with nanoseconds. Other times in a pod's
// status are whole seconds, too coarse for short runs.
const RunsUntilCondition corev1.PodConditionType = "local.muster.dev/RunsUntil"

// What a container that is told to stop ends with: 128 + SIGTERM.
const terminatedExitCode = 143

// started is the status of a pod whose containers have just begun to run, its
// init containers being through. A pod with a malformed annotation fails
// instead, and says which.
func started(pod *corev1.Pod, hostIP, podIP string, now time.Time) corev1.PodStatus {
	steer, err := parseSteering(pod.Annotations)
	if err != nil {
		return failed(pod, "InvalidAnnotation", err.Error(), now)
	}
	start := metav1.NewTime(now)
	status := corev1.PodStatus{
		Phase:     corev1.PodRunning,
		StartTime: &start,
		HostIP:    hostIP,
		HostIPs:   []corev1.HostIP{{IP: hostIP}},
		PodIP:     podIP,
		PodIPs:    []corev1.PodIP{{IP: podIP}},
		Conditions: append(
			podConditions(corev1.ConditionTrue, "", now, corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady),
			runsUntil(pod, steer, start.Time, now)...),
	}
	for _, c := range pod.Spec.InitContainers {
		s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: true}
		if isSidecar(c) {
			run(&s, now)
		} else {
			terminate(&s, 0, now)
			s.Ready = true // how kubelet shows an init container that is through
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, s)
	}
	for _, c := range pod.Spec.Containers {
		s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image}
		run(&s, now)
		status.ContainerStatuses = append(status.ContainerStatuses, s)
	}
	return status
}

// ended is the status of a running pod at the end of a try: succeeded, failed,
// or, if its restart policy says so, running the next try in place.
func ended(pod *corev1.Pod, now time.Time) corev1.PodStatus {
	steer, err := parseSteering(pod.Annotations)
	if err != nil {
		return failed(pod, "InvalidAnnotation", err.Error(), now)
	}
	if deadline := activeDeadline(pod); !deadline.IsZero() && !now.Before(deadline) {
		return failed(pod, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline", now)
	}
	code := steer.exitCodeAfter(restarts(pod))
	switch policy := pod.Spec.RestartPolicy; {
	case policy == corev1.RestartPolicyAlways, policy == corev1.RestartPolicyOnFailure && code != 0:
		return restarted(pod, steer, code, now)
	case code == 0:
		status := finished(pod, code, now)
		status.Phase = corev1.PodSucceeded
		return status
	default:
		status := finished(pod, code, now)
		status.Phase = corev1.PodFailed
		return status
	}
}

// killed is the status of a pod that is being deleted: failed, unless it had
// ended before.
func killed(pod *corev1.Pod, now time.Time) corev1.PodStatus {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return corev1.PodStatus{}
	}
	return failed(pod, "", "", now)
}

// failed is the status of a pod that was ended from outside, for the reason.
func failed(pod *corev1.Pod, reason, message string, now time.Time) corev1.PodStatus {
	status := finished(pod, terminatedExitCode, now)
	status.Phase, status.Reason, status.Message = corev1.PodFailed, reason, message
	return status
}

// restarted is the status of a pod whose containers ended with the code and run
// again at once. Kubelet would wait longer after each failure.
func restarted(pod *corev1.Pod, steer steering, code int32, now time.Time) corev1.PodStatus {
	status := corev1.PodStatus{}
	for _, s := range pod.Status.ContainerStatuses {
		terminate(&s, code, now)
		s.LastTerminationState = s.State
		s.RestartCount++
		run(&s, now)
		status.ContainerStatuses = append(status.ContainerStatuses, s)
	}
	start := now
	if pod.Status.StartTime != nil {
		start = pod.Status.StartTime.Time
	}
	status.Conditions = runsUntil(pod, steer, start, now)
	return status
}

// finished is the status of a pod all of whose containers have ended; the phase
// is left to the caller.
func finished(pod *corev1.Pod, code int32, now time.Time) corev1.PodStatus {
	status := corev1.PodStatus{}
	for _, s := range pod.Status.InitContainerStatuses {
		if s.State.Running != nil { // a sidecar
			terminate(&s, 0, now)
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, s)
	}
	for _, s := range pod.Status.ContainerStatuses {
		terminate(&s, code, now)
		status.ContainerStatuses = append(status.ContainerStatuses, s)
	}
	reason := "PodCompleted"
	if code != 0 {
		reason = "PodFailed"
	}
	status.Conditions = podConditions(corev1.ConditionFalse, reason, now, corev1.PodReadyToStartContainers, corev1.ContainersReady, corev1.PodReady)
	return status
}

func run(s *corev1.ContainerStatus, now time.Time) {
	yes := true
	s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now)}}
	s.Ready, s.Started = true, &yes
}

func terminate(s *corev1.ContainerStatus, code int32, now time.Time) {
	no := false
	ended := &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Completed", StartedAt: metav1.NewTime(now), FinishedAt: metav1.NewTime(now)}
	if code != 0 {
		ended.Reason = "Error"
	}
	if s.State.Running != nil {
		ended.StartedAt = s.State.Running.StartedAt
	}
	s.State = corev1.ContainerState{Terminated: ended}
	s.Ready, s.Started = false, &no
}

func podConditions(status corev1.ConditionStatus, reason string, now time.Time, types ...corev1.PodConditionType) []corev1.PodCondition {
	var conditions []corev1.PodCondition
	for _, t := range types {
		conditions = append(conditions, corev1.PodCondition{Type: t, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(now)})
	}
	return conditions
}

// runsUntil is the condition that says when the try that begins now ends: after
// its run time, or at the pod's deadline. There is none when it runs for ever.
func runsUntil(pod *corev1.Pod, steer steering, start, now time.Time) []corev1.PodCondition {
	var until time.Time
	if steer.runFor != 0 {
		until = now.Add(steer.runFor)
	}
	if seconds := pod.Spec.ActiveDeadlineSeconds; seconds != nil {
		deadline := start.Truncate(time.Second).Add(time.Duration(*seconds) * time.Second)
		if until.IsZero() || deadline.Before(until) {
			until = deadline
		}
	}
	if until.IsZero() {
		return nil
	}
	return []corev1.PodCondition{{
		Type:               RunsUntilCondition,
		Status:             corev1.ConditionTrue,
		Message:            until.UTC().Format(time.RFC3339Nano),
		LastTransitionTime: metav1.NewTime(now),
	}}
}

// activeDeadline is when the pod has been active too long; zero: never.
func activeDeadline(pod *corev1.Pod) time.Time {
	if pod.Spec.ActiveDeadlineSeconds == nil || pod.Status.StartTime == nil {
		return time.Time{}
	}
	return pod.Status.StartTime.Add(time.Duration(*pod.Spec.ActiveDeadlineSeconds) * time.Second)
}

// restarts is how often the pod's main containers were restarted in place; they
// always are together.
func restarts(pod *corev1.Pod) int {
	most := int32(0)
	for _, s := range pod.Status.ContainerStatuses {
		most = max(most, s.RestartCount)
	}
	return int(most)
}

func isSidecar(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
