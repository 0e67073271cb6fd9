package training

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// validateJob checks a job with defaults set. Some of it the CRD has refused already; it is checked again because a CRD of
// another installation may be in the cluster, and because the functions of this package rely on it.
func (k *kind) validateJob(job trainingv1.Job) field.ErrorList {
	errs := k.validateName(job)
	if value, ok := job.GetAnnotations()[schedulingv1alpha1.RestartAnnotation]; ok && !restartsAll(job) {
		path := field.NewPath("metadata", "annotations").Key(schedulingv1alpha1.RestartAnnotation)
		errs = append(errs, field.NotSupported(path, value, []string{schedulingv1alpha1.RestartAll}))
	}
	errs = append(errs, k.validateReplicas(job)...)
	policy := job.Policy().SchedulingPolicy
	if policy != nil && policy.MinAvailable != nil {
		path := field.NewPath("spec", "runPolicy", "schedulingPolicy", "minAvailable")
		if n := totalReplicas(job); *policy.MinAvailable > n {
			errs = append(errs, field.Invalid(path, *policy.MinAvailable, fmt.Sprintf("the job has only %d replicas", n)))
		} else if *policy.MinAvailable < 1 {
			errs = append(errs, field.Invalid(path, *policy.MinAvailable, "must be 1 or more"))
		}
	}
	if len(errs) == 0 && k.validate != nil {
		errs = k.validate(job)
	}
	return errs
}

// validateName checks that every pod and service of the job will have a legal name.
func (k *kind) validateName(job trainingv1.Job) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("metadata", "name")
	for _, msg := range validation.IsDNS1035Label(job.GetName()) {
		errs = append(errs, field.Invalid(path, job.GetName(), msg+" (pods and services are named after the job)"))
	}
	for _, t := range k.types {
		spec := job.Replicas()[t]
		if spec == nil || *spec.Replicas < 1 {
			continue
		}
		last := k.nameOf(job, t, *spec.Replicas-1)
		if over := len(last) - validation.DNS1035LabelMaxLength; over > 0 {
			errs = append(errs, field.Invalid(path, job.GetName(), fmt.Sprintf(
				"is too long by %d: the pod %s may have %d characters", over, last, validation.DNS1035LabelMaxLength)))
		}
	}
	return errs
}

func (k *kind) validateReplicas(job trainingv1.Job) field.ErrorList {
	path := field.NewPath("spec", k.replicasField)
	if len(job.Replicas()) == 0 {
		return field.ErrorList{field.Required(path, "at least one replica type is needed: "+k.typeNames())}
	}
	var errs field.ErrorList
	keys := make([]trainingv1.ReplicaType, 0, len(job.Replicas()))
	for key := range job.Replicas() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		at := path.Key(string(key))
		switch {
		case slices.Contains(k.types, key):
			errs = append(errs, k.validateReplica(at, job.Replicas()[key])...)
		case slices.ContainsFunc(k.types, func(t trainingv1.ReplicaType) bool { return strings.EqualFold(string(t), string(key)) }):
			errs = append(errs, field.Duplicate(at, string(key)))
		default:
			errs = append(errs, field.NotSupported(at, string(key), k.types))
		}
	}
	if len(errs) == 0 && totalReplicas(job) == 0 {
		errs = append(errs, field.Invalid(path, 0, "at least one replica is needed"))
	}
	return errs
}

func (k *kind) validateReplica(path *field.Path, spec *trainingv1.ReplicaSpec) field.ErrorList {
	var errs field.ErrorList
	if *spec.Replicas < 0 {
		errs = append(errs, field.Invalid(path.Child("replicas"), *spec.Replicas, "must not be negative"))
	}
	policies := []trainingv1.RestartPolicy{
		trainingv1.RestartPolicyAlways, trainingv1.RestartPolicyOnFailure, trainingv1.RestartPolicyNever,
		trainingv1.RestartPolicyExitCode,
	}
	if !slices.Contains(policies, spec.RestartPolicy) {
		errs = append(errs, field.NotSupported(path.Child("restartPolicy"), spec.RestartPolicy, policies))
	}
	template := path.Child("template")
	if spec.TemplateError != "" {
		return append(errs, field.Invalid(template, field.OmitValueType{}, "is not a pod template: "+spec.TemplateError))
	}
	containers := template.Child("spec", "containers")
	if len(spec.Template.Spec.Containers) == 0 {
		what := "a container is needed"
		if k.container != "" {
			what = fmt.Sprintf("a container named %q is needed", k.container)
		}
		return append(errs, field.Required(containers, what))
	}
	if mainContainer(spec.Template.Spec.Containers, k.container) == nil {
		var names []string
		for _, c := range spec.Template.Spec.Containers {
			names = append(names, c.Name)
		}
		errs = append(errs, field.Invalid(containers, strings.Join(names, ", "),
			fmt.Sprintf("in jobs of kind %s one container must be named %q", k.name, k.container)))
	}
	for i, c := range spec.Template.Spec.Containers {
		if c.Image == "" {
			errs = append(errs, field.Required(containers.Index(i).Child("image"), "container "+c.Name+" has no image"))
		}
	}
	return errs
}

func (k *kind) typeNames() string {
	var names []string
	for _, t := range k.types {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
