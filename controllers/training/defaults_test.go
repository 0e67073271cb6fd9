package training

import (
	"strings"
	"testing"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

func TestDefaults(t *testing.T) {
	k, job := readyJob(t, `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: j}
spec:
  tfReplicaSpecs:
    ps: {template: {spec: {containers: [{name: tensorflow, ports: [{containerPort: 1}]}]}}}
    WORKER: {restartPolicy: Always, replicas: 3, template: {spec: {containers: [{name: tensorflow, ports: [{name: tfjob-port, containerPort: 7}]}]}}}
    Wroker:
`)
	replicas := job.Replicas()
	if ps := replicas["PS"]; ps == nil || *ps.Replicas != 1 || ps.RestartPolicy != trainingv1.RestartPolicyNever {
		t.Errorf("PS is %+v", ps)
	} else if ports := ps.Template.Spec.Containers[0].Ports; len(ports) != 2 || ports[1].Name != "tfjob-port" || ports[1].ContainerPort != 2222 {
		t.Errorf("ports of PS: %v", ports)
	}
	if w := replicas["Worker"]; w == nil || *w.Replicas != 3 || w.RestartPolicy != trainingv1.RestartPolicyAlways {
		t.Errorf("Worker is %+v", w)
	} else if ports := w.Template.Spec.Containers[0].Ports; len(ports) != 1 {
		t.Errorf("ports of Worker: %v", ports)
	}
	if replicas["Wroker"] == nil {
		t.Error("the unknown type is gone, so nobody can be told about it")
	}
	if got := *job.Policy().CleanPodPolicy; got != trainingv1.CleanPodPolicyNone {
		t.Errorf("cleanPodPolicy %s", got)
	}
	if got := k.portOf(job, "Worker"); got != 7 {
		t.Errorf("port %d, want the user's", got)
	}
}

func TestPyTorchDefaults(t *testing.T) {
	tests := []struct {
		name     string
		spec     string
		nproc    string // "-": none
		min, max int32
	}{
		{"neither bound", "elasticPolicy: {}", "auto", 2, 2},
		{"min only", "elasticPolicy: {minReplicas: 1}", "auto", 1, 1},
		{"max only", "elasticPolicy: {maxReplicas: 4}", "auto", 4, 4},
		{"both", "elasticPolicy: {minReplicas: 1, maxReplicas: 4}", "auto", 1, 4},
		{"older nProcPerNode", "elasticPolicy: {nProcPerNode: 8}", "-", 2, 2},
		{"given", "nprocPerNode: gpu", "gpu", 0, 0},
		{"not elastic", "", "auto", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, job := readyJob(t, `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: j}
spec:
  `+tt.spec+`
  pytorchReplicaSpecs: {Worker: {replicas: 2}}
`)
			spec := job.(*trainingv1.PyTorchJob).Spec
			nproc := "-"
			if spec.NprocPerNode != nil {
				nproc = *spec.NprocPerNode
			}
			if nproc != tt.nproc {
				t.Errorf("nprocPerNode %s, want %s", nproc, tt.nproc)
			}
			if e := spec.ElasticPolicy; e == nil && tt.max != 0 || e != nil && (*e.MinReplicas != tt.min || *e.MaxReplicas != tt.max) {
				t.Errorf("elastic policy %+v", e)
			}
		})
	}
}

// TestDefaultsOfEachKind: what is left open of a replica type is filled in by its kind.
func TestDefaultsOfEachKind(t *testing.T) {
	tests := []struct {
		kind, field, container string
		rtype                  trainingv1.ReplicaType
		policy                 trainingv1.RestartPolicy
		portName               string
		port                   int32
	}{
		{"TFJob", "tfReplicaSpecs", "tensorflow", "Evaluator", "Never", "tfjob-port", 2222},
		{"PyTorchJob", "pytorchReplicaSpecs", "pytorch", "Worker", "OnFailure", "pytorchjob-port", 23456},
		{"JAXJob", "jaxReplicaSpecs", "jax", "Worker", "Never", "jaxjob-port", 6666},
		{"XGBoostJob", "xgbReplicaSpecs", "xgboost", "Master", "Never", "xgboostjob-port", 9999},
		{"PaddleJob", "paddleReplicaSpecs", "paddle", "Master", "OnFailure", "master", 36543},
		{"MXJob", "mxReplicaSpecs", "mxnet", "TunerTracker", "Never", "mxjob-port", 9091},
	}
	if len(tests) != len(kinds)-1 { // MPIJobs have defaults of their own
		t.Errorf("%d of %d kinds are looked at", len(tests), len(kinds)-1)
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			k, job := readyJob(t, "{kind: "+tt.kind+", metadata: {name: j}, spec: {"+tt.field+": {"+strings.ToLower(string(tt.rtype))+
				": {template: {spec: {containers: [{name: side}, {name: "+tt.container+"}]}}}}}}")
			spec := job.Replicas()[tt.rtype]
			if len(job.Replicas()) != 1 || spec == nil || *spec.Replicas != 1 || spec.RestartPolicy != tt.policy {
				t.Fatalf("replicas: %+v, %s: %+v", job.Replicas(), tt.rtype, spec)
			}
			side, main := spec.Template.Spec.Containers[0], spec.Template.Spec.Containers[1]
			if len(side.Ports) != 0 || len(main.Ports) != 1 || main.Ports[0].Name != tt.portName || main.Ports[0].ContainerPort != tt.port {
				t.Errorf("ports %v and, beside it, %v", main.Ports, side.Ports)
			}
			if got := k.operator(); got != strings.ToLower(tt.kind)+"-controller" {
				t.Errorf("operator %s", got)
			}
		})
	}
}

func TestMXJobMode(t *testing.T) {
	for given, want := range map[string]trainingv1.MXJobMode{"": trainingv1.MXTrain, "jobMode: MXTune,": trainingv1.MXTune} {
		_, job := readyJob(t, "{kind: MXJob, metadata: {name: j}, spec: {"+given+" mxReplicaSpecs: {Worker: {}}}}")
		if got := job.(*trainingv1.MXJob).Spec.JobMode; got != want {
			t.Errorf("%q: mode %s, want %s", given, got, want)
		}
	}
}
