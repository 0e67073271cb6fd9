package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// mxJob is an MXJob; its replicas need not name their container.
func mxJob(replicas specs) trainingv1.Job {
	job := &trainingv1.MXJob{ObjectMeta: metav1.ObjectMeta{Name: "job"}, Spec: trainingv1.MXJobSpec{MXReplicaSpecs: replicas}}
	complete(job, "mxnet", nil)
	return job
}

const userMXJob = `
apiVersion: kubeflow.org/v1
kind: MXJob
metadata:
  name: mnist
spec:
  jobMode: MXTrain
  mxReplicaSpecs:
    Scheduler:
      replicas: 1
      restartPolicy: Never
      template: {spec: {containers: [{name: mxnet, image: train, resources: {limits: {cpu: 1}}}]}}
    Server:
      replicas: 1
      restartPolicy: Never
      template: {spec: {containers: [{name: mxnet, image: train, resources: {limits: {cpu: 1}}}]}}
    Worker:
      replicas: 1
      restartPolicy: Never
      template: {spec: {containers: [{name: mxnet, image: train, resources: {limits: {cpu: 1}}}]}}
`

// The scheduler decides.
func TestMXJobFromUsersManifest(t *testing.T) {
	e := setUp(t, node("node", cpu(3)))
	e.create(e.manifest(userMXJob))
	job := now(e, &trainingv1.MXJob{ObjectMeta: metav1.ObjectMeta{Name: "mnist"}})
	e.expectConditions(job, "Created Running")
	for role, id := range map[string]string{"scheduler": "<unset>", "server": "<unset>", "worker": "0"} {
		name := "mnist-" + role + "-0"
		e.expectVariables(name, map[string]string{
			"MX_CONFIG": `{"cluster":{"scheduler":[{"url":"mnist-scheduler-0","port":9091}],"server":[{"url":"mnist-server-0","port":9091}],` +
				`"worker":[{"url":"mnist-worker-0","port":9091}]},"labels":{"scheduler":"","server":"","worker":""},"task":{"type":"` + role + `","index":0}}`,
			"DMLC_PS_ROOT_URI": "mnist-scheduler-0", "DMLC_PS_ROOT_PORT": "9091", "DMLC_NUM_SERVER": "1", "DMLC_NUM_WORKER": "1",
			"DMLC_ROLE": role, "DMLC_USE_KUBERNETES": "1", "DMLC_WORKER_ID": id,
		})
		e.expectPort(name, "mxjob-port", 9091)
	}
	e.expectMasters("mnist-server-0")
	e.expectMinimum("mnist", 3)
	e.end("mnist-worker-0", 0)
	e.expectReplicas(job, "Worker", 0, 1, 0)
	e.expectConditions(job, "Created Running")
	e.end("mnist-scheduler-0", 0)
	e.expectFinished("MXJob", job)
}

// Without a scheduler the tuner decides, and where there is none either all workers.
func TestMXJobWithoutScheduler(t *testing.T) {
	e := setUp(t, node("node", cpu(2)))
	tuning := mxJob(specs{"Tuner": replicas(1, cpu(1)), "TunerTracker": replicas(1, cpu(1))})
	e.create(tuning)
	e.end("job-tuner-0", 0)
	e.expectFinished("MXJob", tuning)
	alone := mxJob(specs{"Worker": replicas(1, cpu(1))})
	e.create(alone)
	e.expectVariables("job-worker-0", map[string]string{"DMLC_PS_ROOT_URI": "", "DMLC_PS_ROOT_PORT": "0", "DMLC_NUM_SERVER": "0"})
	e.end("job-worker-0", 0)
	e.expectFinished("MXJob", alone)
}
