package training

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

var pyTorchJob = &kind{
	name:          "PyTorchJob",
	newJob:        func() trainingv1.Job { return &trainingv1.PyTorchJob{} },
	replicasField: "pytorchReplicaSpecs",
	types:         []trainingv1.ReplicaType{trainingv1.PyTorchMaster, trainingv1.PyTorchWorker},
	leaders:       []trainingv1.ReplicaType{trainingv1.PyTorchMaster},
	worker:        trainingv1.PyTorchWorker,
	container:     "pytorch",
	portName:      "pytorchjob-port",
	port:          23456,
	restartPolicy: trainingv1.RestartPolicyOnFailure,
	setDefaults:   setPyTorchDefaults,
	validate:      validatePyTorchJob,
	environment:   pyTorchEnvironment,
	succeeded: func(job trainingv1.Job, workers []member) bool {
		if pyTorchElastic(job) != nil {
			return slices.ContainsFunc(workers, member.succeeded)
		}
		return allMembers(workers, member.succeeded)
	},
	elastic: pyTorchElastic,
}

func pyTorchElastic(job trainingv1.Job) *trainingv1.ElasticPolicy {
	return job.(*trainingv1.PyTorchJob).Spec.ElasticPolicy
}

func setPyTorchDefaults(job trainingv1.Job) {
	spec := &job.(*trainingv1.PyTorchJob).Spec
	if spec.NprocPerNode == nil && (spec.ElasticPolicy == nil || spec.ElasticPolicy.NProcPerNode == nil) {
		spec.NprocPerNode = new("auto")
	}
	elastic, worker := spec.ElasticPolicy, spec.PyTorchReplicaSpecs[trainingv1.PyTorchWorker]
	if elastic == nil || worker == nil {
		return
	}
	if elastic.MinReplicas == nil && elastic.MaxReplicas == nil {
		elastic.MaxReplicas = new(*worker.Replicas)
	}
	if elastic.MinReplicas == nil {
		elastic.MinReplicas = new(*elastic.MaxReplicas)
	}
	if elastic.MaxReplicas == nil {
		elastic.MaxReplicas = new(*elastic.MinReplicas)
	}
	if elastic.RDZVBackend == nil {
		elastic.RDZVBackend = new(trainingv1.BackendC10D)
	}
}

func validatePyTorchJob(job trainingv1.Job) field.ErrorList {
	var errs field.ErrorList
	spec := job.(*trainingv1.PyTorchJob).Spec
	path := field.NewPath("spec", "pytorchReplicaSpecs")
	if master := spec.PyTorchReplicaSpecs[trainingv1.PyTorchMaster]; master != nil && *master.Replicas != 1 {
		errs = append(errs, field.Invalid(path.Key("Master").Child("replicas"), *master.Replicas, "must be 1"))
	}
	worker := spec.PyTorchReplicaSpecs[trainingv1.PyTorchWorker]
	if worker != nil && *worker.Replicas < 1 {
		errs = append(errs, field.Invalid(path.Key("Worker").Child("replicas"), *worker.Replicas, "must be 1 or more"))
	}
	elastic := spec.ElasticPolicy
	if elastic == nil {
		return errs
	}
	path = field.NewPath("spec", "elasticPolicy")
	if worker == nil {
		return append(errs, field.Forbidden(path, "needs a Worker in spec.pytorchReplicaSpecs"))
	}
	if *elastic.MinReplicas > *elastic.MaxReplicas {
		errs = append(errs, field.Invalid(path.Child("minReplicas"), *elastic.MinReplicas, "must not be more than maxReplicas"))
	}
	if elastic.NProcPerNode != nil && spec.NprocPerNode != nil {
		errs = append(errs, field.Forbidden(path.Child("nProcPerNode"), "give spec.nprocPerNode or this, not both"))
	}
	return errs
}

// pyTorchEnvironment sets the variables of torch.distributed and of torchrun in every container.
func pyTorchEnvironment(k *kind, config Config, job trainingv1.Job) injector {
	image, torch := config.PyTorchInitContainerImage, job.(*trainingv1.PyTorchJob)
	return func(m member, pod *corev1.PodSpec) {
		injected, rendezvous := pyTorchVariables(k, torch, m), pyTorchWorkerRendezvous(k, torch, m)
		for i := range pod.Containers {
			c := &pod.Containers[i]
			for _, v := range rendezvous {
				if !hasVariable(c.Env, v.Name) {
					c.Env = append(c.Env, v)
				}
			}
			c.Env = append(c.Env, injected...)
		}
		if image != "" && m.rtype == trainingv1.PyTorchWorker && job.Replicas()[trainingv1.PyTorchMaster] != nil {
			pod.InitContainers = append(pod.InitContainers, initPyTorch(image, job))
		}
	}
}

func hasVariable(env []corev1.EnvVar, name string) bool {
	for _, v := range env {
		if v.Name == name {
			return true
		}
	}
	return false
}
