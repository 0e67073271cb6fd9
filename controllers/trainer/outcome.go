package trainer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// jobCondition returns a condition of a Job if it is true, else nil.
func jobCondition(job *batchv1.Job, t batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == t && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

func completed(job *batchv1.Job) bool { return jobCondition(job, batchv1.JobComplete) != nil }
func failed(job *batchv1.Job) bool    { return jobCondition(job, batchv1.JobFailed) != nil }

// isReady says whether all pods that a Job still has to have are ready.
func isReady(job *batchv1.Job) bool {
	ready := int32(0)
	if job.Status.Ready != nil {
		ready = *job.Status.Ready
	}
	return ready+job.Status.Succeeded >= min(*job.Spec.Parallelism, *job.Spec.Completions)
}

// countJobs counts the Jobs of each replicated job by how they do. Those that do not exist count as suspended while the
// set is.
func (s *set) jobsStatus(jobs []*batchv1.Job, suspended bool) []trainerv1alpha1.JobStatus {
	counts := make([]trainerv1alpha1.JobStatus, len(s.Spec.ReplicatedJobs))
	for i := range counts {
		rjob := &s.Spec.ReplicatedJobs[i]
		counts[i].Name = rjob.Name
		for _, job := range jobs {
			if job.Labels[trainerv1alpha1.ReplicatedJobNameKey] == rjob.Name {
				count(&counts[i], job)
			}
		}
		if suspended {
			counts[i].Active, counts[i].Ready = 0, 0
			counts[i].Suspended = *rjob.Replicas - counts[i].Succeeded
		}
	}
	return counts
}

func count(counts *trainerv1alpha1.JobStatus, job *batchv1.Job) {
	switch {
	case completed(job):
		counts.Succeeded++
		return
	case failed(job):
		counts.Failed++
		return
	}
	if isReady(job) {
		counts.Ready++
	}
	if job.Status.Active > 0 {
		counts.Active++
	}
}

// statusOf finds the counts of a replicated job.
func statusOf(counts []trainerv1alpha1.JobStatus, name string) trainerv1alpha1.JobStatus {
	for _, c := range counts {
		if c.Name == name {
			return c
		}
	}
	return trainerv1alpha1.JobStatus{}
}

// hasSucceeded says whether the success policy is fulfilled.
func (s *set) hasSucceeded(counts []trainerv1alpha1.JobStatus) bool {
	policy := s.Spec.SuccessPolicy
	var wanted, done int32
	for i := range s.Spec.ReplicatedJobs {
		rjob := &s.Spec.ReplicatedJobs[i]
		if len(policy.TargetReplicatedJobs) == 0 || slices.Contains(policy.TargetReplicatedJobs, rjob.Name) {
			wanted += *rjob.Replicas
			done += statusOf(counts, rjob.Name).Succeeded
		}
	}
	if policy.Operator == trainerv1alpha1.OperatorAny {
		return done > 0
	}
	return done >= wanted
}

// mayStart says whether all that a replicated job waits for has come true.
func (s *set) mayStart(rjob *trainerv1alpha1.ReplicatedJob, counts []trainerv1alpha1.JobStatus) bool {
	if s.inOrder() {
		for i := range s.Spec.ReplicatedJobs {
			before := &s.Spec.ReplicatedJobs[i]
			if before.Name == rjob.Name {
				break
			}
			if !isUp(before, statusOf(counts, before.Name)) {
				return false
			}
		}
	}
	for _, d := range rjob.DependsOn {
		other, c := s.jobNamed(d.Name), statusOf(counts, d.Name)
		if d.Status == trainerv1alpha1.DependencyComplete && c.Succeeded < *other.Replicas ||
			d.Status == trainerv1alpha1.DependencyReady && !isUp(other, c) {
			return false
		}
	}
	return true
}

// isUp says whether all Jobs of a replicated job are ready, or were.
func isUp(rjob *trainerv1alpha1.ReplicatedJob, counts trainerv1alpha1.JobStatus) bool {
	return counts.Ready+counts.Succeeded+counts.Failed >= *rjob.Replicas
}

// isRunning says whether all pods that are placed together run.
func (s *set) isRunning(job *trainerv1alpha1.TrainJob, counts []trainerv1alpha1.JobStatus) bool {
	running := false
	for _, g := range s.gangs(job) {
		if g.name != job.Name {
			continue
		}
		for _, rjob := range g.members {
			if !isUp(rjob, statusOf(counts, rjob.Name)) {
				return false
			}
			running = true
		}
	}
	return running
}

// verdict is what follows from failed Jobs.
type verdict struct {
	action trainerv1alpha1.FailurePolicyAction
	job    *batchv1.Job // the one that decides
}

// judge applies the failure policy. The first rule that any failed Job fits counts, and of the Jobs that fit it, the one
// that failed first.
func (s *set) judge(failed []*batchv1.Job) verdict {
	slices.SortStableFunc(failed, func(a, b *batchv1.Job) int {
		return jobCondition(a, batchv1.JobFailed).LastTransitionTime.Compare(jobCondition(b, batchv1.JobFailed).LastTransitionTime.Time)
	})
	if s.Spec.FailurePolicy == nil {
		return verdict{trainerv1alpha1.FailJobSet, failed[0]}
	}
	for _, rule := range s.Spec.FailurePolicy.Rules {
		if i := slices.IndexFunc(failed, func(job *batchv1.Job) bool { return fits(rule, job) }); i >= 0 {
			return verdict{rule.Action, failed[i]}
		}
	}
	return verdict{trainerv1alpha1.RestartJobSet, failed[0]}
}

func fits(rule trainerv1alpha1.FailurePolicyRule, job *batchv1.Job) bool {
	c := jobCondition(job, batchv1.JobFailed)
	if len(rule.OnJobFailureReasons) > 0 && !slices.Contains(rule.OnJobFailureReasons, c.Reason) {
		return false
	}
	if len(rule.TargetReplicatedJobs) > 0 && !slices.Contains(rule.TargetReplicatedJobs, job.Labels[trainerv1alpha1.ReplicatedJobNameKey]) {
		return false
	}
	return len(rule.OnJobFailureMessagePatterns) == 0 ||
		slices.ContainsFunc(rule.OnJobFailureMessagePatterns, func(pattern string) bool {
			matches, err := regexp.MatchString(pattern, c.Message)
			return err == nil && matches // a pattern that is none was refused before
		})
}

// describeFailure says why a Job failed: its own reason, and how the first of its pods that failed ended.
func describeFailure(job *batchv1.Job, pods []corev1.Pod) string {
	c := jobCondition(job, batchv1.JobFailed)
	text := fmt.Sprintf("Job %s failed: %s: %s", job.Name, c.Reason, c.Message)
	var first *corev1.Pod
	var how *corev1.ContainerStateTerminated
	var container string
	for i := range pods {
		if pods[i].Labels[batchv1.JobNameLabel] != job.Name {
			continue
		}
		name, t := failureOf(&pods[i])
		if t != nil && (how == nil || t.FinishedAt.Before(&how.FinishedAt)) {
			first, how, container = &pods[i], t, name
		}
	}
	if first == nil {
		return text
	}
	text += fmt.Sprintf("; pod %s: container %s ended with exit code %d", first.Name, container, how.ExitCode)
	if how.Reason != "" && how.Reason != "Error" {
		text += " (" + how.Reason + ")"
	}
	if last := strings.TrimSpace(how.Message); last != "" {
		text += ": " + last
	}
	return text
}

// failureOf is the first container of a pod that failed, or failed last before it was restarted, and how.
func failureOf(pod *corev1.Pod) (string, *corev1.ContainerStateTerminated) {
	var name string
	var first *corev1.ContainerStateTerminated
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		for _, t := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
			if t != nil && t.ExitCode != 0 && (first == nil || t.FinishedAt.Before(&first.FinishedAt)) {
				name, first = s.Name, t
			}
		}
	}
	return name, first
}
