package trainer

import (
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// rendezvousPort is the port on which the first pod that trains is met by the others.
const rendezvousPort = 29500

// tellFramework tells the containers about each other in the way of the runtime's framework.
func (e *expansion) tellFramework() error {
	switch {
	case e.policy.MPI != nil:
		return e.tellMPI(e.policy.MPI)
	case e.policy.Torch != nil:
		return e.tellTorch(e.policy.Torch)
	case e.policy.JAX != nil:
		return e.tellNodes(e.jaxVariables)
	case e.policy.XGBoost != nil:
		return e.tellNodes(e.xgboostVariables)
	}
	return nil
}

// reserved are the variables that only the runtime may set.
func (e *expansion) reserved() []string {
	switch {
	case e.policy.MPI != nil:
		return []string{"OMPI_MCA_orte_default_hostfile", "OMPI_MCA_orte_keep_fqdn_hostnames", "OMPI_MCA_orte_set_default_slots", "OMPI_MCA_plm_rsh_args"}
	case e.policy.Torch != nil:
		return []string{"PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT"}
	case e.policy.JAX != nil:
		return []string{"JAX_NUM_PROCESSES", "JAX_PROCESS_ID", "JAX_COORDINATOR_ADDRESS"}
	case e.policy.XGBoost != nil:
		return []string{"DMLC_TRACKER_URI", "DMLC_TRACKER_PORT", "DMLC_TASK_ID", "DMLC_NUM_WORKER"}
	}
	return nil
}

func (e *expansion) checkReserved() error {
	for i, v := range e.trainer.Env {
		if slices.Contains(e.reserved(), v.Name) {
			return fmt.Errorf("spec.trainer.env[%d]: %s is set by the runtime", i, v.Name)
		}
	}
	return nil
}

// tellNodes sets variables of the container that trains, and opens its port.
func (e *expansion) tellNodes(variables func(rjob *trainerv1alpha1.ReplicatedJob, c *corev1.Container) []corev1.EnvVar) error {
	for _, rjob := range e.ofStep(trainerv1alpha1.AncestorTrainer) {
		c := nodeContainer(rjob)
		upsertEnv(c, variables(rjob, c)...)
		openPort(c)
	}
	return nil
}

func openPort(c *corev1.Container) {
	if !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == rendezvousPort }) {
		c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: rendezvousPort})
	}
}

func (e *expansion) jaxVariables(rjob *trainerv1alpha1.ReplicatedJob, _ *corev1.Container) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "JAX_NUM_PROCESSES", Value: fmt.Sprint(podsOf(rjob))},
		indexVariable("JAX_PROCESS_ID"),
		{Name: "JAX_COORDINATOR_ADDRESS", Value: fmt.Sprintf("%s:%d", e.firstNode(rjob), rendezvousPort)},
	}
}

func (e *expansion) xgboostVariables(rjob *trainerv1alpha1.ReplicatedJob, c *corev1.Container) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "DMLC_TRACKER_URI", Value: e.firstNode(rjob)},
		{Name: "DMLC_TRACKER_PORT", Value: fmt.Sprint(rendezvousPort)},
		indexVariable("DMLC_TASK_ID"),
		{Name: "DMLC_NUM_WORKER", Value: fmt.Sprint(podsOf(rjob) * max(gpus(c), 1))},
	}
}

// firstNode is the address of the first pod that trains.
func (e *expansion) firstNode(rjob *trainerv1alpha1.ReplicatedJob) string {
	return e.address(rjob, 0, 0)
}

// address is the name by which other pods reach a pod.
func (e *expansion) address(rjob *trainerv1alpha1.ReplicatedJob, job, pod int32) string {
	return hostname(e.job.Name, rjob.Name, job, pod) + "." + e.Spec.Network.Subdomain
}

// indexVariable is a variable whose value is the pod's index in its Job.
func indexVariable(name string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{
		FieldPath: fmt.Sprintf("metadata.annotations['%s']", batchv1.JobCompletionIndexAnnotation),
	}}}
}

// gpus is the number of GPUs of a container: the amounts of all resources with gpu in their names.
func gpus(c *corev1.Container) int32 {
	count := func(amounts corev1.ResourceList) int32 {
		n := int32(0)
		for name, q := range amounts {
			if strings.Contains(strings.ToLower(string(name)), "gpu") {
				n += int32(q.Value())
			}
		}
		return n
	}
	if n := count(c.Resources.Requests); n > 0 {
		return n
	}
	return count(c.Resources.Limits)
}
