package integration

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// jaxJob is a JAXJob; its replicas need not name their container.
func jaxJob(worker *trainingv1.ReplicaSpec) trainingv1.Job {
	job := &trainingv1.JAXJob{ObjectMeta: metav1.ObjectMeta{Name: "job"}, Spec: trainingv1.JAXJobSpec{JAXReplicaSpecs: specs{"Worker": worker}}}
	complete(job, "jax", nil)
	return job
}

const userJAXJob = `
apiVersion: kubeflow.org/v1
kind: JAXJob
metadata:
  name: simple
spec:
  jaxReplicaSpecs:
    Worker:
      replicas: 2
      restartPolicy: OnFailure
      template:
        spec:
          containers:
          - {name: jax, image: train, resources: {limits: {cpu: 1}}}
`

// All workers decide.
func TestJAXJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	e.create(e.manifest(userJAXJob))
	job := now(e, &trainingv1.JAXJob{ObjectMeta: metav1.ObjectMeta{Name: "simple"}})
	e.expectConditions(job, "Created Running")
	for id, name := range []string{"simple-worker-0", "simple-worker-1"} {
		e.expectVariables(name, map[string]string{
			"COORDINATOR_ADDRESS": "simple-worker-0", "COORDINATOR_PORT": "6666", "NUM_PROCESSES": "2", "PROCESS_ID": fmt.Sprint(id),
		})
		e.expectPort(name, "jaxjob-port", 6666)
	}
	e.expectMasters("simple-worker-0")
	e.expectMinimum("simple", 2)
	e.end("simple-worker-0", 0)
	e.expectReplicas(job, "Worker", 1, 1, 0)
	e.expectConditions(job, "Created Running")
	e.end("simple-worker-1", 0)
	e.expectFinished("JAXJob", job)
}

func TestJAXJobScaled(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	job := jaxJob(replicas(2, cpu(1)))
	e.create(job)
	e.expectConditions(job, "Created Running")
	e.scale(job, 1)
	e.expectPods("job-worker-0")
	e.expectMinimum("job", 1)
}
