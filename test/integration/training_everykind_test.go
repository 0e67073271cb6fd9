package integration

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
)

// A sort is a kind of training jobs, and how a job of two pods of it is built: how the job ends is decided by some of them,
// while the others only help.
type sort struct {
	kind    string
	version string // of the API, where that makes a difference
	build   func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job

	// The names of the pods are these behind that of the job.
	deciders, helpers []string

	// restart is how pods are restarted that a signal ended, where that is not ExitCode.
	restart trainingv1.RestartPolicy

	// keepsDeciders says that these pods stay whatever cleanPodPolicy says, shared that the job has a service of its own
	// that stays as long as the job, and none for each pod.
	keepsDeciders, shared bool
}

// sorts are all kinds, by a prefix for the names of jobs.
var sorts = map[string]sort{
	"tf": {kind: "TFJob", deciders: []string{"-chief-0"}, helpers: []string{"-ps-0"},
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			return tfJob("", specs{"Chief": decider, "PS": helper})
		}},
	"torch": {kind: "PyTorchJob", deciders: []string{"-master-0"}, helpers: []string{"-worker-0"},
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			return pyTorchJob("", specs{"Master": decider, "Worker": helper})
		}},
	"jax": {kind: "JAXJob", deciders: []string{"-worker-0", "-worker-1"},
		build: func(decider, _ *trainingv1.ReplicaSpec) trainingv1.Job {
			*decider.Replicas = 2
			return jaxJob(decider)
		}},
	"xgb": {kind: "XGBoostJob", deciders: []string{"-master-0"}, helpers: []string{"-worker-0"},
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			job := &trainingv1.XGBoostJob{Spec: trainingv1.XGBoostJobSpec{XGBReplicaSpecs: specs{"Master": decider, "Worker": helper}}}
			complete(job, "xgboost", nil)
			return job
		}},
	"paddle": {kind: "PaddleJob", deciders: []string{"-master-0"}, helpers: []string{"-worker-0"},
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			job := &trainingv1.PaddleJob{Spec: trainingv1.PaddleJobSpec{PaddleReplicaSpecs: specs{"Master": decider, "Worker": helper}}}
			complete(job, "paddle", nil)
			return job
		}},
	"mx": {kind: "MXJob", deciders: []string{"-scheduler-0"}, helpers: []string{"-worker-0"},
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			return mxJob(specs{"Scheduler": decider, "Worker": helper})
		}},
	"exec": {kind: "MPIJob", version: "v1", deciders: []string{"-launcher"}, helpers: []string{"-worker-0"}, keepsDeciders: true,
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			job := &trainingv1.MPIJob{Spec: trainingv1.MPIJobSpec{MPIReplicaSpecs: specs{"Launcher": decider, "Worker": helper}}}
			complete(job, "main", nil)
			return job
		}},
	"ssh": {kind: "MPIJob", version: "v2beta1", deciders: []string{"-launcher"}, helpers: []string{"-worker-0"}, keepsDeciders: true, shared: true,
		restart: trainingv1.RestartPolicyOnFailure,
		build: func(decider, helper *trainingv1.ReplicaSpec) trainingv1.Job {
			job := &trainingv2beta1.MPIJob{Spec: trainingv1.MPIJobSpec{MPIReplicaSpecs: specs{"Launcher": decider, "Worker": helper}}}
			complete(job, "main", nil)
			return job
		}},
}

// A specimen is a job of one of the sorts.
type specimen struct {
	sort
	trainingv1.Job
}

// everyKind builds a job of each kind, all with the same ending of their names: of pods of one CPU, those that decide with
// the edits.
func everyKind(ending string, policy func(*trainingv1.RunPolicy), edits ...func(*trainingv1.ReplicaSpec)) []specimen {
	var all []specimen
	for prefix, s := range sorts {
		decider := replicas(1, cpu(1), edits...)
		if decider.RestartPolicy == trainingv1.RestartPolicyExitCode && s.restart != "" {
			decider.RestartPolicy = s.restart
		}
		job := s.build(decider, replicas(1, cpu(1)))
		job.SetName(prefix + "-" + ending)
		if policy != nil {
			policy(job.Policy())
		}
		all = append(all, specimen{s, job})
	}
	return all
}

// createAll creates jobs. With mayBreak, their gangs may be below their minimum for a while.
func (e *env) createAll(jobs []specimen, mayBreak bool) {
	e.Helper()
	for _, j := range jobs {
		if mayBreak {
			e.mayBreak(j.GetName())
		}
		e.create(j.Job)
	}
}

// empty is a job of the same kind and version, without a name.
func (s specimen) empty() trainingv1.Job {
	return s.build(replicas(1, nil), replicas(1, nil))
}

func (s specimen) pods(endings []string) []string {
	var names []string
	for _, ending := range endings {
		names = append(names, s.GetName()+ending)
	}
	return names
}

// expectPodsAndServices waits until these are the pods, all with their services.
func (e *env) expectPodsAndServices(jobs []specimen, pods func(specimen) []string) {
	e.Helper()
	var names, services []string
	for _, j := range jobs {
		some := pods(j)
		names = append(names, some...)
		switch {
		case j.shared:
			services = append(services, j.GetName())
		case !j.keepsDeciders: // which need no services
			services = append(services, some...)
		}
	}
	slices.Sort(names)
	slices.Sort(services)
	e.expectPods(names...)
	e.expectServices(services...)
}

// Whoever decides has ended: the job has succeeded, holds no room, and cleanPodPolicy says which pods are left.
func TestEveryKindSucceedsAndCleansUp(t *testing.T) {
	e := setUp(t, node("node", cpu(100)))
	var all []specimen
	for _, policy := range []trainingv1.CleanPodPolicy{trainingv1.CleanPodPolicyNone, trainingv1.CleanPodPolicyRunning, trainingv1.CleanPodPolicyAll} {
		jobs := everyKind(map[trainingv1.CleanPodPolicy]string{"None": "none", "Running": "running", "All": "all"}[policy],
			func(p *trainingv1.RunPolicy) { p.CleanPodPolicy = &policy }, runFor("300ms"))
		e.createAll(jobs, false)
		all = append(all, jobs...)
	}
	for _, j := range all {
		e.expectReasonGiven(j.Job, trainingv1.JobSucceeded, j.kind+"Succeeded", "successfully completed")
		e.expectNone(&podgroupv1alpha1.PodGroup{}, j.GetName())
		state := now(e, j.Job).State()
		if state.CompletionTime == nil || state.CompletionTime.Before(state.StartTime) || state.Restarts != 0 {
			t.Errorf("%s: %+v", j.GetName(), state)
		}
	}
	e.expectPodsAndServices(all, func(j specimen) []string {
		var left []string
		policy := *now(e, j.Job).Policy().CleanPodPolicy
		if policy != trainingv1.CleanPodPolicyAll || j.keepsDeciders {
			left = j.pods(j.deciders)
		}
		if policy == trainingv1.CleanPodPolicyNone {
			left = append(left, j.pods(j.helpers)...)
		}
		return left
	})
	for _, j := range all {
		e.delete(j.Job)
	}
	e.expectPods()
	e.expectServices()
}

// Jobs fail by a pod, by one restart too many, and by their deadline, while they run and while they wait. They say why, with
// the exit code, and go when their time to live is over, though the manager is killed meanwhile.
func TestEveryKindFailsAndExpires(t *testing.T) {
	e := setUp(t, node("node", cpu(100)))
	none, brief, seconds := int32(0), int64(1), int32(2)
	expires := func(edits ...func(*trainingv1.RunPolicy)) func(*trainingv1.RunPolicy) {
		return func(p *trainingv1.RunPolicy) {
			p.TTLSecondsAfterFinished = &seconds
			for _, edit := range edits {
				edit(p)
			}
		}
	}
	late := expires(func(p *trainingv1.RunPolicy) { p.ActiveDeadlineSeconds = &brief })
	tooLarge := func(spec *trainingv1.ReplicaSpec) { spec.Template.Spec.Containers[0].Resources.Limits = cpu(1000) }
	cases := []struct {
		jobs  []specimen
		words []string
	}{
		{everyKind("fails", expires(), runFor("200ms"), exit(3), restarts(trainingv1.RestartPolicyNever)),
			[]string{"replica(s) failed (", ": exit code 3"}},
		{everyKind("killed", expires(func(p *trainingv1.RunPolicy) { p.BackoffLimit = &none }),
			runFor("200ms"), exit(137), restarts(trainingv1.RestartPolicyExitCode)),
			[]string{"reached the specified backoff limit (", ": exit code 137"}},
		{everyKind("runs", late), []string{"active longer than specified deadline"}},
		{everyKind("waits", late, tooLarge), []string{"active longer than specified deadline"}},
	}
	for _, c := range cases {
		e.createAll(c.jobs, true)
	}
	for _, c := range cases {
		for _, j := range c.jobs {
			for _, words := range c.words {
				e.expectEvent(j.kind, j.GetName(), j.kind+"Failed", words)
			}
		}
	}
	e.killManager()
	for _, c := range cases {
		for _, j := range c.jobs {
			e.expectNone(j.empty(), j.GetName())
		}
	}
	e.expectPods()
	e.expectServices()
}

// A pod that a signal ended is replaced, alone or with all others, and that is one restart.
func TestEveryKindRestarts(t *testing.T) {
	e := setUp(t, node("node", cpu(100)))
	born := e.countBirths()
	killedOnce := []func(*trainingv1.ReplicaSpec){runFor("300ms"), exit(137), onTry(1), restarts(trainingv1.RestartPolicyExitCode)}
	one, all := everyKind("one", nil, killedOnce...), everyKind("all", nil, killedOnce...)
	for _, j := range all {
		j.SetAnnotations(map[string]string{schedulingv1alpha1.RestartAnnotation: schedulingv1alpha1.RestartAll})
	}
	e.createAll(append(one, all...), true)
	for _, j := range append(one, all...) {
		e.expectReasonGiven(j.Job, trainingv1.JobSucceeded, j.kind+"Succeeded", "successfully completed")
		e.expectEvent(j.kind, j.GetName(), j.kind+"Restarting", ": exit code 137")
		e.expectNone(&podgroupv1alpha1.PodGroup{}, j.GetName())
		for _, name := range j.pods(j.deciders) {
			e.expectBirthsOf(born, name, 2)
		}
	}
	for _, j := range one {
		e.expectRestarts(j.Job, int32(len(j.deciders)))
		for _, name := range j.pods(j.helpers) {
			e.expectBirthsOf(born, name, 1)
		}
	}
	for _, j := range all {
		e.expectRestarts(j.Job, 1)
		e.expectEvent(j.kind, j.GetName(), j.kind+"Restarting", "restarting all of its pods")
		for _, name := range j.pods(j.helpers) {
			e.expectBirthsOf(born, name, 2)
		}
	}
}

// Jobs that are suspended from the start have no pods. Resumed, they wait until there is room for all of a gang, and run.
// Suspended again, they have none; resumed again, they have new ones and start anew.
func TestEveryKindIsAGangAndIsSuspended(t *testing.T) {
	e := setUp(t, node("node", cpu(1)))
	jobs := everyKind("job", suspend(true))
	e.createAll(jobs, false)
	set := func(is bool) {
		for _, j := range jobs {
			change(e, j.Job, func(job trainingv1.Job) { suspend(is)(job.Policy()) })
		}
	}
	expectAll := func(conditions string) {
		t.Helper()
		for _, j := range jobs {
			e.expectConditions(j.Job, conditions)
		}
	}
	every := func(j specimen) []string { return append(j.pods(j.deciders), j.pods(j.helpers)...) }
	nobody := func(specimen) []string { return nil }

	expectAll("Created Suspended")
	e.expectPods()
	for _, j := range jobs {
		if now(e, j.Job).State().StartTime != nil {
			t.Errorf("%s never ran, and has a start time", j.GetName())
		}
	}
	set(false)
	e.expectEvent("PyTorchJob", "torch-job", "PyTorchJobResumed", "is resumed")
	e.expectPodsAndServices(jobs, every)
	e.eventuallyUnschedulablePods(2 * len(jobs))
	for _, j := range jobs {
		e.expectMinimum(j.GetName(), 2)
		e.expectNoneBound(j.GetName())
		e.expectConditions(j.Job, "-Suspended Created")
	}
	e.createNodes(node("room", cpu(100)))
	expectAll("-Suspended Created Running")

	before, started := map[string]types.UID{}, map[string]*metav1.Time{}
	for _, j := range jobs {
		started[j.GetName()] = now(e, j.Job).State().StartTime
		for _, name := range every(j) {
			before[name] = e.expectRunning(name).UID
		}
	}
	e.nextSecond()
	set(true)
	expectAll("Created -Running Suspended")
	e.expectPodsAndServices(jobs, nobody)
	for _, j := range jobs {
		e.expectNone(&podgroupv1alpha1.PodGroup{}, j.GetName())
	}
	set(false)
	expectAll("-Suspended Created Running")
	for _, j := range jobs {
		state := now(e, j.Job).State()
		if !started[j.GetName()].Before(state.StartTime) || state.Restarts != 0 {
			t.Errorf("%s started %v, then %+v", j.GetName(), started[j.GetName()], state)
		}
		for _, name := range every(j) {
			if e.expectRunning(name).UID == before[name] {
				t.Errorf("%s has outlived the suspension", name)
			}
		}
	}
}
