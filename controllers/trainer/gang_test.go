package trainer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// drawSet draws a set of jobs that wait for each other in some way without a circle.
func drawSet(t *rapid.T) *set {
	s := &set{}
	n := rapid.IntRange(1, 6).Draw(t, "jobs")
	if rapid.IntRange(0, 4).Draw(t, "inOrder") == 0 {
		s.Spec.StartupPolicy = &trainerv1alpha1.StartupPolicy{StartupPolicyOrder: "InOrder"}
	}
	for i := range n {
		rjob := trainerv1alpha1.ReplicatedJob{Name: fmt.Sprint("j", i), Replicas: new(rapid.Int32Range(1, 2).Draw(t, "replicas"))}
		setPods(&rjob, rapid.Int32Range(1, 3).Draw(t, "pods"))
		if rapid.IntRange(0, 5).Draw(t, "alien") == 0 {
			rjob.Template.Spec.Template.Spec.SchedulerName = "other"
		}
		for j := range i {
			if status := rapid.SampledFrom([]trainerv1alpha1.DependsOnStatus{"", "", trainerv1alpha1.DependencyReady, trainerv1alpha1.DependencyComplete}).Draw(t, "waits"); status != "" && !s.inOrder() {
				rjob.DependsOn = append(rjob.DependsOn, trainerv1alpha1.DependsOn{Name: fmt.Sprint("j", j), Status: status})
			}
		}
		s.Spec.ReplicatedJobs = append(s.Spec.ReplicatedJobs, rjob)
	}
	return s
}

// Whatever waits for whatever: if pods of a gang run only when all of them have been created, all jobs come to run, and those
// that nothing waits for run together.
func TestGangsNeverWaitForEachOther(t *testing.T) {
	job := &trainerv1alpha1.TrainJob{}
	job.Name = "job"
	rapid.Check(t, func(t *rapid.T) {
		s := drawSet(t)
		minimum := map[string]int32{}
		for _, group := range s.newPodGroups(job) {
			minimum[group.Name] = group.Spec.MinMember
		}
		placed := *s
		placed.Spec = *s.Spec.DeepCopy()
		placed.schedule(job)
		gangOf := func(i int) string {
			return placed.Spec.ReplicatedJobs[i].Template.Spec.Template.Labels["scheduling.x-k8s.io/pod-group"]
		}
		counts := s.jobsStatus(nil, false)
		created := make([]bool, len(counts))
		for range 3 * len(counts) {
			pods := map[string]int32{}
			for i := range s.Spec.ReplicatedJobs {
				rjob := &s.Spec.ReplicatedJobs[i]
				created[i] = created[i] || s.mayStart(rjob, counts)
				if created[i] {
					pods[gangOf(i)] += *rjob.Replicas * podsOf(rjob)
				}
			}
			for i := range s.Spec.ReplicatedJobs {
				rjob := &s.Spec.ReplicatedJobs[i]
				awaited := slices.ContainsFunc(s.Spec.ReplicatedJobs, func(other trainerv1alpha1.ReplicatedJob) bool {
					return slices.ContainsFunc(other.DependsOn, func(d trainerv1alpha1.DependsOn) bool { return d.Name == rjob.Name })
				})
				switch whole := gangOf(i) == "" || pods[gangOf(i)] >= minimum[gangOf(i)]; {
				case !created[i] || !whole:
				case counts[i].Ready == 0 && counts[i].Succeeded == 0:
					counts[i].Ready = *rjob.Replicas
				case awaited:
					counts[i].Ready, counts[i].Succeeded = 0, *rjob.Replicas
				}
			}
		}
		for i, c := range counts {
			if c.Ready+c.Succeeded == 0 {
				t.Fatalf("%s never runs; gangs %v, set %+v", s.Spec.ReplicatedJobs[i].Name, minimum, s.Spec.ReplicatedJobs)
			}
		}
	})
}

// job is a Job of a set with conditions.
func jobWith(name, rjob string, conditions ...batchv1.JobCondition) *batchv1.Job {
	job := &batchv1.Job{}
	job.Name, job.Labels = name, map[string]string{trainerv1alpha1.ReplicatedJobNameKey: rjob, trainerv1alpha1.RestartAttemptKey: "0"}
	job.Spec.Parallelism, job.Spec.Completions = new(int32(1)), new(int32(1))
	job.Status.Conditions = conditions
	return job
}

func failedAt(seconds int, reason, message string) batchv1.JobCondition {
	return batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: at(time.Duration(seconds) * time.Second)}
}

func TestJudge(t *testing.T) {
	failed := []*batchv1.Job{
		jobWith("late", "node", failedAt(9, "BackoffLimitExceeded", "too often")),
		jobWith("early", "node", failedAt(1, "PodFailurePolicy", "exit code 42")),
		jobWith("side", "side", failedAt(5, "DeadlineExceeded", "too long")),
	}
	for _, test := range []struct {
		name, policy string
		action       trainerv1alpha1.FailurePolicyAction
		job          string
	}{
		{"no policy", ``, trainerv1alpha1.FailJobSet, "early"},
		{"no rule", `failurePolicy: {maxRestarts: 1}`, trainerv1alpha1.RestartJobSet, "early"},
		{"reason", `failurePolicy: {rules: [{action: FailJobSet, onJobFailureReasons: [BackoffLimitExceeded]}]}`, trainerv1alpha1.FailJobSet, "late"},
		{"message", `failurePolicy: {rules: [{action: RestartJobSetAndIgnoreMaxRestarts, onJobFailureMessagePatterns: ['code 4[0-9]$']}]}`, trainerv1alpha1.RestartJobSetAndIgnoreMaxRestarts, "early"},
		{"target", `failurePolicy: {rules: [{action: FailJobSet, targetReplicatedJobs: [side]}]}`, trainerv1alpha1.FailJobSet, "side"},
		{"first rule that fits", `failurePolicy: {rules: [{action: FailJobSet, targetReplicatedJobs: [none]}, {action: RestartJobSet, targetReplicatedJobs: [side]}, {action: FailJobSet}]}`, trainerv1alpha1.RestartJobSet, "side"},
		{"none fits", `failurePolicy: {rules: [{action: FailJobSet, onJobFailureReasons: [none]}]}`, trainerv1alpha1.RestartJobSet, "early"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &set{Spec: *parse[trainerv1alpha1.JobSetSpec](t, test.policy)}
			if got := s.judge(slices.Clone(failed)); got.action != test.action || got.job.Name != test.job {
				t.Errorf("%s because of %s, want %s because of %s", got.action, got.job.Name, test.action, test.job)
			}
		})
	}
}

func TestHasSucceeded(t *testing.T) {
	const jobs = "replicatedJobs: [{name: a, replicas: 2}, {name: b, replicas: 1}]"
	for _, test := range []struct {
		policy string
		a, b   int32
		want   bool
	}{
		{`{operator: All}`, 2, 0, false},
		{`{operator: All}`, 2, 1, true},
		{`{operator: Any}`, 0, 0, false},
		{`{operator: Any}`, 0, 1, true},
		{`{operator: Any, targetReplicatedJobs: [a]}`, 0, 1, false},
		{`{operator: All, targetReplicatedJobs: [b]}`, 0, 1, true},
	} {
		s := &set{Spec: *parse[trainerv1alpha1.JobSetSpec](t, jobs+"\nsuccessPolicy: "+test.policy)}
		if got := s.hasSucceeded([]trainerv1alpha1.JobStatus{{Name: "a", Succeeded: test.a}, {Name: "b", Succeeded: test.b}}); got != test.want {
			t.Errorf("%s with %d and %d: %v", test.policy, test.a, test.b, got)
		}
	}
}
