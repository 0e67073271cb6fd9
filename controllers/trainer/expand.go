package trainer

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

// set is what a TrainJob becomes: a set of jobs with nothing left open. It is stored when the job starts, so that a runtime
// may be changed while jobs that were made from it go on.
type set struct {
	// JobSet says that the set is to be a JobSet rather than Jobs of our own.
	JobSet bool `json:"jobSet,omitempty"`

	// Labels and Annotations are those of the set.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	// Spec has all defaults set, and is merged with what the TrainJob says.
	Spec trainerv1alpha1.JobSetSpec `json:"spec"`

	// ScheduleTimeoutSeconds is for the PodGroup.
	ScheduleTimeoutSeconds *int32 `json:"scheduleTimeoutSeconds,omitempty"`

	// MinNodes is how many pods of the job Elastic have to fit, if it is elastic.
	Elastic  string `json:"elastic,omitempty"`
	MinNodes int32  `json:"minNodes,omitempty"`

	// Hostfile is what mpirun reads; empty without MPI.
	Hostfile string `json:"hostfile,omitempty"`
}

// runtimeError says that a runtime cannot be used, by any job.
type runtimeError struct{ error }

func badRuntime(format string, args ...any) error {
	return runtimeError{fmt.Errorf(format, args...)}
}

// expansion is the making of a set.
type expansion struct {
	*set
	job     *trainerv1alpha1.TrainJob
	trainer trainerv1alpha1.Trainer // empty where the job has none
	policy  trainerv1alpha1.MLPolicy

	// tuneKept are the settings of torchtune in the runtime's command.
	tuneKept []string
}

// expand makes a set of a runtime and a TrainJob, neither of which is changed. It fails with a runtimeError if the runtime
// is to blame, and with another error if the job is.
func expand(runtime *trainerv1alpha1.TrainingRuntimeSpec, job *trainerv1alpha1.TrainJob) (*set, error) {
	runtime = runtime.DeepCopy()
	e := &expansion{set: &set{Spec: runtime.Template.Spec}, job: job.DeepCopy()}
	if e.job.Spec.Trainer != nil {
		e.trainer = *e.job.Spec.Trainer
	}
	if runtime.MLPolicy != nil {
		e.policy = *runtime.MLPolicy
	}
	if policy := runtime.PodGroupPolicy; policy != nil && policy.Coscheduling != nil {
		e.ScheduleTimeoutSeconds = policy.Coscheduling.ScheduleTimeoutSeconds
	}
	steps := []func() error{e.check, e.change, e.complete, e.initialize, e.train, e.tellFramework, e.checkNames}
	e.Labels, e.Annotations = maps.Clone(runtime.Template.Metadata.Labels), maps.Clone(runtime.Template.Metadata.Annotations)
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return e.set, nil
}

// check refuses runtimes of which nothing can be made.
func (e *expansion) check() error {
	if e.policy.Flux != nil {
		return badRuntime("it is for Flux, which Muster does not run")
	}
	if len(e.Spec.ReplicatedJobs) == 0 {
		return badRuntime("it has no replicatedJobs")
	}
	if len(e.ofStep(trainerv1alpha1.AncestorTrainer)) > 1 {
		return badRuntime("more than one of its jobs has the label %s: %s", trainerv1alpha1.AncestorLabel, trainerv1alpha1.AncestorTrainer)
	}
	for i := range e.Spec.ReplicatedJobs {
		if err := e.checkJob(&e.Spec.ReplicatedJobs[i]); err != nil {
			return err
		}
	}
	if cycle := findCycle(e.Spec.ReplicatedJobs); cycle != "" {
		return badRuntime("its job %s waits for itself", cycle)
	}
	return e.checkFailurePolicy()
}

func (e *expansion) checkJob(rjob *trainerv1alpha1.ReplicatedJob) error {
	if rjob.TemplateError != "" {
		return badRuntime("the template of its job %s is no Job: %s", rjob.Name, rjob.TemplateError)
	}
	if len(rjob.Template.Spec.Template.Spec.Containers) == 0 {
		return badRuntime("its job %s has no container", rjob.Name)
	}
	for _, d := range rjob.DependsOn {
		if e.jobNamed(d.Name) == nil {
			return badRuntime("its job %s waits for the job %s, which it does not have", rjob.Name, d.Name)
		}
	}
	return nil
}

func (e *expansion) checkFailurePolicy() error {
	if e.Spec.FailurePolicy == nil {
		return nil
	}
	for i, rule := range e.Spec.FailurePolicy.Rules {
		for _, pattern := range rule.OnJobFailureMessagePatterns {
			if _, err := regexp.Compile(pattern); err != nil {
				return badRuntime("failurePolicy.rules[%d]: %w", i, err)
			}
		}
	}
	return nil
}

// change makes the job's overrides.
func (e *expansion) change() error {
	all := normalise(&e.job.Spec)
	for _, metadata := range all.set {
		e.Labels, e.Annotations = overlay(e.Labels, metadata.Labels), overlay(e.Annotations, metadata.Annotations)
	}
	for i := range all.jobs {
		change := &all.jobs[i]
		rjob := e.jobNamed(change.target)
		if rjob == nil {
			return fmt.Errorf("%s: the runtime has no job %s", change.path, change.target)
		}
		if err := change.apply(rjob); err != nil {
			return err
		}
	}
	return nil
}

// complete sets defaults: JobSet's own, where pods are restarted by their Job aside.
func (e *expansion) complete() error {
	spec := &e.Spec
	if spec.Network == nil {
		spec.Network = &trainerv1alpha1.Network{}
	}
	setDefault(&spec.Network.EnableDNSHostnames, true)
	setDefault(&spec.Network.PublishNotReadyAddresses, true)
	if spec.Network.Subdomain == "" {
		spec.Network.Subdomain = e.job.Name
	}
	if spec.SuccessPolicy == nil {
		spec.SuccessPolicy = &trainerv1alpha1.SuccessPolicy{Operator: trainerv1alpha1.OperatorAll}
	}
	spec.Suspend = nil
	for i := range spec.ReplicatedJobs {
		rjob := &spec.ReplicatedJobs[i]
		completeJob(rjob)
		e.addClaims(&rjob.Template.Spec.Template.Spec)
	}
	_, err := e.newClaims(e.job)
	return err
}

// addClaims gives a pod the set's volumes that its containers mount.
func (e *expansion) addClaims(pod *corev1.PodSpec) {
	mounted := map[string]bool{}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, m := range c.VolumeMounts {
			mounted[m.Name] = true
		}
	}
	for _, policy := range e.Spec.VolumeClaimPolicies {
		for i := range policy.Templates {
			if claim := &policy.Templates[i]; mounted[claim.Metadata.Name] {
				addVolume(pod, corev1.Volume{Name: claim.Metadata.Name, VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(e.job, claim)},
				}})
			}
		}
	}
}

func completeJob(rjob *trainerv1alpha1.ReplicatedJob) {
	setDefault(&rjob.Replicas, 1)
	if stepOf(rjob) != "" {
		rjob.Replicas = new(int32(1))
	}
	if rjob.GroupName == "" {
		rjob.GroupName = "default"
	}
	spec := &rjob.Template.Spec
	setDefault(&spec.CompletionMode, batchv1.IndexedCompletion)
	setDefault(&spec.Parallelism, 1)
	setDefault(&spec.Completions, *spec.Parallelism)
	spec.Suspend, spec.TTLSecondsAfterFinished = nil, nil // these are said about the TrainJob
	keepThroughDisruptions(spec)
}

// defaultBackoffLimit is that of Jobs.
const defaultBackoffLimit = 6

// keepThroughDisruptions lets a Job replace the pods that the cluster takes away, for example for a gang of higher priority,
// without limit and soon: that says nothing about the program. Counted as failures, the pods of one gang that was evicted would
// use up the Job's backoffLimit at once; and the Job would wait 10 s for the first of them, twice as long for each further one,
// unless it counts each index by itself. Jobs can tell these pods from others only where containers are not restarted in place.
func keepThroughDisruptions(spec *batchv1.JobSpec) {
	if spec.Template.Spec.RestartPolicy == "" {
		spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
	if spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever || spec.PodFailurePolicy != nil {
		return
	}
	spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
		Action: batchv1.PodFailurePolicyActionIgnore,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
		}},
	}}}
	if *spec.CompletionMode != batchv1.IndexedCompletion || spec.BackoffLimitPerIndex != nil {
		return
	}
	// The limit for all pods together, which comes first, stays the one that counts.
	setDefault(&spec.BackoffLimit, defaultBackoffLimit)
	spec.BackoffLimitPerIndex, spec.MaxFailedIndexes = new(*spec.BackoffLimit), new(int32(0))
}

// initialize configures the steps before training.
func (e *expansion) initialize() error {
	if e.job.Spec.Initializer == nil {
		return nil
	}
	err := e.initializeStep(trainerv1alpha1.DatasetInitializer, e.job.Spec.Initializer.Dataset)
	return errors.Join(err, e.initializeStep(trainerv1alpha1.ModelInitializer, e.job.Spec.Initializer.Model))
}

func (e *expansion) initializeStep(name string, step *trainerv1alpha1.InitializerStep) error {
	if step == nil {
		return nil
	}
	found := false
	for _, rjob := range e.ofStep(name) {
		c := findContainer(rjob.Template.Spec.Template.Spec.Containers, name)
		if c == nil {
			continue
		}
		found = true
		if step.StorageURI != nil {
			upsertEnv(c, corev1.EnvVar{Name: "STORAGE_URI", Value: *step.StorageURI})
		}
		upsertEnv(c, step.Env...)
		if step.SecretRef != nil {
			c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: *step.SecretRef}})
		}
	}
	if !found {
		return fmt.Errorf("spec.initializer: the runtime has no step %s with a container of that name", name)
	}
	return nil
}

// train configures the step that trains.
func (e *expansion) train() error {
	if err := e.checkReserved(); err != nil {
		return err
	}
	trainers := e.ofStep(trainerv1alpha1.AncestorTrainer)
	if len(trainers) == 0 {
		if e.job.Spec.Trainer != nil {
			return badRuntime("none of its jobs has the label %s: %s, which spec.trainer is for", trainerv1alpha1.AncestorLabel, trainerv1alpha1.AncestorTrainer)
		}
		return nil
	}
	rjob := trainers[0]
	setPods(rjob, e.numNodes(rjob))
	c := nodeContainer(rjob)
	if c == nil {
		return badRuntime("its job %s has no container %s", rjob.Name, trainerv1alpha1.Node)
	}
	e.tuneKept = keepTuneSettings(c.Command)
	if e.trainer.Command != nil {
		c.Command = e.trainer.Command
	}
	if e.trainer.Args != nil {
		c.Args = e.trainer.Args
	}
	e.configureNode(c)
	if mpi := e.policy.MPI; mpi == nil || mpi.RunLauncherAsNode != nil && *mpi.RunLauncherAsNode {
		e.giveResources(c) // an MPI launcher that is no node only starts what runs on the nodes
	}
	return nil
}

// configureNode sets image and environment of a container that trains.
func (e *expansion) configureNode(c *corev1.Container) {
	if e.trainer.Image != nil {
		c.Image = *e.trainer.Image
	}
	upsertEnv(c, e.trainer.Env...)
}

func (e *expansion) giveResources(c *corev1.Container) {
	if more := e.trainer.ResourcesPerNode; more != nil {
		c.Resources.Limits = overlay(c.Resources.Limits, more.Limits)
		c.Resources.Requests = overlay(c.Resources.Requests, more.Requests)
		if more.Claims != nil {
			c.Resources.Claims = more.Claims
		}
	}
}

// numNodes is the number of pods that train.
func (e *expansion) numNodes(rjob *trainerv1alpha1.ReplicatedJob) int32 {
	switch torch := e.policy.Torch; {
	case e.trainer.NumNodes != nil:
		return *e.trainer.NumNodes
	case torch != nil && torch.ElasticPolicy != nil:
		_, most := elasticNodes(torch.ElasticPolicy)
		return most
	case e.policy.NumNodes != nil:
		return *e.policy.NumNodes
	default:
		return *rjob.Template.Spec.Parallelism
	}
}

// checkNames refuses names that are too long: each pod is a host of the name <Job>-<index>.
func (e *expansion) checkNames() error {
	for i := range e.Spec.ReplicatedJobs {
		rjob := &e.Spec.ReplicatedJobs[i]
		if *rjob.Replicas < 1 {
			continue
		}
		host := hostname(e.job.Name, rjob.Name, *rjob.Replicas-1, max(podsOf(rjob), 1)-1)
		if len(host) > 63 {
			return fmt.Errorf("metadata.name is too long: %s, the name of a pod's host, has %d characters of 63", host, len(host))
		}
	}
	return nil
}
