package training

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// verdict is what follows from a failed pod.
type verdict int

const (
	fail    verdict = iota // the failure is final
	restart                // the pod is replaced, which counts as a restart
	replace                // the pod is replaced and nothing counted: the cluster took it away
)

// judge says what follows from a failed pod. What the cluster does to a pod is no failure of the program, so such a pod is
// replaced under every restart policy. A pod that the kubelet evicted may have used more than it may, and one that it refused
// may ask for what no node has, so that counts.
func judge(pod *corev1.Pod, container string, policy trainingv1.RestartPolicy) verdict {
	if pod.Status.Reason == "Evicted" || refused(pod) {
		return restart
	}
	if disrupted(pod) {
		return replace
	}
	switch policy {
	case trainingv1.RestartPolicyAlways, trainingv1.RestartPolicyOnFailure:
		return restart
	case trainingv1.RestartPolicyExitCode:
		// Without an exit code the container never ran, or nobody saw it end.
		if code, ok := exitCode(pod, container); !ok || code >= 128 {
			return restart
		}
	}
	return fail
}

// disrupted says whether the cluster took the pod away: it was preempted, evicted by a drain or a taint, or its node was
// lost or shut down.
func disrupted(pod *corev1.Pod) bool {
	if disruption(pod) != nil {
		return true
	}
	switch pod.Status.Reason {
	case "NodeLost", "Shutdown", "NodeShutdown", "Terminated", "Preempting":
		return true
	}
	return false
}

// refused says whether the kubelet did not take the pod, though the scheduler had found room: for example because a GPU broke
// meanwhile, or because somebody else was faster.
func refused(pod *corev1.Pod) bool {
	reason := pod.Status.Reason
	switch reason {
	case "UnexpectedAdmissionError", "TopologyAffinityError", "NodeAffinity", "NodePorts", "TaintToleration":
		return true
	}
	return strings.HasPrefix(reason, "OutOf") // OutOfcpu, OutOfnvidia.com/gpu and so on
}

// disruption says why and since when the cluster takes a pod away. Nil: it does not, or does not say so.
func disruption(pod *corev1.Pod) *corev1.PodCondition {
	for i, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// exitCode is that of the container, and false if it has not ended.
func exitCode(pod *corev1.Pod, container string) (int32, bool) {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == container && c.State.Terminated != nil {
			return c.State.Terminated.ExitCode, true
		}
	}
	return 0, false
}

const (
	longestDelay = 5 * time.Minute
	longRun      = 10 * time.Minute
)

// restartDelay is how long after its end a pod is replaced that is the attempt'th of its name, from 0. The first is
// replaced at once, then 1 s, 2 s, 4 s and so on up to 5 minutes, so that a program that always fails is no burden. A
// pod that ran for 10 minutes starts the count anew.
func restartDelay(attempt int32, ran time.Duration) time.Duration {
	if attempt < 1 || ran >= longRun {
		return 0
	}
	if attempt > 9 {
		return longestDelay
	}
	return min(longestDelay, time.Second<<(attempt-1))
}

// endOf is when the last container of a pod ended, and how long the pod had run by then. A pod of which none ever ran ended
// when it was to begin.
func endOf(pod *corev1.Pod) (time.Time, time.Duration) {
	var end time.Time
	for _, c := range pod.Status.ContainerStatuses {
		if t := c.State.Terminated; t != nil && t.FinishedAt.After(end) {
			end = t.FinishedAt.Time
		}
	}
	start := pod.CreationTimestamp.Time
	if pod.Status.StartTime != nil {
		start = pod.Status.StartTime.Time
	}
	switch {
	case end.IsZero():
		return start, 0
	case start.IsZero():
		return end, 0
	}
	return end, end.Sub(start)
}
