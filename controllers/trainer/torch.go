package trainer

import (
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// tellTorch sets the variables of torchrun, each of which is one of its options: PET_NNODES is --nnodes.
func (e *expansion) tellTorch(policy *trainerv1alpha1.TorchPolicy) error {
	trainers := e.ofStep(trainerv1alpha1.AncestorTrainer)
	if len(trainers) == 0 {
		return badRuntime("none of its jobs has the label %s: %s", trainerv1alpha1.AncestorLabel, trainerv1alpha1.AncestorTrainer)
	}
	rjob := trainers[0]
	c := nodeContainer(rjob)
	variables := e.torchVariables(rjob, c)
	own := variables
	switch {
	case e.isTune():
		command, err := e.tuneCommand(rjob, c)
		if err != nil {
			return err
		}
		c.Command = command
		own = variables[:3] // the rendezvous is in the command
	case policy.ElasticPolicy != nil:
		variables = e.makeElastic(policy.ElasticPolicy, rjob, variables)
		own = variables
	}
	upsertEnv(c, own...)
	openPort(c)
	if policy.EnvInjection == nil {
		return nil
	}
	for _, target := range policy.EnvInjection.Targets {
		if err := e.inject(target, variables); err != nil {
			return err
		}
	}
	return nil
}

func (e *expansion) torchVariables(rjob *trainerv1alpha1.ReplicatedJob, c *corev1.Container) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "PET_NNODES", Value: fmt.Sprint(podsOf(rjob))},
		{Name: "PET_NPROC_PER_NODE", Value: e.torchProcesses(c)},
		indexVariable("PET_NODE_RANK"),
		{Name: "PET_MASTER_ADDR", Value: e.firstNode(rjob)},
		{Name: "PET_MASTER_PORT", Value: fmt.Sprint(rendezvousPort)},
	}
}

// inject gives variables to further containers.
func (e *expansion) inject(target trainerv1alpha1.EnvInjectionTarget, variables []corev1.EnvVar) error {
	rjob := e.jobNamed(target.JobName)
	if rjob == nil {
		return badRuntime("mlPolicy.torch.envInjection names the job %s, which it does not have", target.JobName)
	}
	pod := &rjob.Template.Spec.Template.Spec
	for _, name := range target.ContainerNames {
		c := findContainer(pod.Containers, name)
		if c == nil {
			c = findContainer(pod.InitContainers, name)
		}
		if c == nil {
			return badRuntime("mlPolicy.torch.envInjection names the container %s of the job %s, which it does not have", name, target.JobName)
		}
		upsertEnv(c, variables...)
	}
	return nil
}

// torchProcesses is the number of processes in each pod. Left to itself, torchrun would start one for each CPU of the
// machine in a pod without GPU.
func (e *expansion) torchProcesses(c *corev1.Container) string {
	wanted := "auto"
	if e.policy.Torch.NumProcPerNode != nil {
		wanted = e.policy.Torch.NumProcPerNode.String()
	}
	if e.trainer.NumProcPerNode != nil {
		wanted = e.trainer.NumProcPerNode.String()
	}
	if wanted == "cpu" || wanted == "auto" && gpus(c) == 0 {
		return fmt.Sprint(max(cpus(c), 1))
	}
	return wanted
}

// cpus is the number of CPUs of a container, rounded up.
func cpus(c *corev1.Container) int64 {
	if n := c.Resources.Requests.Cpu().Value(); n > 0 {
		return n
	}
	return c.Resources.Limits.Cpu().Value()
}

// elasticNodes is the least and the greatest number of nodes.
func elasticNodes(policy *trainerv1alpha1.TorchElasticPolicy) (least, most int32) {
	least, most = 1, 1
	if policy.MaxNodes != nil {
		least, most = *policy.MaxNodes, *policy.MaxNodes
	}
	if policy.MinNodes != nil {
		least, most = *policy.MinNodes, max(most, *policy.MinNodes)
	}
	return least, most
}

// makeElastic lets torchrun go on with fewer nodes: it is told the range and meets at the first node, the gang needs only
// the least number, and the Job has completed when that many have.
func (e *expansion) makeElastic(policy *trainerv1alpha1.TorchElasticPolicy, rjob *trainerv1alpha1.ReplicatedJob, variables []corev1.EnvVar) []corev1.EnvVar {
	least, _ := elasticNodes(policy)
	most := podsOf(rjob)
	least = min(least, most)
	e.Elastic, e.MinNodes = rjob.Name, least
	if rjob.Template.Spec.SuccessPolicy == nil && least < most {
		rjob.Template.Spec.SuccessPolicy = &batchv1.SuccessPolicy{Rules: []batchv1.SuccessPolicyRule{{SucceededCount: &least}}}
	}
	more := []corev1.EnvVar{
		{Name: "PET_RDZV_BACKEND", Value: "c10d"},
		{Name: "PET_RDZV_ENDPOINT", Value: fmt.Sprintf("%s:%d", e.firstNode(rjob), rendezvousPort)},
		{Name: "PET_RDZV_ID", Value: e.job.Name},
	}
	if policy.MaxRestarts != nil {
		more = append(more, corev1.EnvVar{Name: "PET_MAX_RESTARTS", Value: fmt.Sprint(*policy.MaxRestarts)})
		if e.Spec.FailurePolicy == nil {
			e.Spec.FailurePolicy = &trainerv1alpha1.FailurePolicy{MaxRestarts: *policy.MaxRestarts}
		}
	}
	for _, v := range variables {
		if v.Name == "PET_NNODES" {
			v.Value = fmt.Sprintf("%d:%d", least, most)
		}
		if !strings.HasPrefix(v.Name, "PET_MASTER_") && v.Name != "PET_NODE_RANK" {
			more = append(more, v)
		}
	}
	return more
}
