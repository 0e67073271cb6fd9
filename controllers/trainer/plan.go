package trainer

import (
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// observed is what exists of a TrainJob: only objects that the job controls.
type observed struct {
	// set is what the job was made from when it started; nil: it has not.
	set *set

	// runtime is what it would be made from now, nil if there is none: then noRuntime says why. It is looked for only
	// where set is nil.
	runtime   *trainerv1alpha1.TrainingRuntimeSpec
	noRuntime string

	// deprecated says that the runtime should not be used any more.
	deprecated bool

	// jobSetServed says whether the cluster has the kind JobSet. It is looked for only where set is nil.
	jobSetServed bool

	// namespaceEnds says that the job's namespace is being deleted.
	namespaceEnds bool

	jobs    []*batchv1.Job
	pods    []corev1.Pod // of failed Jobs
	jobSet  *jobSet      // nil: none
	service *corev1.Service
	groups  map[string]*podgroupv1alpha1.PodGroup // by name
}

// plan is what is to be done about a TrainJob: first store the set, then create and update, then write the status, then
// tell the events, then remove. What is removed because a status says so is thus removed only after that has been stored.
type plan struct {
	status *trainerv1alpha1.TrainJobStatus
	store  *set                         // to keep before anything is made of it; nil: is kept, or none is wanted
	forget bool                         // not to keep the set any longer
	groups []*podgroupv1alpha1.PodGroup // to create before any pod
	create []client.Object
	update []client.Object
	keys   bool // the ssh keys are needed
	jobSet *jobSetChange
	remove []client.Object
	atOnce bool // what is removed goes before what belongs to it
	events []event

	// after is when to look again though nothing changes; zero: no need to.
	after time.Duration

	// expired says that the job itself is to be deleted, and nothing else done.
	expired bool
}

// event is an event to be told about the job.
type event struct{ kind, reason, message string }

// lookAfter makes sure that the job is looked at again within d.
func (p *plan) lookAfter(d time.Duration) {
	if p.after == 0 || d < p.after {
		p.after = max(d, time.Millisecond)
	}
}

// pass is one look at a job. Its methods fill in the plan.
type pass struct {
	plan
	job  *trainerv1alpha1.TrainJob
	seen observed
	set  *set // what the job is made from; nil before it starts
	now  time.Time
}

// Reasons that are Muster's own.
const (
	reasonCreated      = "TrainJobCreated"
	reasonRunning      = "TrainJobRunning"
	reasonRestarting   = "TrainJobRestarting"
	reasonPodsLost     = "PodsNotReady"
	reasonInvalid      = "FailedValidation"
	reasonNameTaken    = "NameTaken"
	reasonCreateFailed = "CreateFailed"
)

// decide says what is to be done about a job.
func decide(job *trainerv1alpha1.TrainJob, seen observed, now time.Time) plan {
	p := &pass{job: job, seen: seen, set: seen.set, now: now}
	p.status = job.Status.DeepCopy()
	switch {
	case seen.namespaceEnds:
		p.leaveNamespace()
		return p.plan
	case finished(p.status):
	case suspended(job):
		p.suspend()
	default:
		p.run()
	}
	if finished(p.status) {
		p.cleanUp()
	}
	return p.plan
}

// leaveNamespace deletes the Jobs, so that the namespace can go. Its pods go first; and a Job does not let go of a pod that failed
// before it has replaced it, which it cannot do there (Kubernetes 1.34 to 1.37, Jobs with backoffLimitPerIndex).
func (p *pass) leaveNamespace() {
	p.atOnce = true
	for _, job := range p.seen.jobs {
		p.remove = append(p.remove, job)
	}
	if p.seen.jobSet != nil {
		p.remove = append(p.remove, p.seen.jobSet.object)
	}
}

func suspended(job *trainerv1alpha1.TrainJob) bool {
	return job.Spec.Suspend != nil && *job.Spec.Suspend
}

// run lets the job go on.
func (p *pass) run() {
	if p.set != nil && isTrue(p.status, trainerv1alpha1.TrainJobSuspended) {
		p.forget = true // what is resumed is made from the runtime as it is now
		p.lookAfter(time.Millisecond)
		return
	}
	p.resume()
	if p.set == nil && !p.prepare() {
		return
	}
	p.start()
	if left, limited := p.untilDeadline(); limited && left <= 0 {
		p.fail(trainerv1alpha1.TrainJobDeadlineExceededReason, "TrainJob %s was active longer than its deadline of %d s", p.job.Name, *p.job.Spec.ActiveDeadlineSeconds)
		return
	} else if limited {
		p.lookAfter(left)
	}
	if p.set.JobSet {
		p.runJobSet()
	} else {
		p.runJobs()
	}
}

// resume says that the job is not suspended any more.
func (p *pass) resume() {
	if isTrue(p.status, trainerv1alpha1.TrainJobSuspended) {
		p.enter(trainerv1alpha1.TrainJobSuspended, metav1.ConditionFalse, trainerv1alpha1.TrainJobResumedReason, "TrainJob %s is resumed", p.job.Name)
		p.status.StartTime = nil
	}
}

// prepare makes the set of the runtime, and reports whether there is one now.
func (p *pass) prepare() bool {
	if problem := unknownKind(p.job.Spec.RuntimeRef); problem != "" {
		p.fail(trainerv1alpha1.TrainJobRuntimeNotSupportedReason, "%s", problem)
		return false
	}
	if p.seen.runtime == nil {
		p.explain(metav1.ConditionFalse, trainerv1alpha1.TrainJobRuntimeNotFoundReason, p.seen.noRuntime)
		return false
	}
	made, err := expand(p.seen.runtime, p.job)
	var bad runtimeError
	switch {
	case errors.As(err, &bad):
		p.fail(trainerv1alpha1.TrainJobRuntimeNotSupportedReason, "The runtime %s cannot be used: %v", p.job.Spec.RuntimeRef.Name, bad)
		return false
	case err != nil:
		p.fail(reasonInvalid, "TrainJob %s is not valid: %v", p.job.Name, err)
		return false
	}
	if p.seen.deprecated {
		p.events = append(p.events, event{corev1.EventTypeWarning, "RuntimeDeprecated", fmt.Sprintf("The runtime %s is deprecated; a later one should be used", p.job.Spec.RuntimeRef.Name)})
	}
	made.JobSet = p.seen.jobSetServed
	p.set, p.store = made, made
	return true
}

// unknownKind says why a reference cannot name a runtime, empty if it can.
func unknownKind(ref trainerv1alpha1.RuntimeRef) string {
	kind, group := runtimeKind(ref), trainerv1alpha1.GroupVersion.Group
	if ref.APIGroup != nil && *ref.APIGroup != group ||
		kind != trainerv1alpha1.ClusterTrainingRuntimeKind && kind != trainerv1alpha1.TrainingRuntimeKind {
		return fmt.Sprintf("spec.runtimeRef names a runtime that is neither a %s nor a %s of %s",
			trainerv1alpha1.ClusterTrainingRuntimeKind, trainerv1alpha1.TrainingRuntimeKind, group)
	}
	return ""
}

func runtimeKind(ref trainerv1alpha1.RuntimeRef) string {
	if ref.Kind == nil {
		return trainerv1alpha1.ClusterTrainingRuntimeKind
	}
	return *ref.Kind
}

// start says that the job gets its pods, for the first time or again. Whether something is in the way of that is said when
// they are created.
func (p *pass) start() {
	created := meta.FindStatusCondition(p.status.Conditions, trainerv1alpha1.TrainJobCreated)
	if created == nil || created.Reason == trainerv1alpha1.TrainJobRuntimeNotFoundReason {
		p.explain(metav1.ConditionTrue, reasonCreated, createdMessage(p.job))
	}
	if p.status.StartTime == nil {
		p.status.StartTime = p.timestamp()
	}
}

func createdMessage(job *trainerv1alpha1.TrainJob) string {
	return fmt.Sprintf("TrainJob %s is created", job.Name)
}

// runJobs runs the set as Jobs of our own.
func (p *pass) runJobs() {
	current, leaving := p.currentJobs()
	p.status.JobsStatus = p.set.jobsStatus(current, false)
	var broken []*batchv1.Job
	for _, job := range current {
		if failed(job) {
			broken = append(broken, job)
		}
	}
	switch {
	case len(broken) > 0:
		p.failOrRestart(p.set.judge(broken))
		return
	case p.set.hasSucceeded(p.status.JobsStatus):
		p.complete("AllJobsCompleted", "TrainJob %s has completed", p.job.Name)
		return
	}
	p.tellState()
	p.syncGroups()
	if p.seen.service == nil {
		if service := p.set.newService(p.job); service != nil {
			p.create = append(p.create, service)
		}
	}
	if !leaving {
		p.createJobs(current)
	}
}

// currentJobs are the Jobs of the present attempt, and whether others, or some on their way out, hold their names. Those of
// earlier attempts are removed.
func (p *pass) currentJobs() (current []*batchv1.Job, leaving bool) {
	attempt := fmt.Sprint(p.status.Restarts)
	for _, job := range p.seen.jobs {
		switch {
		case job.DeletionTimestamp != nil:
			leaving = true
		case job.Labels[trainerv1alpha1.RestartAttemptKey] != attempt:
			leaving = true
			p.remove = append(p.remove, job)
		default:
			current = append(current, job)
		}
	}
	return current, leaving
}

// createJobs creates the Jobs that are missing and whose time has come, with what their pods need.
func (p *pass) createJobs(current []*batchv1.Job) {
	exists := map[string]bool{}
	for _, job := range current {
		exists[job.Name] = true
	}
	placed := p.placedSet()
	var missing []client.Object
	for i := range placed.Spec.ReplicatedJobs {
		rjob := &placed.Spec.ReplicatedJobs[i]
		if !p.set.mayStart(rjob, p.status.JobsStatus) {
			continue
		}
		for index := range *rjob.Replicas {
			if name := jobName(p.job.Name, rjob.Name, index); !exists[name] {
				missing = append(missing, placed.newJob(p.job, rjob, index, p.status.Restarts))
			}
		}
	}
	if len(missing) > 0 {
		p.createBelongings()
		p.create = append(p.create, missing...)
	}
}

// placedSet is the set with its pods handed to Muster.
func (p *pass) placedSet() *set {
	placed := *p.set
	placed.Spec = *p.set.Spec.DeepCopy()
	placed.schedule(p.job)
	return &placed
}

// createBelongings creates what pods mount. That it exists already is fine.
func (p *pass) createBelongings() {
	if hostfile := p.set.newHostfile(p.job); hostfile != nil {
		p.create = append(p.create, hostfile)
		p.keys = true
	}
	claims, err := p.set.newClaims(p.job)
	if err != nil {
		panic(fmt.Sprintf("a set was made that is not valid: %v", err)) // expand has looked
	}
	for _, claim := range claims {
		p.create = append(p.create, claim)
	}
}

// failOrRestart does what the failure policy says about failed Jobs.
func (p *pass) failOrRestart(v verdict) {
	why := describeFailure(v.job, p.seen.pods)
	policy := p.set.Spec.FailurePolicy
	switch {
	case policy == nil:
		p.fail("FailedJobs", "%s", why)
	case v.action == trainerv1alpha1.FailJobSet:
		p.fail("FailJobSetFailurePolicyAction", "%s", why)
	case v.action == trainerv1alpha1.RestartJobSet && p.status.RestartsCountTowardsMax >= policy.MaxRestarts:
		p.fail("ReachedMaxRestarts", "All Jobs have been made anew %d time(s), as often as the runtime allows. %s", p.status.RestartsCountTowardsMax, why)
	default:
		p.restart(v.action, why)
	}
}

// restart makes all Jobs anew: the old ones are removed now, the new ones created when these are gone.
func (p *pass) restart(action trainerv1alpha1.FailurePolicyAction, why string) {
	p.status.Restarts++
	if action == trainerv1alpha1.RestartJobSet {
		p.status.RestartsCountTowardsMax++
	}
	leave(p.status, trainerv1alpha1.TrainJobRunning, reasonRestarting, why, p.now)
	p.events = append(p.events, event{corev1.EventTypeWarning, reasonRestarting, "All Jobs are made anew: " + why})
	for _, job := range p.seen.jobs {
		if job.DeletionTimestamp == nil {
			p.remove = append(p.remove, job)
		}
	}
	p.status.JobsStatus = p.set.jobsStatus(nil, false)
}

// tellState says whether all pods run.
func (p *pass) tellState() {
	switch running := p.set.isRunning(p.job, p.status.JobsStatus); {
	case running:
		p.enter(trainerv1alpha1.TrainJobRunning, metav1.ConditionTrue, reasonRunning, "All pods of TrainJob %s run", p.job.Name)
	default:
		leave(p.status, trainerv1alpha1.TrainJobRunning, reasonPodsLost, "Not all pods are ready any more", p.now)
	}
}

// syncGroups makes the PodGroups what they have to be.
func (p *pass) syncGroups() {
	wanted := map[string]bool{}
	for _, group := range p.set.newPodGroups(p.job) {
		wanted[group.Name] = true
		existing := p.seen.groups[group.Name]
		if existing == nil {
			p.groups = append(p.groups, group)
		} else if changed, differs := syncPodGroup(existing, group); differs {
			p.update = append(p.update, changed)
		}
	}
	for _, name := range groupNames(p.seen.groups) {
		if !wanted[name] {
			p.remove = append(p.remove, p.seen.groups[name])
		}
	}
}

// suspend stops the job. Jobs that have completed stay, so that what they did is not done again.
func (p *pass) suspend() {
	p.enter(trainerv1alpha1.TrainJobSuspended, metav1.ConditionTrue, trainerv1alpha1.TrainJobSuspendedReason, "TrainJob %s is suspended", p.job.Name)
	leave(p.status, trainerv1alpha1.TrainJobRunning, trainerv1alpha1.TrainJobSuspendedReason, "TrainJob is suspended", p.now)
	if p.set == nil {
		return
	}
	p.removeGroups()
	if p.set.JobSet {
		p.suspendJobSet()
		return
	}
	var done []*batchv1.Job
	for _, job := range p.seen.jobs {
		if completed(job) {
			done = append(done, job)
		} else if job.DeletionTimestamp == nil {
			p.remove = append(p.remove, job)
		}
	}
	p.status.JobsStatus = p.set.jobsStatus(done, true)
}

func (p *pass) complete(reason, format string, args ...any) {
	p.enter(trainerv1alpha1.TrainJobComplete, metav1.ConditionTrue, reason, format, args...)
	p.end(reason)
}

func (p *pass) fail(reason, format string, args ...any) {
	p.enter(trainerv1alpha1.TrainJobFailed, metav1.ConditionTrue, reason, format, args...)
	p.end(reason)
}

func (p *pass) end(reason string) {
	leave(p.status, trainerv1alpha1.TrainJobRunning, reason, "TrainJob has ended", p.now)
	p.status.CompletionTime = p.timestamp()
	for i := range p.status.JobsStatus {
		p.status.JobsStatus[i].Active, p.status.JobsStatus[i].Ready = 0, 0
	}
}

// cleanUp takes away what a finished job does not need any more, and at last the job itself.
func (p *pass) cleanUp() {
	if left, limited := p.untilExpiry(); limited && left <= 0 {
		p.expired = true
		return
	} else if limited {
		p.lookAfter(left)
	}
	p.removeGroups()
	for _, job := range p.seen.jobs {
		if job.DeletionTimestamp == nil && !completed(job) && !failed(job) {
			p.remove = append(p.remove, job)
		}
	}
	if p.seen.jobSet != nil && !p.seen.jobSet.finished() {
		p.remove = append(p.remove, p.seen.jobSet.object)
	}
}

// removeGroups deletes what places the pods. It comes before the pods, so that nobody tries to bring them back.
func (p *pass) removeGroups() {
	for _, name := range groupNames(p.seen.groups) {
		p.remove = append(p.remove, p.seen.groups[name])
	}
}

// untilDeadline is the time that the job has left, zero or less if none, and false if it has no deadline.
func (p *pass) untilDeadline() (time.Duration, bool) {
	if p.job.Spec.ActiveDeadlineSeconds == nil {
		return 0, false
	}
	deadline := p.status.StartTime.Add(time.Duration(*p.job.Spec.ActiveDeadlineSeconds) * time.Second)
	return deadline.Sub(p.now), true
}

// untilExpiry is the time after which the finished job is deleted, zero or less if that is now, and false if it stays.
func (p *pass) untilExpiry() (time.Duration, bool) {
	ttl := p.job.Spec.TTLSecondsAfterFinished
	if ttl == nil && p.set != nil {
		ttl = p.set.Spec.TTLSecondsAfterFinished
	}
	if ttl == nil || p.status.CompletionTime == nil {
		return 0, false
	}
	return p.status.CompletionTime.Add(time.Duration(*ttl) * time.Second).Sub(p.now), true
}

// enter sets a condition, and tells if that is news.
func (p *pass) enter(t string, value metav1.ConditionStatus, reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	before := meta.FindStatusCondition(p.status.Conditions, t)
	news := before == nil || before.Status != value || before.Reason != reason
	if !setCondition(p.status, t, value, reason, message, p.now) || !news {
		return
	}
	kind := corev1.EventTypeNormal
	if t == trainerv1alpha1.TrainJobFailed {
		kind = corev1.EventTypeWarning
	}
	p.events = append(p.events, event{kind, reason, message})
}

// explain says whether the job gets its pods, and if not, why.
func (p *pass) explain(value metav1.ConditionStatus, reason, message string) {
	explain(&p.plan, value, reason, message, p.now)
}

func explain(p *plan, value metav1.ConditionStatus, reason, message string, now time.Time) {
	if !setCondition(p.status, trainerv1alpha1.TrainJobCreated, value, reason, message, now) {
		return
	}
	kind := corev1.EventTypeNormal
	if value == metav1.ConditionFalse {
		kind = corev1.EventTypeWarning
	}
	p.events = append(p.events, event{kind, reason, message})
}

func (p *pass) timestamp() *metav1.Time {
	t := metav1.NewTime(p.now.Truncate(time.Second)) // what a stored time is cut to anyway
	return &t
}
