package podpolicy

import (
	"errors"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// fieldPaths are the fields of a pod that the API server lets a variable refer to, those of IPv6 and hashes aside.
var fieldPaths = regexp.MustCompile(`^(metadata\.(name|namespace|uid|(labels|annotations)\['([-A-Za-z0-9_./]+)'\])|spec\.(nodeName|serviceAccountName)|status\.(hostIP|podIP))$`)

// checkSettings fails on what the API server would not accept on a pod. The schema of the kind refuses most of it too.
func checkSettings(set *v1alpha1.PodPolicySettings) error {
	var faults []error
	fault := func(where string, messages ...string) {
		for _, message := range messages {
			faults = append(faults, fmt.Errorf("spec.set.%s: %s", where, message))
		}
	}
	if set.SchedulerName != nil {
		fault("schedulerName", validation.IsDNS1123Subdomain(set.SchedulerName.Value)...)
	}
	if name := set.PriorityClassName; name != nil && (name.Value != "" || !name.Inherit) {
		fault("priorityClassName", validation.IsDNS1123Subdomain(name.Value)...)
	}
	if name := set.Queue; name != nil && (name.Value != "" || !name.Inherit) {
		fault("queue", validation.IsDNS1123Subdomain(name.Value)...)
		fault("queue", validation.IsValidLabelValue(name.Value)...)
	}
	fault("gang", checkSource(set.Gang)...)
	fault("ranks", checkSource(set.Ranks)...)
	if set.Firm != nil && set.Firm.PerUser < 0 {
		fault("firm.perUser", "must not be negative")
	}
	for _, l := range set.Labels {
		fault("labels", validation.IsQualifiedName(l.Key)...)
		fault("labels", validation.IsValidLabelValue(l.Value)...)
		if l.Key == v1alpha1.SkipPodPoliciesLabel {
			fault("labels", l.Key+" is the users' own")
		}
		if l.Key == v1alpha1.GangOfLabel {
			fault("labels", l.Key+" may not be set by a policy but with gang")
		}
	}
	for _, a := range set.Annotations {
		fault("annotations", validation.IsQualifiedName(a.Key)...)
		if a.Key == v1alpha1.PodPoliciesAnnotation || a.Key == v1alpha1.WorkloadAnnotation || a.Key == corev1.MirrorPodAnnotationKey {
			fault("annotations", a.Key+" may not be set by a policy")
		}
	}
	for _, e := range set.Env {
		fault("env", checkEnv(e)...)
	}
	for _, t := range set.Tolerations {
		fault("tolerations", checkToleration(t)...)
	}
	if memory := set.SharedMemory; memory != nil && memory.SizeLimit != nil && memory.SizeLimit.Sign() < 0 {
		fault("sharedMemory.sizeLimit", "must not be negative")
	}
	return errors.Join(faults...)
}

func checkSource(source v1alpha1.PodPolicySource) []string {
	if source == "" || source == v1alpha1.FromWorkload {
		return nil
	}
	return []string{fmt.Sprintf("%q is not %s", source, v1alpha1.FromWorkload)}
}

func checkEnv(e v1alpha1.PodPolicyEnv) []string {
	faults := validation.IsEnvVarName(e.Name)
	if e.FieldPath == "" {
		return faults
	}
	if e.Value != "" {
		faults = append(faults, "value and fieldPath exclude each other")
	}
	parts := fieldPaths.FindStringSubmatch(e.FieldPath)
	if parts == nil {
		return append(faults, fmt.Sprintf("no container can refer to the field %q", e.FieldPath))
	}
	if key := parts[4]; key != "" {
		faults = append(faults, validation.IsQualifiedName(key)...)
	}
	return faults
}

func checkToleration(t corev1.Toleration) []string {
	var faults []string
	if t.Key != "" {
		faults = validation.IsQualifiedName(t.Key)
	}
	switch operator(t) {
	case corev1.TolerationOpEqual:
		if t.Key == "" {
			faults = append(faults, "a toleration of every key has the operator Exists")
		}
		faults = append(faults, validation.IsValidLabelValue(t.Value)...)
	case corev1.TolerationOpExists:
		if t.Value != "" {
			faults = append(faults, "a toleration with the operator Exists has no value")
		}
	default:
		faults = append(faults, fmt.Sprintf("the operator %q is not Exists or Equal", t.Operator))
	}
	switch t.Effect {
	case "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	default:
		faults = append(faults, fmt.Sprintf("the effect %q is unknown", t.Effect))
	}
	if t.TolerationSeconds != nil && t.Effect != corev1.TaintEffectNoExecute {
		faults = append(faults, "tolerationSeconds needs the effect NoExecute")
	}
	return faults
}
