package training

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// environmentOf is what the containers of each pod of a job are told, as a kubelet reads it: of variables with the same
// name the last counts. A value from a field is written as <path>. It fails the test unless every container but those
// before the others is told the same.
func environmentOf(t *testing.T, text string) map[string]map[string]string {
	t.Helper()
	_, job := readJob(t, text)
	_, pods, err := Preview(Config{}, job)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, pod := range pods {
		for _, c := range pod.Spec.Containers {
			env := values(c.Env)
			if before, ok := all[pod.Name]; ok {
				if diff := cmp.Diff(before, env); diff != "" {
					t.Errorf("container %s of %s is told something else (-the first +this):\n%s", c.Name, pod.Name, diff)
				}
			}
			all[pod.Name] = env
		}
		for _, c := range pod.Spec.InitContainers {
			if len(c.Env) > 0 {
				t.Errorf("init container %s of %s is told %v", c.Name, pod.Name, c.Env)
			}
		}
	}
	return all
}

func values(env []corev1.EnvVar) map[string]string {
	all := map[string]string{}
	for _, v := range env {
		all[v.Name] = v.Value
		if v.ValueFrom != nil {
			all[v.Name] = "<" + v.ValueFrom.FieldRef.FieldPath + ">"
		}
	}
	return all
}

// variables is the environment of one pod.
type variables = map[string]string

// containersOf are a main container of that name, one beside it and one before them.
func containersOf(main string) string {
	return "template: {spec: {initContainers: [{name: init, image: i}], containers: [{name: side, image: i}, " + main + "]}}"
}

// TestEnvironment compares what each pod is told with what the framework expects.
func TestEnvironment(t *testing.T) {
	jax, xgboost := containersOf("{name: jax, image: i}"), containersOf("{name: xgboost, image: i}")
	paddle := containersOf("{name: paddle, image: i}")
	tests := []struct {
		name string
		job  string
		want map[string]variables
	}{
		{"jax", `{kind: JAXJob, metadata: {name: j}, spec: {jaxReplicaSpecs: {worker: {replicas: 3, ` + jax + `}}}}`, map[string]variables{
			"j-worker-0": {"PYTHONUNBUFFERED": "1", "COORDINATOR_PORT": "6666", "COORDINATOR_ADDRESS": "j-worker-0", "NUM_PROCESSES": "3", "PROCESS_ID": "0"},
			"j-worker-1": {"PYTHONUNBUFFERED": "1", "COORDINATOR_PORT": "6666", "COORDINATOR_ADDRESS": "j-worker-0", "NUM_PROCESSES": "3", "PROCESS_ID": "1"},
			"j-worker-2": {"PYTHONUNBUFFERED": "1", "COORDINATOR_PORT": "6666", "COORDINATOR_ADDRESS": "j-worker-0", "NUM_PROCESSES": "3", "PROCESS_ID": "2"},
		}},
		{"jax with the user's", `{kind: JAXJob, metadata: {name: j}, spec: {jaxReplicaSpecs: {Worker: {template: {spec: {containers: [
			{name: jax, image: i, ports: [{name: jaxjob-port, containerPort: 1234}], env: [{name: A, value: b}, {name: PROCESS_ID, value: "7"}]}]}}}}}}`, map[string]variables{
			"j-worker-0": {"A": "b", "PYTHONUNBUFFERED": "1", "COORDINATOR_PORT": "1234", "COORDINATOR_ADDRESS": "j-worker-0", "NUM_PROCESSES": "1", "PROCESS_ID": "0"},
		}},
		{"xgboost", `{kind: XGBoostJob, metadata: {name: x}, spec: {xgbReplicaSpecs: {Master: {` + xgboost + `}, Worker: {replicas: 2, ` +
			containersOf("{name: xgboost, image: i, ports: [{name: xgboostjob-port, containerPort: 7000}]}") + `}}}}`, map[string]variables{
			"x-master-0": {"MASTER_PORT": "9999", "MASTER_ADDR": "x-master-0", "WORLD_SIZE": "3", "RANK": "0", "PYTHONUNBUFFERED": "1", "WORKER_PORT": "7000", "WORKER_ADDRS": "x-worker-0,x-worker-1"},
			"x-worker-0": {"MASTER_PORT": "9999", "MASTER_ADDR": "x-master-0", "WORLD_SIZE": "3", "RANK": "1", "PYTHONUNBUFFERED": "1", "WORKER_PORT": "7000", "WORKER_ADDRS": "x-worker-0,x-worker-1"},
			"x-worker-1": {"MASTER_PORT": "9999", "MASTER_ADDR": "x-master-0", "WORLD_SIZE": "3", "RANK": "2", "PYTHONUNBUFFERED": "1", "WORKER_PORT": "7000", "WORKER_ADDRS": "x-worker-0,x-worker-1"},
		}},
		{"xgboost alone", `{kind: XGBoostJob, metadata: {name: x}, spec: {xgbReplicaSpecs: {Worker: {replicas: 0, ` + xgboost + `}, Master: {` + xgboost + `}}}}`, map[string]variables{
			"x-master-0": {"MASTER_PORT": "9999", "MASTER_ADDR": "x-master-0", "WORLD_SIZE": "1", "RANK": "0", "PYTHONUNBUFFERED": "1"},
		}},
		{"paddle with collectives", `{kind: PaddleJob, metadata: {name: p}, spec: {elasticPolicy: {minReplicas: 1, maxReplicas: 2}, paddleReplicaSpecs: {Worker: {replicas: 2, ` + paddle + `}}}}`, map[string]variables{
			"p-worker-0": {"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": "p", "PADDLE_NNODES": "2", "POD_IP_DUMMY": "<status.podIP>", "PADDLE_MASTER": "$(POD_IP_DUMMY):36543"},
			"p-worker-1": {"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": "p", "PADDLE_NNODES": "2", "PADDLE_MASTER": "p-worker-0:36543"},
		}},
		{"paddle with parameter servers", `{kind: PaddleJob, metadata: {name: p}, spec: {paddleReplicaSpecs: {Worker: {replicas: 2, ` + paddle + `}, Master: {replicas: 2, ` +
			containersOf("{name: paddle, image: i, ports: [{name: master, containerPort: 99}]}") + `}}}}`, map[string]variables{
			"p-master-0": {"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": "p", "PADDLE_NNODES": "4", "POD_IP_DUMMY": "<status.podIP>", "PADDLE_MASTER": "$(POD_IP_DUMMY):99", "PADDLE_SERVER_NUM": "1"},
			"p-master-1": {"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": "p", "PADDLE_NNODES": "4", "PADDLE_MASTER": "p-master-0:99", "PADDLE_SERVER_NUM": "1"},
			"p-worker-0": {"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": "p", "PADDLE_NNODES": "4", "PADDLE_MASTER": "p-master-0:99", "PADDLE_TRAINER_NUM": "1"},
			"p-worker-1": {"PYTHONUNBUFFERED": "1", "PADDLE_JOB_ID": "p", "PADDLE_NNODES": "4", "PADDLE_MASTER": "p-master-0:99", "PADDLE_TRAINER_NUM": "1"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, environmentOf(t, tt.job)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Kubernetes puts $(POD_IP_DUMMY) into the value only if that is defined further up.
func TestPaddleAddressIsDefinedBeforeItIsUsed(t *testing.T) {
	_, job := readJob(t, `{kind: PaddleJob, metadata: {name: p}, spec: {paddleReplicaSpecs: {Worker: {`+containersOf("{name: paddle, image: i}")+`}}}}`)
	_, pods, err := Preview(Config{}, job)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range pods[0].Spec.Containers[0].Env {
		if v.Name == "POD_IP_DUMMY" {
			return
		}
		if v.Name == "PADDLE_MASTER" {
			break
		}
	}
	t.Errorf("not so: %v", pods[0].Spec.Containers[0].Env)
}

// mxConfig is MX_CONFIG as MXNet's programs read it.
type mxConfig struct {
	Cluster map[string][]struct {
		URL  string
		Port int
	}
	Labels map[string]string
	Task   struct {
		Type  string
		Index int
	}
}

func TestMXEnvironment(t *testing.T) {
	mx := containersOf("{name: mxnet, image: i}")
	told := environmentOf(t, `{kind: MXJob, metadata: {name: m}, spec: {mxReplicaSpecs: {Scheduler: {`+
		containersOf("{name: mxnet, image: i, ports: [{name: mxjob-port, containerPort: 99}]}")+`}, Server: {replicas: 2, `+mx+`}, worker: {replicas: 3, `+mx+`}}}}`)
	common := variables{"DMLC_PS_ROOT_PORT": "99", "DMLC_PS_ROOT_URI": "m-scheduler-0", "DMLC_NUM_SERVER": "2", "DMLC_NUM_WORKER": "3", "DMLC_USE_KUBERNETES": "1"}
	const cluster = `{"cluster":{"scheduler":[{"url":"m-scheduler-0","port":99}],` +
		`"server":[{"url":"m-server-0","port":9091},{"url":"m-server-1","port":9091}],` +
		`"worker":[{"url":"m-worker-0","port":9091},{"url":"m-worker-1","port":9091},{"url":"m-worker-2","port":9091}]},` +
		`"labels":{"scheduler":"","server":"","worker":""},"task":{"type":`
	want := map[string]variables{
		"m-scheduler-0": {"DMLC_ROLE": "scheduler", "MX_CONFIG": cluster + `"scheduler","index":0}}`},
		"m-server-0":    {"DMLC_ROLE": "server", "MX_CONFIG": cluster + `"server","index":0}}`},
		"m-server-1":    {"DMLC_ROLE": "server", "MX_CONFIG": cluster + `"server","index":1}}`},
		"m-worker-0":    {"DMLC_ROLE": "worker", "DMLC_WORKER_ID": "0", "MX_CONFIG": cluster + `"worker","index":0}}`},
		"m-worker-1":    {"DMLC_ROLE": "worker", "DMLC_WORKER_ID": "1", "MX_CONFIG": cluster + `"worker","index":1}}`},
		"m-worker-2":    {"DMLC_ROLE": "worker", "DMLC_WORKER_ID": "2", "MX_CONFIG": cluster + `"worker","index":2}}`},
	}
	for _, env := range want {
		maps.Copy(env, common)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A job that tunes has no scheduler, and finds its tuning servers by a key.
func TestMXTuningEnvironment(t *testing.T) {
	told := environmentOf(t, `{kind: MXJob, metadata: {name: m}, spec: {jobMode: MXTune, mxReplicaSpecs: {
		TunerTracker: {template: {spec: {containers: [{name: mxnet, image: i}]}}}, Tuner: {template: {spec: {containers: [{name: mxnet, image: i}]}}},
		TunerServer: {template: {metadata: {annotations: {tuner-server-key: "1080ti"}}, spec: {containers: [{name: mxnet, image: i}]}}}}}}`)
	for pod, role := range map[string]string{"m-tunertracker-0": "tunertracker", "m-tunerserver-0": "tunerserver", "m-tuner-0": "tuner"} {
		env := told[pod]
		var config mxConfig
		if err := json.Unmarshal([]byte(env["MX_CONFIG"]), &config); err != nil {
			t.Fatalf("MX_CONFIG of %s: %v", pod, err)
		}
		if c := config.Cluster; len(c) != 3 || len(c["tunertracker"]) != 1 || c["tunertracker"][0].URL != "m-tunertracker-0" || c["tunertracker"][0].Port != 9091 {
			t.Errorf("cluster of %s: %v", pod, c)
		}
		if config.Labels["tunerserver"] != "1080ti" || config.Labels["tuner"] != "" || config.Task.Type != role || config.Task.Index != 0 {
			t.Errorf("MX_CONFIG of %s: %+v", pod, config)
		}
		delete(env, "MX_CONFIG")
		want := variables{
			"DMLC_PS_ROOT_PORT": "0", "DMLC_PS_ROOT_URI": "", "DMLC_NUM_SERVER": "0", "DMLC_NUM_WORKER": "0",
			"DMLC_ROLE": role, "DMLC_USE_KUBERNETES": "1",
		}
		if diff := cmp.Diff(want, env); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pod, diff)
		}
	}
	if len(told) != 3 {
		t.Errorf("%d pods", len(told))
	}
}
