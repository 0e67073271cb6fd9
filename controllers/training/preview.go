package training

import (
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// Preview returns what the controller would create for a new job, of a type that NewJob returns: the PodGroup, nil if
// no pod of the job is in its gang, and all pods, leaders first. The job, of which namespace and name must be set, is not
// changed. It fails on a job that the controller would refuse, with what the controller would say.
func Preview(config Config, job trainingv1.Job) (*podgroupv1alpha1.PodGroup, []corev1.Pod, error) {
	if job != nil {
		job = asWritten(job.DeepCopyObject().(trainingv1.Job))
	}
	i := slices.IndexFunc(kinds, func(k *kind) bool { return reflect.TypeOf(k.newJob()) == reflect.TypeOf(job) })
	if i < 0 {
		return nil, nil, fmt.Errorf("no controller knows jobs of type %T", job)
	}
	k := kinds[i].of(job)
	k.setAllDefaults(job)
	if errs := k.validateJob(job); len(errs) > 0 {
		return nil, nil, fmt.Errorf("%s %s is not valid: %w", k.name, job.GetName(), errs.ToAggregate())
	}
	var pods []corev1.Pod
	inject := k.environment(k, config, job)
	for _, m := range k.members(job, nil) {
		pods = append(pods, *k.newPod(job, m, inject, 0))
	}
	return k.newPodGroup(job), pods, nil
}
