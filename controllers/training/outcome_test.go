package training

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestOutcome plays single passes: which pods there are, and which state the job is in then.
func TestOutcome(t *testing.T) {
	const container = "template: {spec: {containers: [{name: tensorflow, image: i}, {name: pytorch, image: i}]}}"
	tf := func(spec, replicas string) string {
		return "{apiVersion: kubeflow.org/v1, kind: TFJob, metadata: {name: j}, spec: {" + spec + " tfReplicaSpecs: {" + replicas + "}}}"
	}
	pytorch := func(spec, replicas string) string {
		return "{apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: j}, spec: {" + spec + " pytorchReplicaSpecs: {" + replicas + "}}}"
	}
	chief, master := "Chief: {"+container+"}", "Master: {"+container+"}"
	ps, evaluator := "PS: {"+container+"}", "Evaluator: {"+container+"}"
	worker := func(n string) string { return "Worker: {replicas: " + n + ", " + container + "}" }
	byCode := "Worker: {restartPolicy: ExitCode, " + container + "}"
	const pending, running, succeeded, failed = corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed
	tests := []struct {
		name string
		job  string
		pods map[string]corev1.PodPhase
		want string
	}{
		{"chief pending", tf("", chief+", "+worker("1")), map[string]corev1.PodPhase{"j-chief-0": pending, "j-worker-0": running}, "Created"},
		{"chief running", tf("", chief+", "+worker("1")), map[string]corev1.PodPhase{"j-chief-0": running, "j-worker-0": pending}, "Created Running"},
		{"worker 0 is not the chief", tf("", chief+", "+worker("1")), map[string]corev1.PodPhase{"j-chief-0": running, "j-worker-0": succeeded}, "Created Running"},
		{"chief done", tf("", chief+", "+worker("1")), map[string]corev1.PodPhase{"j-chief-0": succeeded, "j-worker-0": running}, "Created Succeeded"},
		{"success beats failure", tf("", chief+", "+worker("1")), map[string]corev1.PodPhase{"j-chief-0": succeeded, "j-worker-0": failed}, "Created Succeeded"},
		{"master is chief", tf("", master+", "+evaluator), map[string]corev1.PodPhase{"j-master-0": succeeded, "j-evaluator-0": running}, "Created Succeeded"},
		{"ps running only", tf("", ps+", "+worker("1")), map[string]corev1.PodPhase{"j-ps-0": running, "j-worker-0": pending}, "Created"},
		{"worker 0 done", tf("", ps+", "+worker("2")), map[string]corev1.PodPhase{"j-ps-0": running, "j-worker-0": succeeded, "j-worker-1": running}, "Created Succeeded"},
		{"worker 1 done", tf("", ps+", "+worker("2")), map[string]corev1.PodPhase{"j-ps-0": running, "j-worker-0": running, "j-worker-1": succeeded}, "Created Running"},
		{"not all workers done", tf("successPolicy: AllWorkers,", worker("2")), map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": running}, "Created Running"},
		{"all workers done", tf("successPolicy: AllWorkers,", worker("2")), map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Succeeded"},
		{"ps alone", tf("", ps), map[string]corev1.PodPhase{"j-ps-0": succeeded}, "Created Succeeded"},
		{"ps failed", tf("", ps+", "+worker("1")), map[string]corev1.PodPhase{"j-ps-0": failed, "j-worker-0": running}, "Created Failed"},
		{"a dynamic worker failed", tf("enableDynamicWorker: true,", ps+", "+worker("2")), map[string]corev1.PodPhase{"j-ps-0": running, "j-worker-0": running, "j-worker-1": failed}, "Created Running"},
		{"all dynamic workers failed", tf("enableDynamicWorker: true,", ps+", "+worker("2")), map[string]corev1.PodPhase{"j-ps-0": running, "j-worker-0": failed, "j-worker-1": failed}, "Created Failed"},
		{"no exit code", tf("", byCode), map[string]corev1.PodPhase{"j-worker-0": failed}, "Created Restarting"},

		{"master done", pytorch("", master+", "+worker("1")), map[string]corev1.PodPhase{"j-master-0": succeeded, "j-worker-0": running}, "Created Succeeded"},
		{"workers done, master not", pytorch("", master+", "+worker("1")), map[string]corev1.PodPhase{"j-master-0": running, "j-worker-0": succeeded}, "Created Running"},
		{"on failure by default", pytorch("", master+", "+worker("1")), map[string]corev1.PodPhase{"j-master-0": running, "j-worker-0": failed}, "Created Restarting"},
		{"one worker done", pytorch("", worker("2")), map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": running}, "Created Running"},
		{"all workers done", pytorch("", worker("2")), map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Succeeded"},
		{"one elastic worker done", pytorch("elasticPolicy: {},", worker("2")), map[string]corev1.PodPhase{"j-worker-0": running, "j-worker-1": succeeded}, "Created Succeeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, job := readyJob(t, tt.job)
			var pods []*corev1.Pod
			for name, phase := range tt.pods {
				pods = append(pods, podIn(k, name, phase))
			}
			p := k.decide(Config{}, job, seeing(pods...), noon)
			if got := states(p.status); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReplicaStatuses(t *testing.T) {
	k, job := simpleTFJob(t, "replicas: 5", "")
	p := k.decide(Config{}, job, seeing(
		podIn(k, "tf-worker-0", corev1.PodRunning),
		podIn(k, "tf-worker-1", corev1.PodRunning, deletedAt(noon)),
		podIn(k, "tf-worker-2", corev1.PodPending),
		podIn(k, "tf-worker-3", corev1.PodSucceeded),
	), noon)
	got := p.status.ReplicaStatuses["Worker"]
	if got.Active != 1 || got.Failed != 1 || got.Succeeded != 1 {
		t.Errorf("got %+v, want 1 active, 1 succeeded, and 1 failed for the one being deleted", got)
	}
	want := "training.kubeflow.org/job-name=tf,training.kubeflow.org/operator-name=tfjob-controller,training.kubeflow.org/replica-type=worker"
	if got.Selector != want {
		t.Errorf("selector %q", got.Selector)
	}
}

func TestFailuresAreDescribedShortly(t *testing.T) {
	k, job := simpleTFJob(t, "replicas: 7", "")
	var pods []*corev1.Pod
	for _, m := range k.members(job, nil) {
		pods = append(pods, podIn(k, m.name, corev1.PodFailed, because("OOM")))
	}
	f := k.failures(job, k.members(job, seeing(pods...).pods))
	if got, want := k.countByType(f.final), "7 Worker"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := "tf-worker-0: OOM, tf-worker-1: OOM, tf-worker-2: OOM, tf-worker-3: OOM, tf-worker-4: OOM, and 2 more"
	if got := k.describe(f.final); got != want {
		t.Errorf("got %q", got)
	}
}
