package training

import (
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// newPod is the pod for a place that has none. inject is the kind's environment for the job, attempt how many pods of
// this name there were before.
func (k *kind) newPod(job trainingv1.Job, m member, inject injector, attempt int32) *corev1.Pod {
	template := m.spec.Template.DeepCopy()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:            m.name,
			Namespace:       job.GetNamespace(),
			Labels:          overlay(template.Labels, k.memberLabels(job, m)),
			Annotations:     overlay(template.Annotations, map[string]string{trainingv1.AttemptAnnotation: fmt.Sprint(attempt)}),
			OwnerReferences: []metav1.OwnerReference{k.ownerReference(job)},
		},
		Spec: template.Spec,
	}
	if k.isMaster(job, m.rtype, m.index) {
		pod.Labels[trainingv1.JobRoleLabel] = trainingv1.JobRoleMaster
	}
	pod.Spec.RestartPolicy = podRestartPolicy(m.spec.RestartPolicy)
	if restartsAll(job) {
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever // or the others would not learn of a restart
	}
	if n := gangAttempts(job.State()); n > 0 {
		pod.Annotations[trainingv1.GangAttemptAnnotation] = fmt.Sprint(n)
	}
	if main := mainContainer(pod.Spec.Containers, k.container); main != nil && main.TerminationMessagePolicy == "" {
		main.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError // for describeFailure
	}
	if inGang(m.spec) {
		pod.Labels[schedulingv1alpha1.PodGroupLabel] = job.GetName()
	}
	if pod.Spec.SchedulerName == "" {
		pod.Spec.SchedulerName = schedulingv1alpha1.SchedulerName
	}
	if policy := job.Policy().SchedulingPolicy; policy != nil && pod.Spec.PriorityClassName == "" {
		pod.Spec.PriorityClassName = policy.PriorityClass
	}
	inject(m, &pod.Spec)
	return pod
}

// memberLabels find the pod and the service of one place.
func (k *kind) memberLabels(job trainingv1.Job, m member) map[string]string {
	labels := k.typeLabels(job, m.rtype)
	index := fmt.Sprint(m.index)
	if k.labelIndex != nil {
		index = k.labelIndex(job, m)
	}
	if index != "" {
		labels[trainingv1.ReplicaIndexLabel] = index
	}
	return labels
}

// typeLabels find the pods and services of one replica type.
func (k *kind) typeLabels(job trainingv1.Job, t trainingv1.ReplicaType) map[string]string {
	labels := k.labels(job)
	key := trainingv1.ReplicaTypeLabel
	if k.typeLabel != "" {
		key = k.typeLabel
	}
	labels[key] = strings.ToLower(string(t))
	return labels
}

// podRestartPolicy is what the kubelet has to do. With ExitCode it does nothing: the exit code is judged here.
func podRestartPolicy(policy trainingv1.RestartPolicy) corev1.RestartPolicy {
	if policy == trainingv1.RestartPolicyExitCode {
		return corev1.RestartPolicyNever
	}
	return corev1.RestartPolicy(policy)
}

// overlay returns a copy of base with the entries of top in it.
func overlay(base, top map[string]string) map[string]string {
	all := make(map[string]string, len(base)+len(top))
	maps.Copy(all, base)
	maps.Copy(all, top)
	return all
}

// templateWarnings says what in the templates of a new job will not be as the user may expect.
func (k *kind) templateWarnings(job trainingv1.Job) []event {
	var restart, scheduler []string
	for _, t := range k.types {
		spec := job.Replicas()[t]
		if spec == nil {
			continue
		}
		if p := spec.Template.Spec.RestartPolicy; p != "" && p != podRestartPolicy(spec.RestartPolicy) {
			restart = append(restart, fmt.Sprintf("%s: %s in favour of %s", t, p, spec.RestartPolicy))
		}
		if s := spec.Template.Spec.SchedulerName; s != "" && s != schedulingv1alpha1.SchedulerName {
			scheduler = append(scheduler, fmt.Sprintf("%s: %s", t, s))
		}
	}
	var events []event
	if len(restart) > 0 {
		events = append(events, warning("SettedPodTemplateRestartPolicy",
			"The restartPolicy of the pod template is ignored (%s)", strings.Join(restart, "; ")))
	}
	if len(scheduler) > 0 {
		events = append(events, warning("SettedPodTemplateSchedulerName",
			"Pods with a scheduler of their own are not part of the job's gang (%s)", strings.Join(scheduler, "; ")))
	}
	return events
}
