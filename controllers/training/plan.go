package training

import (
	"fmt"
	"maps"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// observed is what exists of a job: only objects that the job controls.
type observed struct {
	pods       map[string]*corev1.Pod     // by name
	services   map[string]*corev1.Service // those of pods, by name
	podGroup   *podgroupv1alpha1.PodGroup
	autoscaler *autoscalingv2.HorizontalPodAutoscaler
	support    map[string]client.Object // by supportKey
}

// plan is what is to be done about a job: first create and update, then write the status, then tell the events, then
// remove. What is removed because a status says so is thus removed only after that has been stored.
type plan struct {
	status *trainingv1.JobStatus
	before []client.Object            // to create before all else
	group  *podgroupv1alpha1.PodGroup // to create before any pod; nil: exists, or none is wanted
	create []client.Object
	update []client.Object
	remove []client.Object
	events []event

	// after is when to look again though nothing changes; zero: no need to.
	after time.Duration

	// whole is what status.restartedGang.created becomes when all of create exists. Nil: it stays.
	whole map[trainingv1.ReplicaType]int32

	// vanished are the names of pods that there were, and the plan is wrong if there still are.
	vanished []string

	// expired says that the job itself is to be deleted, and nothing else done.
	expired bool
}

// lookAfter makes sure that the job is looked at again within d.
func (p *plan) lookAfter(d time.Duration) {
	if p.after == 0 || d < p.after {
		p.after = max(d, time.Millisecond)
	}
}

// pass is one look at a job. Its methods fill in the plan.
type pass struct {
	*kind
	plan
	config  Config
	job     trainingv1.Job
	seen    observed
	members []member
	now     time.Time
}

// Reasons of conditions and events are the kind's name followed by one of these, or by the type of the condition.
const (
	reasonInvalid      = "FailedValidation"
	reasonResumed      = "Resumed"
	reasonNameTaken    = "NameTaken"
	reasonCreateFailed = "CreateFailed"
)

// decide says what is to be done about a job with defaults set.
func (k *kind) decide(config Config, job trainingv1.Job, seen observed, now time.Time) plan {
	p := &pass{kind: k, config: config, job: job, seen: seen, members: k.members(job, seen.pods), now: now}
	p.status = job.State().DeepCopy()
	for i, m := range p.members {
		p.members[i].former = m.pod != nil && isFormer(p.status, m.pod)
	}
	switch {
	case finished(p.status):
		p.status.CompletionTime = completionTime(p.status)
	case p.refuse():
	case job.Policy().Suspend != nil && *job.Policy().Suspend:
		p.suspend()
	default:
		p.run()
	}
	if finished(p.status) {
		p.cleanUp()
	}
	p.settleRemovals()
	if !equality.Semantic.DeepEqual(p.status, job.State()) {
		p.status.LastReconcileTime = p.timestamp()
	}
	return p.plan
}

// refuse fails a job that is not valid, and reports whether it is not. A job that has been accepted and was then edited
// into something that is not valid is left as it is: its pods were made from what was valid.
func (p *pass) refuse() bool {
	errs := p.validateJob(p.job)
	if len(errs) == 0 {
		return false
	}
	message := errs.ToAggregate().Error()
	if findCondition(p.status, trainingv1.JobCreated) != nil {
		p.events = append(p.events, warning(p.name+reasonInvalid,
			"The job is left as it is until its spec is valid again: %s", message))
		return true
	}
	p.failWith(p.name+reasonInvalid, fmt.Sprintf("%s %s is not valid: %s", p.name, p.job.GetName(), message))
	return true
}

// run lets the job go on.
func (p *pass) run() {
	p.accept()
	p.start()
	p.status.ReplicaStatuses = p.replicaStatuses(p.job, p.members)
	failed := p.failures(p.job, p.members)
	restarted := p.noteRestarts(&failed)
	p.status.Restarts = totalRestarts(p.status, p.members)
	left, limited := untilDeadline(p.job.Policy(), p.status, p.now)
	switch {
	case p.hasSucceeded(p.job, p.members):
		p.succeed()
	case len(failed.final) > 0:
		p.fail("%s %s is failed because %s replica(s) failed (%s).", p.name, p.fullName(),
			p.countByType(failed.final), p.describe(failed.final))
	case backoffExceeded(p.job.Policy(), p.status):
		p.fail("Job %s has failed because it has reached the specified backoff limit%s", p.job.GetName(), p.blame(restarted))
	case limited && left <= 0:
		p.fail("Job %s has failed because it was active longer than specified deadline", p.job.GetName())
	default:
		if limited {
			p.lookAfter(left)
		}
		p.tellState(restarted)
		p.syncSupport()
		p.syncGang()
		p.createMissing()
		p.trackGang()
		p.removeSurplus()
		p.removeFormer()
		p.removeFailed(failed)
	}
}

// accept says once that the job is there.
func (p *pass) accept() {
	if findCondition(p.status, trainingv1.JobCreated) != nil {
		return
	}
	p.enter(trainingv1.JobCreated, corev1.EventTypeNormal, p.createdMessage())
	p.events = append(p.events, p.templateWarnings(p.job)...)
}

func (p *pass) start() {
	if isTrue(p.status, trainingv1.JobSuspended) {
		message := fmt.Sprintf("%s %s is resumed.", p.name, p.job.GetName())
		resume(p.status, p.name+reasonResumed, message, p.now)
		p.status.StartTime = nil
		p.events = append(p.events, normal(p.name+reasonResumed, "%s", message))
	}
	if p.status.StartTime == nil {
		p.status.StartTime = p.timestamp()
	}
}

// tellState sets Restarting when pods were found to be replaced, else Running when the job runs. A job that ran and does
// not run any more, though no pod failed, has lost its pods.
func (p *pass) tellState(restarted []member) {
	switch {
	case len(restarted) > 0 && restartsAll(p.job):
		p.enter(trainingv1.JobRestarting, corev1.EventTypeWarning, fmt.Sprintf(
			"%s %s is restarting all of its pods because %s replica(s) failed or were lost (%s).", p.name, p.fullName(),
			p.countByType(restarted), p.describe(restarted)))
	case len(restarted) > 0:
		p.enter(trainingv1.JobRestarting, corev1.EventTypeWarning, fmt.Sprintf(
			"%s %s is restarting because %s replica(s) failed (%s).", p.name, p.fullName(),
			p.countByType(restarted), p.describe(restarted)))
	case len(p.formerPods()) > 0: // the next attempt is yet to begin
	case p.isRunning(p.job, p.members):
		p.enter(trainingv1.JobRunning, corev1.EventTypeNormal, fmt.Sprintf("%s %s is running.", p.name, p.fullName()))
	case isTrue(p.status, trainingv1.JobRunning):
		p.enter(trainingv1.JobRestarting, corev1.EventTypeWarning, fmt.Sprintf(
			"%s %s is restarting because its pods are gone.", p.name, p.fullName()))
	}
}

// noteRestarts takes down which pods are to be replaced, and returns those of which that was not known before.
func (p *pass) noteRestarts(failed *failures) []member {
	if restartsAll(p.job) {
		return p.endAttempt(failed)
	}
	p.noteLost()
	return p.noteFailed(*failed)
}

// noteLost notes pods that somebody deletes, before they are gone.
func (p *pass) noteLost() {
	for _, m := range p.members {
		if m.pod != nil && m.pod.DeletionTimestamp != nil && !m.former {
			note(p.status, m.pod, false)
		}
	}
}

// noteFailed notes the pods that are to be replaced, and returns those that were not noted before.
func (p *pass) noteFailed(failed failures) []member {
	var fresh []member
	for _, m := range failed.restart {
		if note(p.status, m.pod, true) {
			fresh = append(fresh, m)
		}
	}
	for _, m := range failed.replaced {
		if note(p.status, m.pod, false) {
			fresh = append(fresh, m)
		}
	}
	return fresh
}

// syncGang makes the PodGroup and the autoscaler what they have to be.
func (p *pass) syncGang() {
	wanted := p.newPodGroup(p.job)
	switch {
	case wanted == nil && p.seen.podGroup != nil:
		p.remove = append(p.remove, p.seen.podGroup)
	case wanted != nil && p.seen.podGroup == nil:
		p.group = wanted
	case wanted != nil:
		if group, changed := syncPodGroup(p.seen.podGroup, wanted); changed {
			p.update = append(p.update, group)
		}
	}
	autoscaler := p.newAutoscaler(p.job)
	switch {
	case autoscaler == nil && p.seen.autoscaler != nil:
		p.remove = append(p.remove, p.seen.autoscaler)
	case autoscaler != nil && p.seen.autoscaler == nil:
		p.create = append(p.create, autoscaler)
	case autoscaler != nil:
		if hpa, changed := syncAutoscaler(p.seen.autoscaler, autoscaler); changed {
			p.update = append(p.update, hpa)
		}
	}
}

// createMissing fills every place that has no pod or no service. A pod that is being deleted keeps its place, and its
// name, until it is gone; one of an attempt that is over keeps those of all.
func (p *pass) createMissing() {
	var inject injector
	waits := len(p.formerPods()) > 0 || gangAttempts(p.status) != gangAttempts(p.job.State())
	for _, m := range p.members {
		if p.portName != "" && p.seen.services[m.name] == nil {
			p.create = append(p.create, p.newService(p.job, m))
		}
		if m.pod == nil && !waits {
			if inject == nil {
				inject = p.environment(p.kind, p.config, p.job)
			}
			p.create = append(p.create, p.newPod(p.job, m, inject, attemptOf(p.status, m.name)))
		}
	}
}

// removeSurplus deletes pods and services that the spec does not ask for any more.
func (p *pass) removeSurplus() {
	wanted := make(map[string]bool, len(p.members))
	for _, m := range p.members {
		wanted[m.name] = true
	}
	for _, pod := range p.podsThat(func(pod *corev1.Pod) bool { return !wanted[pod.Name] }) {
		if containerRestarts(pod) > 0 && !isFormer(p.status, pod) {
			note(p.status, pod, false) // or they would not count any more
		}
		p.remove = append(p.remove, pod)
	}
	for _, name := range slices.Sorted(maps.Keys(p.seen.services)) {
		if !wanted[name] {
			p.remove = append(p.remove, p.seen.services[name])
		}
	}
}

// removeFailed deletes the pods that are to be replaced, those that failed for the second time and more often not before
// their delay is over.
func (p *pass) removeFailed(failed failures) {
	for _, m := range failed.replaced {
		p.remove = append(p.remove, m.pod)
	}
	for _, m := range failed.restart {
		end, ran := endOf(m.pod)
		wait := end.Add(restartDelay(attemptsOf(p.status, m.name)-1, ran)).Sub(p.now)
		if wait > 0 {
			p.lookAfter(wait)
			continue
		}
		p.remove = append(p.remove, m.pod)
	}
}

// suspend takes everything away but the job and what is known about it.
func (p *pass) suspend() {
	p.accept()
	p.suspendGang()
	p.status.Restarts = totalRestarts(p.status, p.members)
	p.status.ReplicaStatuses = p.replicaStatuses(p.job, nil)
	p.enter(trainingv1.JobSuspended, corev1.EventTypeNormal, fmt.Sprintf("%s %s is suspended.", p.name, p.job.GetName()))
	p.removeGang()
	p.members = nil
	p.removeSurplus()
}

func (p *pass) succeed() {
	message := fmt.Sprintf("%s %s successfully completed.", p.name, p.fullName())
	p.enter(trainingv1.JobSucceeded, corev1.EventTypeNormal, message)
	p.status.CompletionTime = p.timestamp()
	allSucceeded(p.status.ReplicaStatuses)
}

func (p *pass) fail(format string, args ...any) {
	p.failWith(p.name+string(trainingv1.JobFailed), fmt.Sprintf(format, args...))
}

func (p *pass) failWith(reason, message string) {
	message = shorten(message)
	if enter(p.status, trainingv1.JobFailed, reason, message, p.now) {
		p.events = append(p.events, warning(reason, "%s", message))
	}
	p.status.CompletionTime = p.timestamp()
}

// cleanUp takes away what a finished job does not need any more, and at last the job itself.
func (p *pass) cleanUp() {
	left, limited := untilExpiry(p.job.Policy(), p.status, p.now)
	if limited && left <= 0 {
		p.expired = true
		return
	}
	if limited {
		p.lookAfter(left)
	}
	p.removeGang()
	policy, stopped := *p.job.Policy().CleanPodPolicy, p.stopped(p.job, p.status)
	if stopped || policy != trainingv1.CleanPodPolicyNone {
		noneActive(p.status.ReplicaStatuses)
	}
	for _, pod := range p.podsThat(func(pod *corev1.Pod) bool { return removable(p.cleanPodPolicy(pod), stopped, pod) }) {
		p.remove = append(p.remove, pod)
	}
	for _, name := range slices.Sorted(maps.Keys(p.seen.services)) {
		pod := p.seen.pods[name]
		useless := pod == nil && (stopped || policy != trainingv1.CleanPodPolicyNone)
		if useless || pod != nil && removable(policy, stopped, pod) {
			p.remove = append(p.remove, p.seen.services[name])
		}
	}
}

// removeGang deletes what places and scales the pods. It comes before the pods, so that nobody tries to bring them back.
func (p *pass) removeGang() {
	if p.seen.podGroup != nil {
		p.remove = append(p.remove, p.seen.podGroup)
	}
	if p.seen.autoscaler != nil {
		p.remove = append(p.remove, p.seen.autoscaler)
	}
}

// podsThat are the pods of the job for which that is so, by name.
func (p *pass) podsThat(are func(*corev1.Pod) bool) []*corev1.Pod {
	var some []*corev1.Pod
	for _, name := range slices.Sorted(maps.Keys(p.seen.pods)) {
		if pod := p.seen.pods[name]; are(pod) {
			some = append(some, pod)
		}
	}
	return some
}

// enter changes the job's state, and tells if that is news.
func (p *pass) enter(t trainingv1.JobConditionType, eventType, message string) {
	reason := p.name + string(t)
	if enter(p.status, t, reason, message, p.now) {
		p.events = append(p.events, event{eventType, reason, message})
	}
}

func (p *pass) createdMessage() string {
	return fmt.Sprintf("%s %s is created.", p.name, p.job.GetName())
}

func (p *pass) fullName() string {
	return p.job.GetNamespace() + "/" + p.job.GetName()
}

func (p *pass) timestamp() *metav1.Time {
	t := metav1.NewTime(p.now.Truncate(time.Second)) // what a stored time is cut to anyway
	return &t
}
