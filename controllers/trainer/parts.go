package trainer

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// ofStep returns the replicated jobs that are a step of a TrainJob.
func (s *set) ofStep(step string) []*trainerv1alpha1.ReplicatedJob {
	var found []*trainerv1alpha1.ReplicatedJob
	for i := range s.Spec.ReplicatedJobs {
		if stepOf(&s.Spec.ReplicatedJobs[i]) == step {
			found = append(found, &s.Spec.ReplicatedJobs[i])
		}
	}
	return found
}

// jobNamed returns the replicated job of that name, nil if there is none.
func (s *set) jobNamed(name string) *trainerv1alpha1.ReplicatedJob {
	for i := range s.Spec.ReplicatedJobs {
		if s.Spec.ReplicatedJobs[i].Name == name {
			return &s.Spec.ReplicatedJobs[i]
		}
	}
	return nil
}

// stepOf is the step of a TrainJob that a replicated job is, empty if none.
func stepOf(rjob *trainerv1alpha1.ReplicatedJob) string {
	return rjob.Template.Labels[trainerv1alpha1.AncestorLabel]
}

// podsOf is the number of pods of each Job that run at a time.
func podsOf(rjob *trainerv1alpha1.ReplicatedJob) int32 {
	return min(*rjob.Template.Spec.Parallelism, *rjob.Template.Spec.Completions)
}

func setPods(rjob *trainerv1alpha1.ReplicatedJob, n int32) {
	rjob.Template.Spec.Parallelism, rjob.Template.Spec.Completions = new(n), new(n)
}

// nodeContainer is the container that trains, nil if the job has none.
func nodeContainer(rjob *trainerv1alpha1.ReplicatedJob) *corev1.Container {
	return findContainer(rjob.Template.Spec.Template.Spec.Containers, trainerv1alpha1.Node)
}

func findContainer(containers []corev1.Container, name string) *corev1.Container {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

// upsertEnv sets variables of a container, each in the place of one of its name.
func upsertEnv(c *corev1.Container, variables ...corev1.EnvVar) {
	for _, v := range variables {
		i := slices.IndexFunc(c.Env, func(old corev1.EnvVar) bool { return old.Name == v.Name })
		if i < 0 {
			c.Env = append(c.Env, v)
		} else {
			c.Env[i] = v
		}
	}
}

// jobName is the name of a Job of the set.
func jobName(set, rjob string, index int32) string {
	return fmt.Sprintf("%s-%s-%d", set, rjob, index)
}

// hostname is the name of the host that a pod is.
func hostname(set, rjob string, job, pod int32) string {
	return fmt.Sprintf("%s-%d", jobName(set, rjob, job), pod)
}

// overlay returns a copy of base with the entries of top in it, nil if there are none.
func overlay[M ~map[K]V, K comparable, V any](base, top M) M {
	if len(base) == 0 && len(top) == 0 {
		return nil
	}
	all := make(M, len(base)+len(top))
	maps.Copy(all, base)
	maps.Copy(all, top)
	return all
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// findCycle returns the name of a replicated job that waits for itself, by way of others or not; empty if none does.
func findCycle(rjobs []trainerv1alpha1.ReplicatedJob) string {
	done := map[string]bool{}
	for range rjobs {
		for _, rjob := range rjobs {
			ready := !slices.ContainsFunc(rjob.DependsOn, func(d trainerv1alpha1.DependsOn) bool { return !done[d.Name] })
			done[rjob.Name] = done[rjob.Name] || ready
		}
	}
	for _, rjob := range rjobs {
		if !done[rjob.Name] {
			return rjob.Name
		}
	}
	return ""
}
