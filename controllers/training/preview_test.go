package training

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

const previewed = `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: torch, annotations: {scheduling.muster.dev/expected-runtime: 1h}}
spec:
  elasticPolicy: {minReplicas: 2, maxReplicas: 4}
  runPolicy: {schedulingPolicy: {queue: nlp, priorityClass: high}}
  pytorchReplicaSpecs:
    Master: {template: {spec: {containers: [{name: pytorch, image: i}]}}}
    Worker: {replicas: 3, template: {spec: {containers: [{name: pytorch, image: i, resources: {limits: {nvidia.com/gpu: 8}}}]}}}
`

// What is previewed is what the controller then creates.
func TestPreviewIsWhatIsCreated(t *testing.T) {
	_, job := readJob(t, previewed)
	before := job.DeepCopyObject()
	group, pods, err := Preview(Config{}, job)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, job); diff != "" {
		t.Errorf("the job was changed:\n%s", diff)
	}
	k, ready := readyJob(t, previewed)
	plan := k.decide(Config{}, ready, observed{}, noon)
	if diff := cmp.Diff(plan.group, group); diff != "" {
		t.Errorf("PodGroup (-created +previewed):\n%s", diff)
	}
	var previews []client.Object
	for i := range pods {
		previews = append(previews, &pods[i])
	}
	var created []client.Object
	for _, object := range plan.create {
		if _, isPod := object.(*corev1.Pod); isPod {
			created = append(created, object)
		}
	}
	if diff := cmp.Diff(created, previews); diff != "" || len(previews) != 4 {
		t.Errorf("%d pods (-created +previewed):\n%s", len(previews), diff)
	}
}

func TestPreviewRefuses(t *testing.T) {
	for name, job := range map[string]trainingv1.Job{
		"at least one replica type": &trainingv1.TFJob{},
		"no controller knows":       nil,
	} {
		if _, _, err := Preview(Config{}, job); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got the error %v, want one about %q", err, name)
		}
	}
}
