package integration

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

const userXGBoostJob = `
apiVersion: kubeflow.org/v1
kind: XGBoostJob
metadata:
  name: iris
spec:
  xgbReplicaSpecs:
    Master:
      replicas: 1
      restartPolicy: Never
      template:
        spec:
          containers:
          - {name: xgboost, image: train, ports: [{name: xgboostjob-port, containerPort: 9991}], resources: {limits: {cpu: 1}}}
    Worker:
      replicas: 2
      restartPolicy: ExitCode
      template:
        spec:
          containers:
          - {name: xgboost, image: train, resources: {limits: {cpu: 1}}}
`

// The master decides.
func TestXGBoostJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(e.manifest(userXGBoostJob))
	job := now(e, &trainingv1.XGBoostJob{ObjectMeta: metav1.ObjectMeta{Name: "iris"}})
	e.expectConditions(job, "Created Running")
	for rank, name := range []string{"iris-master-0", "iris-worker-0", "iris-worker-1"} {
		e.expectVariables(name, map[string]string{
			"MASTER_ADDR": "iris-master-0", "MASTER_PORT": "9991", "WORLD_SIZE": "3", "RANK": fmt.Sprint(rank),
			"WORKER_ADDRS": "iris-worker-0,iris-worker-1", "WORKER_PORT": "9999",
		})
	}
	e.expectPort("iris-master-0", "xgboostjob-port", 9991)
	e.expectPort("iris-worker-1", "xgboostjob-port", 9999)
	e.expectMasters("iris-master-0")
	e.expectMinimum("iris", 3)
	e.end("iris-worker-0", 0)
	e.end("iris-worker-1", 0)
	e.expectReplicas(job, "Worker", 0, 2, 0)
	e.expectConditions(job, "Created Running")
	e.end("iris-master-0", 0)
	e.expectFinished("XGBoostJob", job)
}
