package training

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// pyTorchVariables are the variables that override what the user gives under the same names.
func pyTorchVariables(k *kind, job *trainingv1.PyTorchJob, m member) []corev1.EnvVar {
	env := []corev1.EnvVar{{Name: "PYTHONUNBUFFERED", Value: "1"}}
	if job.Spec.PyTorchReplicaSpecs[trainingv1.PyTorchMaster] != nil {
		rank := m.index
		if m.rtype == trainingv1.PyTorchWorker {
			rank++ // the master is rank 0
		}
		env = append(env, processGroup(k, job, trainingv1.PyTorchMaster, rank)...)
	}
	if job.Spec.NprocPerNode != nil {
		env = append(env, corev1.EnvVar{Name: "PET_NPROC_PER_NODE", Value: *job.Spec.NprocPerNode})
	}
	if job.Spec.ElasticPolicy == nil {
		return append(env, corev1.EnvVar{Name: "PET_NNODES", Value: fmt.Sprint(totalReplicas(job))})
	}
	return append(env, elasticVariables(k, job)...)
}

// pyTorchWorkerRendezvous makes worker 0 the rendezvous of a job that has neither a master nor an elastic policy.
// Kubeflow sets nothing there, so manifests exist that set these variables themselves: theirs are kept.
func pyTorchWorkerRendezvous(k *kind, job *trainingv1.PyTorchJob, m member) []corev1.EnvVar {
	if job.Spec.PyTorchReplicaSpecs[trainingv1.PyTorchMaster] != nil || job.Spec.ElasticPolicy != nil {
		return nil
	}
	return processGroup(k, job, trainingv1.PyTorchWorker, m.index)
}

// processGroup says where rank 0 listens and which rank this pod has.
func processGroup(k *kind, job *trainingv1.PyTorchJob, first trainingv1.ReplicaType, rank int32) []corev1.EnvVar {
	address := memberName(job.Name, first, 0)
	port := fmt.Sprint(k.portOf(job, first))
	return []corev1.EnvVar{
		{Name: "MASTER_PORT", Value: port},
		{Name: "PET_MASTER_PORT", Value: port},
		{Name: "MASTER_ADDR", Value: address},
		{Name: "PET_MASTER_ADDR", Value: address},
		{Name: "WORLD_SIZE", Value: fmt.Sprint(int64(totalReplicas(job)) * processesPerPod(job))},
		{Name: "RANK", Value: fmt.Sprint(rank)},
		{Name: "PET_NODE_RANK", Value: fmt.Sprint(rank)},
	}
}

// processesPerPod is nprocPerNode where it is a number, else 1: what auto, cpu and gpu come to is known only in the pod.
func processesPerPod(job *trainingv1.PyTorchJob) int64 {
	if job.Spec.NprocPerNode == nil {
		return 1
	}
	n, err := strconv.ParseInt(*job.Spec.NprocPerNode, 10, 32)
	if err != nil {
		return 1
	}
	return n
}

// elasticVariables are the arguments of torchrun.
func elasticVariables(k *kind, job *trainingv1.PyTorchJob) []corev1.EnvVar {
	elastic := job.Spec.ElasticPolicy
	host := memberName(job.Name, trainingv1.PyTorchWorker, 0)
	if elastic.RDZVHost != nil {
		host = *elastic.RDZVHost
	}
	port := k.portOf(job, trainingv1.PyTorchWorker)
	if elastic.RDZVPort != nil {
		port = *elastic.RDZVPort
	}
	env := []corev1.EnvVar{
		{Name: "PET_RDZV_ENDPOINT", Value: fmt.Sprintf("%s:%d", host, port)},
		{Name: "PET_RDZV_BACKEND", Value: string(*elastic.RDZVBackend)},
		{Name: "PET_NNODES", Value: fmt.Sprintf("%d:%d", *elastic.MinReplicas, *elastic.MaxReplicas)},
	}
	if elastic.MaxRestarts != nil {
		env = append(env, corev1.EnvVar{Name: "PET_MAX_RESTARTS", Value: fmt.Sprint(*elastic.MaxRestarts)})
	}
	if elastic.NProcPerNode != nil {
		env = append(env, corev1.EnvVar{Name: "PET_NPROC_PER_NODE", Value: fmt.Sprint(*elastic.NProcPerNode)})
	}
	if elastic.RDZVID != nil {
		env = append(env, corev1.EnvVar{Name: "PET_RDZV_ID", Value: *elastic.RDZVID})
	}
	if len(elastic.RDZVConf) > 0 {
		var conf []string
		for _, c := range elastic.RDZVConf {
			conf = append(conf, c.Key+"="+c.Value)
		}
		env = append(env, corev1.EnvVar{Name: "PET_RDZV_CONF", Value: strings.Join(conf, ",")})
	}
	if elastic.Standalone != nil && *elastic.Standalone {
		env = append(env, corev1.EnvVar{Name: "PET_STANDALONE", Value: "1"}) // torchrun reads a number: without one it ends at once
	}
	return env
}

// initPyTorch is the init container that lets a worker wait until the master's name resolves. Services publish
// addresses before pods are ready, so no job needs it; it is there for those who count on it being there.
func initPyTorch(image string, job trainingv1.Job) corev1.Container {
	master := memberName(job.GetName(), trainingv1.PyTorchMaster, 0)
	quantities := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse(cpu),
			corev1.ResourceMemory: resource.MustParse(memory),
		}
	}
	script := "n=0; until nslookup " + master + "; do n=$((n+1)); [ $n -lt 100 ] || exit 1; echo waiting for " + master +
		"; sleep 2; done"
	return corev1.Container{
		Name:            "init-pytorch",
		Image:           image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{"sh", "-c", script},
		Resources:       corev1.ResourceRequirements{Requests: quantities("50m", "10Mi"), Limits: quantities("100m", "20Mi")},
	}
}
