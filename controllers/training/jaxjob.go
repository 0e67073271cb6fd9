package training

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var jaxJob = &kind{
	name:          "JAXJob",
	newJob:        func() trainingv1.Job { return &trainingv1.JAXJob{} },
	replicasField: "jaxReplicaSpecs",
	types:         []trainingv1.ReplicaType{trainingv1.JAXWorker},
	worker:        trainingv1.JAXWorker,
	container:     "jax",
	portName:      "jaxjob-port",
	port:          6666,
	restartPolicy: trainingv1.RestartPolicyNever,
	environment:   jaxEnvironment,
}

// jaxEnvironment sets what a program hands to jax.distributed.initialize: where the coordinator listens, how many
// processes there are and which of them this is.
func jaxEnvironment(k *kind, _ Config, job trainingv1.Job) injector {
	return inAllContainers(func(m member) []corev1.EnvVar {
		return []corev1.EnvVar{
			{Name: "PYTHONUNBUFFERED", Value: "1"},
			{Name: "COORDINATOR_PORT", Value: fmt.Sprint(k.portOf(job, trainingv1.JAXWorker))},
			{Name: "COORDINATOR_ADDRESS", Value: memberName(job.GetName(), trainingv1.JAXWorker, 0)},
			{Name: "NUM_PROCESSES", Value: fmt.Sprint(totalReplicas(job))},
			{Name: "PROCESS_ID", Value: fmt.Sprint(m.index)},
		}
	})
}
