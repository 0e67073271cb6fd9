package training

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourcehelper "k8s.io/component-helpers/resource"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// inGang says whether the pods of a replica type belong to the job's own gang. They do not if the user gave them to
// another scheduler or to a PodGroup of their own.
func inGang(spec *trainingv1.ReplicaSpec) bool {
	scheduler := spec.Template.Spec.SchedulerName
	if scheduler != "" && scheduler != schedulingv1alpha1.SchedulerName {
		return false
	}
	_, own := spec.Template.Labels[schedulingv1alpha1.PodGroupLabel]
	return !own
}

// newPodGroup is the gang of a job, nil if none of its pods belongs to one.
func (k *kind) newPodGroup(job trainingv1.Job) *podgroupv1alpha1.PodGroup {
	var members []member
	for _, m := range k.members(job, nil) {
		if inGang(m.spec) {
			members = append(members, m)
		}
	}
	if len(members) == 0 {
		return nil
	}
	minimum := k.gangMinimum(job, members)
	group := &podgroupv1alpha1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{
			Name:            job.GetName(),
			Namespace:       job.GetNamespace(),
			Labels:          k.labels(job),
			Annotations:     maps.Clone(job.GetAnnotations()),
			OwnerReferences: []metav1.OwnerReference{k.ownerReference(job)},
		},
		Spec: podgroupv1alpha1.PodGroupSpec{MinMember: minimum.total, MinResources: requests(members[:minimum.total])},
	}
	delete(group.Annotations, corev1.LastAppliedConfigAnnotation)
	minimum.annotate(group)
	if queue := job.GetLabels()[schedulingv1alpha1.QueueLabel]; queue != "" {
		group.Labels[schedulingv1alpha1.QueueLabel] = queue
	}
	if policy := job.Policy().SchedulingPolicy; policy != nil {
		if policy.Queue != "" {
			group.Labels[schedulingv1alpha1.QueueLabel] = policy.Queue
		}
		if policy.MinResources != nil {
			group.Spec.MinResources = corev1.ResourceList(*policy.MinResources)
		}
		group.Spec.ScheduleTimeoutSeconds = policy.ScheduleTimeoutSeconds
	}
	return group
}

// minimum is how many members must be placed together.
type minimum struct {
	total int32
	roles map[string]int32 // by replica type in lower case; nil: no matter which
}

// gangMinimum is schedulingPolicy.minAvailable, else all members; for an elastic job the leader with the least number of
// workers. The leader of an elastic job is part of its gang in any case: workers alone could do nothing.
func (k *kind) gangMinimum(job trainingv1.Job, members []member) minimum {
	all := int32(len(members))
	wanted := all
	policy := job.Policy().SchedulingPolicy
	if policy != nil && policy.MinAvailable != nil {
		wanted = min(*policy.MinAvailable, all)
	}
	elastic := k.elasticPolicy(job)
	if elastic == nil {
		return minimum{total: wanted, roles: k.leaderRoles(job, members, wanted)}
	}
	workers := int32(len(ofType(members, k.worker)))
	roles := map[string]int32{}
	for _, t := range k.types {
		if n := int32(len(ofType(members, t))); t != k.worker && n > 0 {
			roles[strings.ToLower(string(t))] = n
		}
	}
	if policy != nil && policy.MinAvailable != nil {
		return minimum{total: max(wanted, all-workers), roles: roles}
	}
	least := min(*elastic.MinReplicas, workers)
	if least > 0 {
		roles[strings.ToLower(string(k.worker))] = least
	}
	return minimum{total: all - workers + least, roles: roles}
}

// leaderRoles are the leaders of a job that starts with some of its pods, if these are enough for them: without its leader, it
// could do nothing. Leaders to which the user gave another role are left to the user.
func (k *kind) leaderRoles(job trainingv1.Job, members []member, wanted int32) map[string]int32 {
	leader, ok := k.leader(job)
	n := int32(len(ofType(members, leader)))
	if !ok || n == 0 || n > wanted || wanted == int32(len(members)) {
		return nil
	}
	if _, other := job.Replicas()[leader].Template.Labels[schedulingv1alpha1.RoleLabel]; other {
		return nil
	}
	return map[string]int32{strings.ToLower(string(leader)): n}
}

// annotate writes the minimum of each role on the group, unless the user has done so on the job.
func (m minimum) annotate(group *podgroupv1alpha1.PodGroup) {
	if len(m.roles) == 0 || group.Annotations[schedulingv1alpha1.MinMembersAnnotation] != "" {
		return
	}
	text, err := json.Marshal(m.roles)
	if err != nil {
		panic(fmt.Sprintf("strings and integers cannot be written as JSON: %v", err))
	}
	group.Annotations = overlay(group.Annotations, map[string]string{schedulingv1alpha1.MinMembersAnnotation: string(text)})
}

// requests is what the pods of the members request together; where only a limit is given, that is the request.
func requests(members []member) corev1.ResourceList {
	total := corev1.ResourceList{}
	var one corev1.ResourceList
	for i, m := range members {
		if i == 0 || m.spec != members[i-1].spec {
			pod := &corev1.Pod{Spec: *m.spec.Template.Spec.DeepCopy()}
			limitsAsRequests(pod.Spec.InitContainers)
			limitsAsRequests(pod.Spec.Containers)
			one = resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
		}
		for name, quantity := range one {
			sum := total[name]
			sum.Add(quantity)
			total[name] = sum
		}
	}
	return total
}

// limitsAsRequests does what the API server does when it stores a pod.
func limitsAsRequests(containers []corev1.Container) {
	for i := range containers {
		r := &containers[i].Resources
		for name, quantity := range r.Limits {
			if _, ok := r.Requests[name]; !ok {
				if r.Requests == nil {
					r.Requests = corev1.ResourceList{}
				}
				r.Requests[name] = quantity
			}
		}
	}
}

// syncPodGroup returns existing as it should be, and false if it is so already. What others have put on the group stays.
func syncPodGroup(existing, wanted *podgroupv1alpha1.PodGroup) (*podgroupv1alpha1.PodGroup, bool) {
	group := existing.DeepCopy()
	group.Labels = overlay(existing.Labels, wanted.Labels)
	group.Annotations = overlay(existing.Annotations, wanted.Annotations)
	group.Spec = wanted.Spec
	return group, !equality.Semantic.DeepEqual(existing.Spec, group.Spec) ||
		!maps.Equal(existing.Labels, group.Labels) || !maps.Equal(existing.Annotations, group.Annotations)
}
