package podpolicy

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// groupMarks are labels and annotations with which a pod says that it has a group already, ours or that of another.
var groupMarks = []string{v1alpha1.PodGroupLabel, "scheduling.k8s.io/group-name", "kueue.x-k8s.io/pod-group-name"}

// grantGang makes the pod a member of its workload's gang, unless it has a group or another scheduler places it.
func (w *wishes) grantGang(pod *corev1.Pod) []Change {
	if w.gang == "" || w.around.Workload == nil || w.around.Workload.Gang == nil || pod.Spec.SchedulerName != v1alpha1.SchedulerName {
		return nil
	}
	for _, mark := range groupMarks {
		_, labelled := pod.Labels[mark]
		_, annotated := pod.Annotations[mark]
		if labelled || annotated {
			return nil
		}
	}
	gang := w.around.Workload.Gang
	pod.Labels = with(with(pod.Labels, v1alpha1.PodGroupLabel, gang.PodGroup), v1alpha1.GangOfLabel, gang.Kind)
	pod.Annotations = with(pod.Annotations, v1alpha1.WorkloadAnnotation, gang.Workload)
	if gang.Role != "" && !hasRole(pod) {
		pod.Labels[v1alpha1.RoleLabel] = gang.Role
	}
	return []Change{{Policy: w.gang, Field: field{label, v1alpha1.PodGroupLabel}.String(), To: gang.PodGroup}}
}

// hasRole says whether a label names the pod's role within its gang.
func hasRole(pod *corev1.Pod) bool {
	return slices.ContainsFunc([]string{v1alpha1.RoleLabel, v1alpha1.ReplicaTypeLabel, v1alpha1.JobRoleLabel}, func(label string) bool {
		_, has := pod.Labels[label]
		return has
	})
}

// tellsRanks says whether a variable is one of those with which frameworks are told who is who. A pod that has one tells its
// ranks in a way of its own.
func tellsRanks(name string) bool {
	for _, prefix := range []string{"PET_", "MASTER_", "JAX_", "COORDINATOR_", "DMLC_", "PADDLE_", "OMPI_", "SLURM_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"RANK", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE",
		"NUM_PROCESSES", "PROCESS_ID", "TF_CONFIG", "RDZV_ENDPOINT"}, name)
}

// grantRanks tells all containers the pod's rank and where the others meet, unless one of them says such a thing, or may.
func (w *wishes) grantRanks(pod *corev1.Pod) []Change {
	if w.ranks == "" || w.around.Workload == nil || len(w.around.Workload.Ranks) == 0 || len(pod.Spec.Containers) == 0 {
		return nil
	}
	for _, container := range w.pod.Spec.Containers {
		if len(container.EnvFrom) > 0 || slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return tellsRanks(e.Name) }) {
			return nil
		}
	}
	var changes []Change
	for _, variable := range w.around.Workload.Ranks {
		name, wanted := variable.Name, wish{policy: w.ranks, value: variable.Value}
		if change := setEnv(pod, name, wanted); change != nil {
			change.Policy, change.Field = w.ranks, field{env, name}.String()
			changes = append(changes, *change)
		}
	}
	return changes
}
