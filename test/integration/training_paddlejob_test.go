package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// paddleJob is a PaddleJob of workers; its replicas need not name their container.
func paddleJob(worker *trainingv1.ReplicaSpec) trainingv1.Job {
	job := &trainingv1.PaddleJob{ObjectMeta: metav1.ObjectMeta{Name: "job"}, Spec: trainingv1.PaddleJobSpec{PaddleReplicaSpecs: specs{"Worker": worker}}}
	complete(job, "paddle", nil)
	return job
}

const userPaddleJob = `
apiVersion: kubeflow.org/v1
kind: PaddleJob
metadata:
  name: ps
spec:
  paddleReplicaSpecs:
    Master:
      replicas: 1
      template:
        spec:
          containers:
          - {name: paddle, image: train, resources: {limits: {cpu: 1}}}
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - {name: paddle, image: train, resources: {limits: {cpu: 1}}}
`

// With a master, that decides.
func TestPaddleJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(e.manifest(userPaddleJob))
	job := now(e, &trainingv1.PaddleJob{ObjectMeta: metav1.ObjectMeta{Name: "ps"}})
	e.expectConditions(job, "Created Running")
	e.expectVariables("ps-master-0", map[string]string{
		"PADDLE_JOB_ID": "ps", "PADDLE_NNODES": "3", "PADDLE_MASTER": "$(POD_IP_DUMMY):36543", "PADDLE_SERVER_NUM": "1", "PADDLE_TRAINER_NUM": "<unset>",
	})
	for _, name := range []string{"ps-worker-0", "ps-worker-1"} {
		e.expectVariables(name, map[string]string{
			"PADDLE_JOB_ID": "ps", "PADDLE_NNODES": "3", "PADDLE_MASTER": "ps-master-0:36543", "PADDLE_SERVER_NUM": "<unset>", "PADDLE_TRAINER_NUM": "1",
		})
	}
	if policy := e.seen("ps-master-0").Spec.RestartPolicy; policy != corev1.RestartPolicyOnFailure {
		t.Errorf("restart policy: %s", policy)
	}
	e.expectPort("ps-master-0", "master", 36543)
	e.expectMasters("ps-master-0")
	e.expectMinimum("ps", 3)
	e.end("ps-worker-0", 0)
	e.expectReplicas(job, "Worker", 1, 1, 0)
	e.expectConditions(job, "Created Running")
	e.end("ps-master-0", 0)
	e.expectFinished("PaddleJob", job)
}

// Without a master all workers decide, and meet at the first.
func TestPaddleJobWithoutMaster(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := paddleJob(replicas(2, cpu(1)))
	e.create(job)
	e.expectVariables("job-worker-0", map[string]string{"PADDLE_NNODES": "2", "PADDLE_MASTER": "$(POD_IP_DUMMY):36543"})
	e.expectVariables("job-worker-1", map[string]string{"PADDLE_NNODES": "2", "PADDLE_MASTER": "job-worker-0:36543"})
	e.expectMasters()
	e.end("job-worker-0", 0)
	e.expectReplicas(job, "Worker", 1, 1, 0)
	e.expectConditions(job, "Created Running")
	e.end("job-worker-1", 0)
	e.expectFinished("PaddleJob", job)
}

func TestPaddleJobScaled(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := paddleJob(replicas(2, cpu(1)))
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.scale(job, 1)
	e.expectPods("job-worker-0")
	e.expectMinimum("job", 1)
}
