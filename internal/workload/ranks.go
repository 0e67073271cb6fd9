package workload

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// masterPort is where torchrun meets if nobody says otherwise.
const masterPort = 29500

// Ranks is what torchrun reads to find the others: the number of pods, which one this is, and where number 0 is. It is empty where
// any of that is not clear: where the pod has no number, no stable name, or where the workload may be several worlds. job is the
// Job that controls the pod, nil where none does.
func Ranks(object, job *unstructured.Unstructured, pod *corev1.Pod) []corev1.EnvVar {
	if pod.Spec.Subdomain == "" || pod.Spec.HostNetwork {
		return nil
	}
	var place place
	switch object.GetKind() {
	case "Job":
		// Of a set of Jobs that is no JobSet here, such as a TrainJob's, whoever made it tells the ranks.
		if _, ofSet := pod.Labels[jobSetLabel]; !ofSet {
			place = inJob(object, pod)
		}
	case "JobSet":
		place = inJobSet(object, job, pod)
	case "LeaderWorkerSet":
		place = inGroup(object, pod)
	}
	if place.pods < 2 || place.rank < 0 || place.rank >= place.pods {
		return nil
	}
	return []corev1.EnvVar{
		{Name: "PET_NNODES", Value: strconv.Itoa(place.pods)},
		{Name: "PET_NODE_RANK", Value: strconv.Itoa(place.rank)},
		{Name: "PET_MASTER_ADDR", Value: place.master + "." + pod.Spec.Subdomain},
		{Name: "PET_MASTER_PORT", Value: strconv.Itoa(masterPort)},
	}
}

// place is which one of how many pods one is, and the host name of the first; without pods it is not clear.
type place struct {
	pods, rank int
	master     string
}

// inJob is the place in an Indexed Job of which all pods run at a time, each under its own name.
func inJob(job *unstructured.Unstructured, pod *corev1.Pod) place {
	pods, _, together := atATime(job.Object)
	mode, _, _ := unstructured.NestedString(job.Object, "spec", "completionMode")
	index, err := strconv.Atoi(pod.Labels["batch.kubernetes.io/job-completion-index"])
	if !together || mode != "Indexed" || err != nil || pod.Spec.Hostname != fmt.Sprintf("%s-%d", job.GetName(), index) {
		return place{}
	}
	return place{int(pods), index, job.GetName() + "-0"}
}

// inJobSet is the place in a JobSet of one replicated job: of several, which of them meet is the program's own affair.
func inJobSet(jobSet, job *unstructured.Unstructured, pod *corev1.Pod) place {
	jobs, _ := replicatedJobs(jobSet)
	if len(jobs) != 1 || job == nil || job.GetKind() != "Job" {
		return place{}
	}
	if _, coordinated, _ := unstructured.NestedFieldNoCopy(jobSet.Object, "spec", "coordinator"); coordinated {
		return place{}
	}
	inside := inJob(job, pod)
	jobIndex, err := strconv.Atoi(pod.Labels["jobset.sigs.k8s.io/job-index"])
	name, _, _ := unstructured.NestedString(jobs[0], "name")
	stem := jobSet.GetName() + "-" + name + "-"
	// A Job of one pod has a number and a name too.
	if inside.pods == 0 || err != nil || job.GetName() != stem+strconv.Itoa(jobIndex) {
		return place{}
	}
	replicas := int(number(jobs[0], 1, "replicas"))
	return place{replicas * inside.pods, jobIndex*inside.pods + inside.rank, stem + "0-0"}
}

// inGroup is the place in a group of a LeaderWorkerSet, whose leader has the number 0.
func inGroup(set *unstructured.Unstructured, pod *corev1.Pod) place {
	group, ok := groupPart(set, Pod{Name: pod.Name, Labels: pod.Labels})
	leader := set.GetName() + "-" + group
	if !ok || pod.Spec.Hostname != "" && pod.Spec.Hostname != pod.Name {
		return place{}
	}
	size := int(number(set.Object, 1, "spec", "leaderWorkerTemplate", "size"))
	if pod.Name == leader {
		return place{size, 0, leader}
	}
	var rank int
	if n, err := fmt.Sscanf(pod.Name, leader+"-%d", &rank); n != 1 || err != nil || pod.Name != fmt.Sprintf("%s-%d", leader, rank) {
		return place{}
	}
	return place{size, rank, leader}
}

// Role is what the pod is among the members of its gang: the replicated job of a JobSet, or leader and worker of a group. It is
// empty where all are alike.
func Role(object *unstructured.Unstructured, pod *corev1.Pod) string {
	switch object.GetKind() {
	case "JobSet":
		return pod.Labels[replicatedJobLabel]
	case "LeaderWorkerSet":
		switch place := inGroup(object, pod); {
		case place.pods == 0:
		case place.rank == 0:
			return "leader"
		default:
			return "worker"
		}
	}
	return ""
}
