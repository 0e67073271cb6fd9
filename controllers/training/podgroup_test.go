package training

import (
	"testing"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

func TestGangMinimum(t *testing.T) {
	const container = "template: {spec: {containers: [{name: pytorch, image: i}]}}"
	master, workers := "Master: {"+container+"}, ", "Worker: {replicas: 4, "+container+"}"
	tests := []struct {
		name  string
		meta  string
		spec  string
		total int32
		roles string
	}{
		{"all", "", "pytorchReplicaSpecs: {" + master + workers + "}", 5, ""},
		{"given", "", "runPolicy: {schedulingPolicy: {minAvailable: 3}}, pytorchReplicaSpecs: {" + master + workers + "}", 3, `{"master":1}`},
		{"given, no master", "", "runPolicy: {schedulingPolicy: {minAvailable: 3}}, pytorchReplicaSpecs: {" + workers + "}", 3, ""},
		{"given, another role", "", "runPolicy: {schedulingPolicy: {minAvailable: 3}}, pytorchReplicaSpecs: {Master: {template: {metadata: {labels: {scheduling.muster.dev/role: boss}}, spec: {containers: [{name: pytorch, image: i}]}}}, " + workers + "}", 3, ""},
		{"elastic", "", "elasticPolicy: {minReplicas: 2, maxReplicas: 8}, pytorchReplicaSpecs: {" + master + workers + "}", 3, `{"master":1,"worker":2}`},
		{"elastic, no master", "", "elasticPolicy: {minReplicas: 2, maxReplicas: 8}, pytorchReplicaSpecs: {" + workers + "}", 2, `{"worker":2}`},
		{"fewer workers than the least", "", "elasticPolicy: {minReplicas: 6, maxReplicas: 8}, pytorchReplicaSpecs: {" + master + workers + "}", 5, `{"master":1,"worker":4}`},
		{"elastic, given", "", "runPolicy: {schedulingPolicy: {minAvailable: 4}}, elasticPolicy: {}, pytorchReplicaSpecs: {" + master + workers + "}", 4, `{"master":1}`},
		{"roles by the user", `annotations: {scheduling.muster.dev/min-members: '{"worker":4}'}`, "elasticPolicy: {minReplicas: 2}, pytorchReplicaSpecs: {" + master + workers + "}", 3, `{"worker":4}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, job := readyJob(t, "{apiVersion: kubeflow.org/v1, kind: PyTorchJob, metadata: {name: j, "+tt.meta+"}, spec: {"+tt.spec+"}}")
			group := k.newPodGroup(job)
			if group.Spec.MinMember != tt.total {
				t.Errorf("minMember %d, want %d", group.Spec.MinMember, tt.total)
			}
			if got := group.Annotations[schedulingv1alpha1.MinMembersAnnotation]; got != tt.roles {
				t.Errorf("roles %q, want %q", got, tt.roles)
			}
		})
	}
}

func TestAGangOfTheUsersOwn(t *testing.T) {
	k, job := readyJob(t, `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: j}
spec:
  tfReplicaSpecs:
    Worker:
      template:
        metadata: {labels: {scheduling.x-k8s.io/pod-group: mine}}
        spec: {containers: [{name: tensorflow, image: i}]}
`)
	if group := k.newPodGroup(job); group != nil {
		t.Errorf("a second gang was made: %v", group)
	}
	pod := k.newPod(job, k.members(job, nil)[0], k.environment(k, Config{}, job), 0)
	if got := pod.Labels[schedulingv1alpha1.PodGroupLabel]; got != "mine" || pod.Spec.SchedulerName != "muster" {
		t.Errorf("pod group %q, scheduler %q", got, pod.Spec.SchedulerName)
	}
}

func TestRequestsCountLimitsAndInitContainers(t *testing.T) {
	k, job := readyJob(t, `
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: j}
spec:
  tfReplicaSpecs:
    Worker:
      replicas: 3
      template:
        spec:
          initContainers: [{name: a, image: i, resources: {requests: {cpu: "4"}}}]
          containers:
          - {name: tensorflow, image: i, resources: {limits: {cpu: "2", example.com/gpu: 1}, requests: {cpu: "1"}}}
`)
	got := requests(k.members(job, nil))
	if cpu, gpu := got["cpu"], got["example.com/gpu"]; cpu.Value() != 12 || gpu.Value() != 3 {
		t.Errorf("got %v, want 12 cpu and 3 gpu", got)
	}
	if _, ok := job.Replicas()["Worker"].Template.Spec.Containers[0].Resources.Requests["example.com/gpu"]; ok {
		t.Error("the job's own template was changed")
	}
}
