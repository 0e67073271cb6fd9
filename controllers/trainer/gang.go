package trainer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	resourcehelper "k8s.io/component-helpers/resource"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// volcanoQueue is the annotation by which runtimes made for Volcano name a queue.
const volcanoQueue = "scheduling.volcano.sh/queue-name"

// gang is a PodGroup to be, and the replicated jobs whose pods are in it.
type gang struct {
	name    string
	members []*trainerv1alpha1.ReplicatedJob
}

// gangs divides the set into what is placed together.
//
// A gang must not wait for pods that are created only when some of it have run. So jobs that others wait for, such as
// initializers, are not in the gang of those others: each is a gang by itself, and all jobs that nothing waits for are the
// gang with the TrainJob's name. The pods of a job are created together, and what a gang by itself waits for is a gang by
// itself too; so by induction along dependsOn, which has no cycle, none waits for ever.
func (s *set) gangs(job *trainerv1alpha1.TrainJob) []gang {
	awaited := map[string]bool{}
	for i, rjob := range s.Spec.ReplicatedJobs {
		for _, d := range rjob.DependsOn {
			awaited[d.Name] = true
		}
		if s.inOrder() && i+1 < len(s.Spec.ReplicatedJobs) {
			awaited[rjob.Name] = true
		}
	}
	main := gang{name: job.Name}
	var all []gang
	for i := range s.Spec.ReplicatedJobs {
		rjob := &s.Spec.ReplicatedJobs[i]
		switch {
		case !inGang(rjob) || *rjob.Replicas*podsOf(rjob) == 0:
		case !awaited[rjob.Name]:
			main.members = append(main.members, rjob)
		case *rjob.Replicas*podsOf(rjob) > 1: // a single pod is a gang without a PodGroup
			all = append(all, gang{name: job.Name + "-" + rjob.Name, members: []*trainerv1alpha1.ReplicatedJob{rjob}})
		}
	}
	if len(main.members) > 0 {
		all = append([]gang{main}, all...)
	}
	return all
}

func (s *set) inOrder() bool {
	return s.Spec.StartupPolicy != nil && s.Spec.StartupPolicy.StartupPolicyOrder == "InOrder"
}

// inGang says whether the pods of a replicated job are placed with others. They are not if the runtime gives them to another
// scheduler or to a PodGroup of its own.
func inGang(rjob *trainerv1alpha1.ReplicatedJob) bool {
	pod := &rjob.Template.Spec.Template
	if name := pod.Spec.SchedulerName; name != "" && name != schedulingv1alpha1.SchedulerName {
		return false
	}
	return pod.Labels[schedulingv1alpha1.PodGroupLabel] == ""
}

// queue is the job's queue: its label, else that of the set; else the queue that the set names for Volcano.
func (s *set) queue(job *trainerv1alpha1.TrainJob) string {
	for _, queue := range []string{
		job.Labels[schedulingv1alpha1.QueueLabel], s.Labels[schedulingv1alpha1.QueueLabel],
		job.Annotations[volcanoQueue], s.Annotations[volcanoQueue],
	} {
		if queue != "" {
			return queue
		}
	}
	return ""
}

// newPodGroups are the gangs of a set, of which schedule has not been called.
func (s *set) newPodGroups(job *trainerv1alpha1.TrainJob) []*podgroupv1alpha1.PodGroup {
	var groups []*podgroupv1alpha1.PodGroup
	for _, g := range s.gangs(job) {
		group := &podgroupv1alpha1.PodGroup{ObjectMeta: metadata(job, g.name)}
		group.Annotations = overlay(s.Annotations, job.Annotations)
		delete(group.Annotations, corev1.LastAppliedConfigAnnotation)
		if queue := s.queue(job); queue != "" {
			group.Labels[schedulingv1alpha1.QueueLabel] = queue
		}
		group.Spec = s.podGroupSpec(g, group)
		groups = append(groups, group)
	}
	return groups
}

func (s *set) podGroupSpec(g gang, group *podgroupv1alpha1.PodGroup) podgroupv1alpha1.PodGroupSpec {
	spec := podgroupv1alpha1.PodGroupSpec{MinResources: corev1.ResourceList{}, ScheduleTimeoutSeconds: s.ScheduleTimeoutSeconds}
	roles := map[string]int32{}
	for _, rjob := range g.members {
		n := *rjob.Replicas * podsOf(rjob)
		if rjob.Name == s.Elastic {
			n = min(n, s.MinNodes)
		}
		spec.MinMember += n
		roles[role(rjob)] += n
		addRequests(spec.MinResources, rjob, int64(n))
	}
	if s.Elastic != "" && group.Annotations[schedulingv1alpha1.MinMembersAnnotation] == "" {
		text, err := json.Marshal(roles)
		if err != nil {
			panic(fmt.Sprintf("strings and integers cannot be written as JSON: %v", err))
		}
		group.Annotations = overlay(group.Annotations, map[string]string{schedulingv1alpha1.MinMembersAnnotation: string(text)})
	}
	return spec
}

// role is that of the pods of a replicated job within their gang.
func role(rjob *trainerv1alpha1.ReplicatedJob) string {
	if given := rjob.Template.Spec.Template.Labels[schedulingv1alpha1.RoleLabel]; given != "" {
		return given
	}
	return rjob.Name
}

// addRequests adds what n pods of a replicated job request; where only a limit is given, that is the request.
func addRequests(total corev1.ResourceList, rjob *trainerv1alpha1.ReplicatedJob, n int64) {
	pod := &corev1.Pod{Spec: *rjob.Template.Spec.Template.Spec.DeepCopy()}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].Resources.Requests = overlay(containers[i].Resources.Limits, containers[i].Resources.Requests)
		}
	}
	for name, quantity := range resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}) {
		quantity.Mul(n)
		sum := total[name]
		sum.Add(quantity)
		total[name] = sum
	}
}

// syncPodGroup returns existing as it should be, and false if it is so already. What others have put on the group stays.
func syncPodGroup(existing, wanted *podgroupv1alpha1.PodGroup) (*podgroupv1alpha1.PodGroup, bool) {
	group := existing.DeepCopy()
	group.Labels = overlay(existing.Labels, wanted.Labels)
	group.Annotations = overlay(existing.Annotations, wanted.Annotations)
	group.Spec = wanted.Spec
	same := equality.Semantic.DeepEqual(existing.Spec, group.Spec) &&
		maps.Equal(existing.Labels, group.Labels) && maps.Equal(existing.Annotations, group.Annotations)
	return group, !same
}

// groupNames are the names that the PodGroups of a set have, sorted.
func groupNames(groups map[string]*podgroupv1alpha1.PodGroup) []string {
	return slices.Sorted(maps.Keys(groups))
}
