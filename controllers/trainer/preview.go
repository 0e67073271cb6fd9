package trainer

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// Preview returns what a new TrainJob would become with a runtime, neither of which is changed: its PodGroups, and all its
// pods, those of a later step too, in the order of the runtime's jobs. Pods have a name that says which they are; the real
// one ends at random. It fails where the controller would refuse the job, with what the controller would say.
func Preview(runtime *trainerv1alpha1.TrainingRuntimeSpec, job *trainerv1alpha1.TrainJob) ([]*podgroupv1alpha1.PodGroup, []corev1.Pod, error) {
	if problem := unknownKind(job.Spec.RuntimeRef); problem != "" {
		return nil, nil, fmt.Errorf("TrainJob %s is not valid: %s", job.Name, problem)
	}
	made, err := expand(runtime, job)
	if err != nil {
		return nil, nil, fmt.Errorf("TrainJob %s is not valid: %w", job.Name, err)
	}
	placed := (&pass{job: job, set: made}).placedSet()
	var pods []corev1.Pod
	for i := range placed.Spec.ReplicatedJobs {
		rjob := &placed.Spec.ReplicatedJobs[i]
		for index := range *rjob.Replicas {
			for n := range podsOf(rjob) {
				template := placed.newJob(job, rjob, index, 0).Spec.Template
				pod := corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
				pod.Name, pod.Namespace = hostname(job.Name, rjob.Name, index, n), job.Namespace
				pod.Labels[batchv1.JobCompletionIndexAnnotation] = fmt.Sprint(n)
				pods = append(pods, pod)
			}
		}
	}
	return made.newPodGroups(job), pods, nil
}
