package manifest

import (
	"fmt"
	"maps"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// musterPrefix is that of all labels and annotations that Muster's scheduler reads.
const musterPrefix = "scheduling.muster.dev/"

// podsOf returns the pods of a Job that would run at once, with the labels by which pods may find or avoid each other.
func podsOf(job *batchv1.Job) []corev1.Pod {
	n := int32(1)
	if job.Spec.Parallelism != nil {
		n = *job.Spec.Parallelism
	}
	if job.Spec.Completions != nil {
		n = min(n, *job.Spec.Completions)
	}
	pods := make([]corev1.Pod, 0, max(n, 0))
	for i := range n {
		template := job.Spec.Template.DeepCopy()
		pod := corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
		pod.Name, pod.Namespace = fmt.Sprintf("%s-%d", job.Name, i), job.Namespace
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels[batchv1.JobNameLabel] = job.Name
		pod.Labels["job-name"] = job.Name
		if mode := job.Spec.CompletionMode; mode != nil && *mode == batchv1.IndexedCompletion {
			pod.Labels[batchv1.JobCompletionIndexAnnotation] = fmt.Sprint(i)
		}
		pods = append(pods, pod)
	}
	return pods
}

// groupOf is a PodGroup of all pods of a Job that has none. What the pods say to Muster it says as well.
func groupOf(job *batchv1.Job, pods []corev1.Pod) *podgroupv1alpha1.PodGroup {
	forMuster := func(all map[string]string) map[string]string {
		some := maps.Clone(all)
		maps.DeleteFunc(some, func(key, _ string) bool { return !strings.HasPrefix(key, musterPrefix) })
		return some
	}
	group := &podgroupv1alpha1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{
			Name: job.Name, Namespace: job.Namespace,
			Labels: forMuster(pods[0].Labels), Annotations: forMuster(pods[0].Annotations),
		},
		Spec: podgroupv1alpha1.PodGroupSpec{MinMember: int32(len(pods))},
	}
	for i := range pods {
		pods[i].Labels[schedulingv1alpha1.PodGroupLabel] = job.Name
	}
	return group
}
