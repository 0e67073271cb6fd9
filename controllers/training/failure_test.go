package training

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func saying(message string) podOption {
	return func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].State.Terminated.Message = message }
}

func endedBy(reason string) podOption {
	return func(pod *corev1.Pod) { pod.Status.ContainerStatuses[0].State.Terminated.Reason = reason }
}

// another container of the pod ended like this.
func another(init bool, name string, code int32, message string) podOption {
	return func(pod *corev1.Pod) {
		c := corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message}}}
		if init {
			pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, c)
		} else {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, c)
		}
	}
}

func restartedAfter(code int32, message string) podOption {
	return func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses[0].RestartCount++
		pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Message: message}
	}
}

func TestFailureIsDescribed(t *testing.T) {
	tests := []struct {
		name string
		pod  []podOption
		want string
	}{
		{"nothing known", nil, "p"},
		{"exit code", []podOption{exited(3, noon)}, "p: exit code 3"},
		{"the usual reason", []podOption{exited(3, noon), endedBy("Error")}, "p: exit code 3"},
		{"out of memory", []podOption{exited(137, noon), endedBy("OOMKilled")}, "p: exit code 137 (OOMKilled)"},
		{"last words", []podOption{exited(1, noon), saying("a\nValueError: bad\n")}, "p: exit code 1: ValueError: bad | a"},
		{"evicted", []podOption{because("Evicted"), exited(137, noon), func(p *corev1.Pod) { p.Status.Message = "The node was low on resource: memory." }},
			"p: Evicted: The node was low on resource: memory."},
		{"preempted", []podOption{preempted(), exited(143, noon)}, "p: PreemptionByScheduler"},
		{"a sidecar", []podOption{exited(0, noon), another(false, "logger", 2, "no disk")}, "p: container logger: exit code 2: no disk"},
		{"an init container", []podOption{another(true, "fetch", 1, "404")}, "p: container fetch: exit code 1: 404"},
		{"the main one before others", []podOption{exited(5, noon), another(true, "fetch", 1, "")}, "p: exit code 5"},
		{"restarted in place", []podOption{restartedAfter(9, "again")}, "p: exit code 9: again"},
		{"deleted", []podOption{deletedAt(noon)}, "p: deleted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := member{name: "p", pod: podIn(tfJob, "p", corev1.PodFailed, tt.pod...)}
			if got := tfJob.describeFailure(m, 500); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := tfJob.describeFailure(member{name: "p"}, 500); got != "p: gone" {
		t.Errorf("without a pod: %q", got)
	}
}

func TestLastLines(t *testing.T) {
	tests := []struct{ name, message, want string }{
		{"nothing", "", ""},
		{"nothing that says anything", "\n  \n=====\n}\n", ""},
		{"the last first, and no more than three", "1\n2\n3\n4\n", "4 | 3 | 2"},
		{"rules and brackets are passed over", "RuntimeError: NCCL\n============\n\n}\n", "RuntimeError: NCCL"},
		{"colours", "\x1b[31mError\x1b[0m: red\n", "Error: red"},
		{"a progress bar", "10%\r20%\rKilled\n", "Killed | 20% | 10%"},
		{"tabs and other controls", "a\tb\x07c\n", "a b c"},
		{"no text", "ok\xff\xfe\n", "ok"},
		{"those before do not fit", strings.Repeat("x", 60) + "\nlast\n", "last"},
		{"it does not fit itself", strings.Repeat("x", 60), strings.Repeat("x", 47) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lastLines(tt.message, 50); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// However much pods say, a message fits into an event, and each of the pods that are named gets its share.
func TestDescriptionsFit(t *testing.T) {
	k, job := simpleTFJob(t, "replicas: 7", "")
	var pods []*corev1.Pod
	for _, m := range k.members(job, nil) {
		pods = append(pods, podIn(k, m.name, corev1.PodFailed, exited(1, noon), saying(strings.Repeat("é", 2000))))
	}
	p := k.decide(Config{}, job, seeing(pods...), noon)
	message := findCondition(p.status, trainingv1.JobFailed).Message
	if len(message) > maxMessage || !strings.Contains(message, "tf-worker-4: exit code 1: éé") || !strings.HasSuffix(message, "and 2 more).") {
		t.Errorf("%d bytes: %s", len(message), message)
	}
}

// The message of a restart is told anew when another one follows before the job runs again.
func TestEachRestartIsTold(t *testing.T) {
	w := newWorld(t, tfWorkers("", "restartPolicy: ExitCode,"))
	w.settle()
	for name := range strings.FieldsSeq(bothWorkers) {
		w.setPod(corev1.PodFailed, name, exited(137, w.now))
		w.settle()
		if !w.told(name+": exit code 137") || !strings.Contains(w.message(trainingv1.JobRestarting), name) {
			t.Errorf("the restart of %s is not told: %s", name, w.message(trainingv1.JobRestarting))
		}
	}
}

func TestCompletionTime(t *testing.T) {
	at := noon.Add(-time.Hour)
	status := &trainingv1.JobStatus{}
	enter(status, trainingv1.JobCreated, "c", "", noon)
	if got := completionTime(status); got != nil {
		t.Errorf("a job that runs: %v", got)
	}
	enter(status, trainingv1.JobFailed, "f", "", at)
	if got := completionTime(status); got == nil || !got.Time.Equal(at) {
		t.Errorf("got %v, want when it failed", got)
	}
	k, job := simpleTFJob(t, "replicas: 1", "runPolicy: {ttlSecondsAfterFinished: 60}")
	*job.State() = *status
	if p := k.decide(Config{}, job, seeing(), noon); !p.expired {
		t.Error("a job that another controller has left without a completion time does not expire")
	}
}
