package trainer

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

const simple = "{metadata: {name: job}, spec: {runtimeRef: {name: torch-distributed}}}"

// world is what a test's plans have made of a TrainJob.
type world struct {
	*testing.T
	job  *trainerv1alpha1.TrainJob
	seen observed
	now  time.Time
}

func newWorld(t *testing.T, job string) *world {
	return &world{T: t, job: trainJob(t, job), now: noon, seen: observed{runtime: stock(t, "torch-distributed"), groups: map[string]*podgroupv1alpha1.PodGroup{}}}
}

// step decides and does what was decided.
func (w *world) step() plan {
	w.Helper()
	p := decide(w.job, w.seen, w.now)
	w.job.Status = *p.status
	if p.store != nil {
		w.seen.set = p.store
	}
	if p.forget {
		w.seen.set = nil
	}
	for _, group := range p.groups {
		w.seen.groups[group.Name] = group
	}
	for _, object := range p.create {
		switch object := object.(type) {
		case *batchv1.Job:
			w.seen.jobs = append(w.seen.jobs, object)
		case *corev1.Service:
			w.seen.service = object
		case *unstructured.Unstructured:
			read, err := readJobSet(object)
			if err != nil {
				w.Fatal(err)
			}
			w.seen.jobSet = read
		}
	}
	for _, object := range p.remove {
		switch object := object.(type) {
		case *batchv1.Job:
			object.DeletionTimestamp = new(metav1.NewTime(w.now))
		case *podgroupv1alpha1.PodGroup:
			delete(w.seen.groups, object.Name)
		}
	}
	return p
}

// settle expects that nothing is left to be done.
func (w *world) settle() {
	w.Helper()
	if p := w.step(); len(p.create)+len(p.update)+len(p.groups)+len(p.remove)+len(p.events) > 0 || p.store != nil || p.forget || p.jobSet != nil {
		w.Errorf("there is more to do: %+v", p)
	}
}

// expect compares the states that the job has been in.
func (w *world) expect(want string) {
	w.Helper()
	var states []string
	for _, c := range w.job.Status.Conditions {
		sign := "-"
		if c.Status == metav1.ConditionTrue {
			sign = ""
		}
		states = append(states, sign+c.Type+"/"+c.Reason)
	}
	if got := strings.Join(states, " "); got != want {
		w.Errorf("conditions %s, want %s", got, want)
	}
}

// forgetDeleted lets Jobs go that were deleted.
func (w *world) forgetDeleted() {
	var left []*batchv1.Job
	for _, job := range w.seen.jobs {
		if job.DeletionTimestamp == nil {
			left = append(left, job)
		}
	}
	w.seen.jobs = left
}

func TestLife(t *testing.T) {
	w := newWorld(t, simple)
	w.step()
	w.settle()
	w.expect("Created/TrainJobCreated")
	w.seen.jobs[0].Status.Ready, w.seen.jobs[0].Status.Active = new(int32(1)), 1
	w.step()
	w.expect("Created/TrainJobCreated Running/TrainJobRunning")
	w.seen.jobs[0].Status.Ready = new(int32(0))
	w.step()
	w.expect("-Running/PodsNotReady Created/TrainJobCreated")
	w.seen.jobs[0].Status = batchv1.JobStatus{Succeeded: 1, Conditions: []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}}
	w.step()
	w.settle()
	w.expect("-Running/PodsNotReady Created/TrainJobCreated Complete/AllJobsCompleted")
	if len(w.seen.groups) > 0 || w.job.Status.CompletionTime == nil {
		t.Errorf("groups %v, status %+v", w.seen.groups, w.job.Status)
	}
}

// New Jobs come when the old ones are gone, not before.
func TestRestart(t *testing.T) {
	w := newWorld(t, simple)
	w.seen.runtime.Template.Spec.FailurePolicy = &trainerv1alpha1.FailurePolicy{MaxRestarts: 1}
	w.step()
	for range 2 {
		w.seen.jobs[0].Status.Conditions = []batchv1.JobCondition{failedAt(1, "BackoffLimitExceeded", "too often")}
		w.step()
		if p := w.step(); len(p.create) > 0 {
			t.Errorf("created beside what is being deleted: %v", p.create)
		}
		if finished(&w.job.Status) {
			break
		}
		w.forgetDeleted()
		w.step()
		if got := w.seen.jobs[0].Labels[trainerv1alpha1.RestartAttemptKey]; got != "1" {
			t.Errorf("attempt %s", got)
		}
	}
	w.expect("Created/TrainJobCreated Failed/ReachedMaxRestarts")
	if w.job.Status.Restarts != 1 {
		t.Errorf("%d restarts", w.job.Status.Restarts)
	}
}

// A restart that was stored before the controller died is carried out after that.
func TestRestartCutOff(t *testing.T) {
	w := newWorld(t, simple)
	w.step()
	w.job.Status.Restarts = 1
	p := w.step()
	if len(p.remove) != 1 || len(p.create) > 0 {
		t.Errorf("removes %v, creates %v", p.remove, p.create)
	}
}

func TestSuspension(t *testing.T) {
	w := newWorld(t, simple)
	w.job.Spec.Suspend = new(true)
	w.step()
	w.settle()
	w.expect("Suspended/Suspended")
	if len(w.seen.jobs)+len(w.seen.groups) > 0 {
		t.Error("a suspended job has begun")
	}
	w.job.Spec.Suspend = nil
	w.step()
	w.expect("-Suspended/Resumed Created/TrainJobCreated")
	w.job.Spec.Suspend = new(true)
	w.step()
	w.forgetDeleted()
	w.settle()
	w.expect("Created/TrainJobCreated Suspended/Suspended")
	w.job.Spec.Suspend = new(false)
	w.now = noon.Add(time.Hour)
	w.seen.runtime.Template.Spec.ReplicatedJobs[0].Template.Spec.Template.Spec.Containers[0].Image = "new"
	w.step()
	w.step()
	if got := w.seen.jobs[0].Spec.Template.Spec.Containers[0].Image; got != "new" || !w.job.Status.StartTime.Equal(new(at(time.Hour))) {
		t.Errorf("resumed with the image %s at %v", got, w.job.Status.StartTime)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, "{metadata: {name: job}, spec: {runtimeRef: {name: torch-distributed}, activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 30}}")
	if p := w.step(); p.after != time.Minute {
		t.Errorf("looks again after %v", p.after)
	}
	w.now = noon.Add(time.Minute)
	if p := w.step(); p.after != 30*time.Second || w.seen.jobs[0].DeletionTimestamp == nil {
		t.Errorf("looks again after %v, Job deleted at %v", p.after, w.seen.jobs[0].DeletionTimestamp)
	}
	w.expect("Created/TrainJobCreated Failed/DeadlineExceeded")
	w.now = noon.Add(90 * time.Second)
	if p := w.step(); !p.expired {
		t.Error("not deleted when its time to live is over")
	}
}

func TestNamespaceEnds(t *testing.T) {
	w := newWorld(t, simple)
	w.step()
	w.seen.namespaceEnds = true
	if p := w.step(); !p.atOnce || len(p.remove) != 1 || len(p.create) > 0 {
		t.Errorf("removes %v at once: %v, creates %v", p.remove, p.atOnce, p.create)
	}
}

func TestUnusableRuntime(t *testing.T) {
	w := newWorld(t, simple)
	w.seen.runtime, w.seen.noRuntime = nil, "There is none"
	w.step()
	w.settle()
	w.expect("-Created/TrainingRuntimeNotFound")
	w.seen.runtime = &trainerv1alpha1.TrainingRuntimeSpec{}
	w.step()
	w.settle()
	w.expect("-Created/TrainingRuntimeNotFound Failed/TrainingRuntimeNotSupported")
	w = newWorld(t, "{metadata: {name: job}, spec: {runtimeRef: {kind: Deployment, name: torch-distributed}}}")
	w.step()
	w.expect("Failed/TrainingRuntimeNotSupported")
}

func TestJobSetLife(t *testing.T) {
	w := newWorld(t, simple)
	w.seen.jobSetServed = true
	w.step()
	w.seen.jobSetServed = false // what has begun goes on as it began
	w.settle()
	w.expect("Created/TrainJobCreated")
	w.seen.jobSet.Status.Conditions = []metav1.Condition{{Type: "Completed", Status: metav1.ConditionTrue, Reason: "AllJobsCompleted"}}
	w.step()
	w.settle()
	w.expect("Created/TrainJobCreated Complete/AllJobsCompleted")
	if len(w.seen.jobs) > 0 || w.seen.service != nil {
		t.Error("a JobSet has Jobs and a service of the TrainJob")
	}
}

func TestDescribeFailure(t *testing.T) {
	job := jobWith("job-node-0", "node", failedAt(1, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
	pods := parse[corev1.PodList](t, `
items:
- metadata: {name: later, labels: {batch.kubernetes.io/job-name: job-node-0}}
  status: {containerStatuses: [{name: node, state: {terminated: {exitCode: 143, finishedAt: "2026-01-01T12:00:09Z"}}}]}
- metadata: {name: first, labels: {batch.kubernetes.io/job-name: job-node-0}}
  status: {containerStatuses: [{name: node, state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled, message: "last words\n", finishedAt: "2026-01-01T12:00:01Z"}}}]}
- metadata: {name: other, labels: {batch.kubernetes.io/job-name: job-side-0}}
  status: {containerStatuses: [{name: node, state: {terminated: {exitCode: 1, finishedAt: "2026-01-01T11:00:00Z"}}}]}
`)
	want := "Job job-node-0 failed: BackoffLimitExceeded: Job has reached the specified backoff limit; pod first: container node ended with exit code 137 (OOMKilled): last words"
	if got := describeFailure(job, pods.Items); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
