package training

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var paddleJob = &kind{
	name:          "PaddleJob",
	newJob:        func() trainingv1.Job { return &trainingv1.PaddleJob{} },
	replicasField: "paddleReplicaSpecs",
	types:         []trainingv1.ReplicaType{trainingv1.PaddleMaster, trainingv1.PaddleWorker},
	leaders:       []trainingv1.ReplicaType{trainingv1.PaddleMaster},
	masterRole:    trainingv1.PaddleMaster,
	worker:        trainingv1.PaddleWorker,
	container:     "paddle",
	portName:      "master",
	port:          36543,
	restartPolicy: trainingv1.RestartPolicyOnFailure,
	environment:   paddleEnvironment,
}

// paddleEnvironment sets what paddle.distributed.launch reads. With masters the job has parameter servers, one in each
// master and a trainer in each worker; else it works by collectives. All pods meet at the first of the masters, else of
// the workers. That pod itself is told its own address: Paddle's launcher serves the others if the address is its own.
func paddleEnvironment(k *kind, _ Config, job trainingv1.Job) injector {
	first, parameterServer := k.leader(job)
	if !parameterServer {
		first = trainingv1.PaddleWorker
	}
	port := k.portOf(job, first)
	return inAllContainers(func(m member) []corev1.EnvVar {
		env := []corev1.EnvVar{
			{Name: "PYTHONUNBUFFERED", Value: "1"},
			{Name: "PADDLE_JOB_ID", Value: job.GetName()},
			{Name: "PADDLE_NNODES", Value: fmt.Sprint(totalReplicas(job))},
		}
		host := memberName(job.GetName(), first, 0)
		if m.rtype == first && m.index == 0 {
			ip := &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}
			env = append(env, corev1.EnvVar{Name: "POD_IP_DUMMY", ValueFrom: ip})
			host = "$(POD_IP_DUMMY)"
		}
		env = append(env, corev1.EnvVar{Name: "PADDLE_MASTER", Value: fmt.Sprintf("%s:%d", host, port)})
		switch {
		case parameterServer && m.rtype == trainingv1.PaddleMaster:
			env = append(env, corev1.EnvVar{Name: "PADDLE_SERVER_NUM", Value: "1"})
		case parameterServer:
			env = append(env, corev1.EnvVar{Name: "PADDLE_TRAINER_NUM", Value: "1"})
		}
		return env
	})
}
