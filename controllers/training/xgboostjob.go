package training

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var xgBoostJob = &kind{
	name:          "XGBoostJob",
	newJob:        func() trainingv1.Job { return &trainingv1.XGBoostJob{} },
	replicasField: "xgbReplicaSpecs",
	types:         []trainingv1.ReplicaType{trainingv1.XGBoostMaster, trainingv1.XGBoostWorker},
	leaders:       []trainingv1.ReplicaType{trainingv1.XGBoostMaster},
	worker:        trainingv1.XGBoostWorker,
	container:     "xgboost",
	portName:      "xgboostjob-port",
	port:          9999,
	restartPolicy: trainingv1.RestartPolicyNever,
	validate:      validateXGBoostJob,
	environment:   xgBoostEnvironment,
}

func validateXGBoostJob(job trainingv1.Job) field.ErrorList {
	path := field.NewPath("spec", "xgbReplicaSpecs").Key("Master")
	master := job.Replicas()[trainingv1.XGBoostMaster]
	if master == nil {
		return field.ErrorList{field.Required(path, "the workers have nothing to meet at without a master")}
	}
	if *master.Replicas != 1 {
		return field.ErrorList{field.Invalid(path.Child("replicas"), *master.Replicas, "must be 1")}
	}
	return nil
}

// xgBoostEnvironment sets where the master's tracker listens and the pod's rank; and for LightGBM, which has no tracker,
// where the workers are.
func xgBoostEnvironment(k *kind, _ Config, job trainingv1.Job) injector {
	total := totalReplicas(job)
	shared := []corev1.EnvVar{
		{Name: "MASTER_PORT", Value: fmt.Sprint(k.portOf(job, trainingv1.XGBoostMaster))},
		{Name: "MASTER_ADDR", Value: memberName(job.GetName(), trainingv1.XGBoostMaster, 0)},
		{Name: "WORLD_SIZE", Value: fmt.Sprint(total)},
		{Name: "PYTHONUNBUFFERED", Value: "1"},
	}
	if total > 1 {
		workers := make([]string, 0, total-1)
		for i := range total - 1 {
			workers = append(workers, memberName(job.GetName(), trainingv1.XGBoostWorker, i))
		}
		shared = append(shared,
			corev1.EnvVar{Name: "WORKER_PORT", Value: fmt.Sprint(k.portOf(job, trainingv1.XGBoostWorker))},
			corev1.EnvVar{Name: "WORKER_ADDRS", Value: strings.Join(workers, ",")})
	}
	return inAllContainers(func(m member) []corev1.EnvVar {
		rank := m.index
		if m.rtype == trainingv1.XGBoostWorker {
			rank++ // the master is rank 0
		}
		return append([]corev1.EnvVar{{Name: "RANK", Value: fmt.Sprint(rank)}}, shared...)
	})
}
