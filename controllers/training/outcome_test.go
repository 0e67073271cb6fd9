package training

import (
	"strings"
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

// TestOutcomeOfFurtherKinds is TestOutcome for kinds that differ little: each job has one pod of each type, and two workers.
func TestOutcomeOfFurtherKinds(t *testing.T) {
	spec := func(container string) string {
		return "template: {spec: {containers: [{name: " + container + ", image: i}]}}"
	}
	job := func(kind, field, container string, types ...string) string {
		text := "{kind: " + kind + ", metadata: {name: j}, spec: {" + field + ": {"
		for _, rtype := range types {
			if rtype == "Worker" {
				rtype = "Worker: {replicas: 2, "
			} else {
				rtype += ": {"
			}
			text += rtype + spec(container) + "}, "
		}
		return text + "}}}"
	}
	jax := job("JAXJob", "jaxReplicaSpecs", "jax", "Worker")
	xgboost := job("XGBoostJob", "xgbReplicaSpecs", "xgboost", "Master", "Worker")
	paddle := job("PaddleJob", "paddleReplicaSpecs", "paddle", "Worker")
	paddlePS := job("PaddleJob", "paddleReplicaSpecs", "paddle", "Worker", "Master")
	mx := job("MXJob", "mxReplicaSpecs", "mxnet", "Scheduler", "Server", "Worker")
	mxWorkers := job("MXJob", "mxReplicaSpecs", "mxnet", "Server", "Worker")
	mxTune := job("MXJob", "mxReplicaSpecs", "mxnet", "Tuner", "TunerServer", "TunerTracker")
	const pending, running, succeeded, failed = corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed
	tests := []struct {
		name string
		job  string
		pods map[string]corev1.PodPhase
		want string
	}{
		{"jax: one runs", jax, map[string]corev1.PodPhase{"j-worker-0": pending, "j-worker-1": running}, "Created Running"},
		{"jax: one done", jax, map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": running}, "Created Running"},
		{"jax: all done", jax, map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Succeeded"},
		{"jax: one failed", jax, map[string]corev1.PodPhase{"j-worker-0": running, "j-worker-1": failed}, "Created Failed"},

		{"xgboost: master pending", xgboost, map[string]corev1.PodPhase{"j-master-0": pending, "j-worker-0": running}, "Created"},
		{"xgboost: workers done", xgboost, map[string]corev1.PodPhase{"j-master-0": running, "j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Running"},
		{"xgboost: master done", xgboost, map[string]corev1.PodPhase{"j-master-0": succeeded, "j-worker-0": running, "j-worker-1": running}, "Created Succeeded"},
		{"xgboost: a worker failed", xgboost, map[string]corev1.PodPhase{"j-master-0": running, "j-worker-0": failed, "j-worker-1": running}, "Created Failed"},

		{"paddle: one done", paddle, map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": running}, "Created Running"},
		{"paddle: all done", paddle, map[string]corev1.PodPhase{"j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Succeeded"},
		{"paddle: one failed", paddle, map[string]corev1.PodPhase{"j-worker-0": running, "j-worker-1": failed}, "Created Restarting"},
		{"paddle: master pending", paddlePS, map[string]corev1.PodPhase{"j-master-0": pending, "j-worker-0": running, "j-worker-1": running}, "Created"},
		{"paddle: master done", paddlePS, map[string]corev1.PodPhase{"j-master-0": succeeded, "j-worker-0": running, "j-worker-1": running}, "Created Succeeded"},

		{"mx: server runs", mx, map[string]corev1.PodPhase{"j-scheduler-0": pending, "j-server-0": running, "j-worker-0": running}, "Created"},
		{"mx: workers done", mx, map[string]corev1.PodPhase{"j-scheduler-0": running, "j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Running"},
		{"mx: scheduler done", mx, map[string]corev1.PodPhase{"j-scheduler-0": succeeded, "j-server-0": running}, "Created Succeeded"},
		{"mx: server failed", mx, map[string]corev1.PodPhase{"j-scheduler-0": running, "j-server-0": failed}, "Created Failed"},
		{"mx: workers done, no scheduler", mxWorkers, map[string]corev1.PodPhase{"j-server-0": running, "j-worker-0": succeeded, "j-worker-1": succeeded}, "Created Succeeded"},
		{"mx: tracker runs", mxTune, map[string]corev1.PodPhase{"j-tunertracker-0": running, "j-tuner-0": pending}, "Created"},
		{"mx: tuner done", mxTune, map[string]corev1.PodPhase{"j-tunertracker-0": running, "j-tunerserver-0": running, "j-tuner-0": succeeded}, "Created Succeeded"},
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

// A type of which there is no pod leads nothing.
func TestNoReplicaOfALeader(t *testing.T) {
	k, job := readyJob(t, `{kind: MXJob, metadata: {name: j}, spec: {mxReplicaSpecs: {
		Scheduler: {replicas: 0, template: {spec: {containers: [{name: mxnet, image: i}]}}}, Worker: {template: {spec: {containers: [{name: mxnet, image: i}]}}}}}}`)
	p := k.decide(Config{}, job, seeing(podIn(k, "j-worker-0", corev1.PodSucceeded)), noon)
	if got := states(p.status); got != "Created Succeeded" {
		t.Errorf("got %q", got)
	}
}

// TestMasterRole: who carries the role master differs between kinds.
func TestMasterRole(t *testing.T) {
	for text, want := range map[string]string{
		"{kind: JAXJob, metadata: {name: j}, spec: {jaxReplicaSpecs: {Worker: {replicas: 2, CONTAINERS}}}}":                                              "j-worker-0",
		"{kind: XGBoostJob, metadata: {name: j}, spec: {xgbReplicaSpecs: {Worker: {CONTAINERS}, Master: {CONTAINERS}}}}":                                 "j-master-0",
		"{kind: PaddleJob, metadata: {name: j}, spec: {paddleReplicaSpecs: {Worker: {replicas: 2, CONTAINERS}}}}":                                        "",
		"{kind: PaddleJob, metadata: {name: j}, spec: {paddleReplicaSpecs: {Worker: {CONTAINERS}, Master: {replicas: 2, CONTAINERS}}}}":                  "j-master-0 j-master-1",
		"{kind: MXJob, metadata: {name: j}, spec: {mxReplicaSpecs: {Scheduler: {CONTAINERS}, Server: {replicas: 2, CONTAINERS}, Worker: {CONTAINERS}}}}": "j-server-0 j-server-1",
		"{kind: MXJob, metadata: {name: j}, spec: {mxReplicaSpecs: {Worker: {CONTAINERS}}}}":                                                             "",
	} {
		const containers = "template: {spec: {containers: [{name: jax, image: i}, {name: xgboost, image: i}, {name: paddle, image: i}, {name: mxnet, image: i}]}}"
		_, job := readJob(t, strings.ReplaceAll(text, "CONTAINERS", containers))
		_, pods, err := Preview(Config{}, job)
		if err != nil {
			t.Fatal(err)
		}
		var masters []string
		for _, pod := range pods {
			if role, ok := pod.Labels["training.kubeflow.org/job-role"]; ok && role == "master" {
				masters = append(masters, pod.Name)
			}
		}
		if got := strings.Join(masters, " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
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
