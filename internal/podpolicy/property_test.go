package podpolicy

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"pgregory.net/rapid"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// The properties are tried with few keys and values, so that policies meet each other: one sets what another matches by.
var (
	anyKey   = rapid.SampledFrom([]string{"a", "b", "c", v1alpha1.QueueLabel, v1alpha1.PodGroupLabel, v1alpha1.PriorityClassLabel, v1alpha1.PreemptibleAnnotation})
	anyValue = rapid.SampledFrom([]string{"", "1", "2", "3"})
	anyName  = rapid.SampledFrom([]string{"x", "y", "default-scheduler", v1alpha1.SchedulerName})
	anyWhen  = rapid.SampledFrom([]v1alpha1.SetWhen{v1alpha1.SetIfAbsent, v1alpha1.SetAlways, ""})
	anyMap   = rapid.MapOfN(anyKey, anyValue, 0, 3)

	anyExpression = rapid.SampledFrom([]string{
		"", "true", "false",
		"pod.metadata.labels['a'] == '1'", // fails where there is no such label
		"has(pod.metadata.annotations)",
		"!has(pod.metadata.annotations)",
		"has(pod.metadata.labels) && 'b' in pod.metadata.labels",
		"!has(pod.spec.volumes)",
		"has(pod.spec.tolerations) && size(pod.spec.tolerations) > 1",
		"pod.?spec.?schedulerName.orValue('') == 'x'",
		"pod.spec.containers.all(c, has(c.env) && c.env.exists(e, e.name == 'E1' && e.?value.orValue('') == '1'))",
		"'a' in namespaceObject.metadata.labels",
		"pod.?spec.?schedulerName.orValue('') == 'muster'",
		"has(pod.metadata.labels) && 'scheduling.x-k8s.io/pod-group' in pod.metadata.labels",
		"pod.spec.containers.exists(c, has(c.env) && c.env.exists(e, e.name.startsWith('PET_')))",
		"pod.spec.containers", // no bool
	})

	anyToleration = rapid.Custom(func(t *rapid.T) corev1.Toleration {
		return corev1.Toleration{Key: anyKey.Draw(t, "key"), Operator: rapid.SampledFrom([]corev1.TolerationOperator{"", "Exists"}).Draw(t, "operator"),
			Effect: rapid.SampledFrom([]corev1.TaintEffect{"", "NoSchedule", "NoExecute"}).Draw(t, "effect")}
	})
)

func drawSelector(t *rapid.T, name string) *metav1.LabelSelector {
	switch rapid.IntRange(0, 4).Draw(t, name) {
	case 0:
		return &metav1.LabelSelector{MatchLabels: map[string]string{anyKey.Draw(t, "key"): anyValue.Draw(t, "value")}}
	case 1:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: anyKey.Draw(t, "key"), Operator: metav1.LabelSelectorOpDoesNotExist}}}
	default:
		return nil
	}
}

func drawName(t *rapid.T, name string) *v1alpha1.PodPolicyName {
	if rapid.Bool().Draw(t, name) {
		return nil
	}
	return &v1alpha1.PodPolicyName{Value: anyName.Draw(t, name), When: anyWhen.Draw(t, "when")}
}

func drawInherited(t *rapid.T, name string) *v1alpha1.PodPolicyInherited {
	value := drawName(t, name)
	if value == nil {
		return nil
	}
	inherited := &v1alpha1.PodPolicyInherited{Value: value.Value, When: value.When, Inherit: rapid.Bool().Draw(t, "inherit")}
	if inherited.Inherit && rapid.Bool().Draw(t, "nothing else") {
		inherited.Value = ""
	}
	return inherited
}

func drawPolicy(t *rapid.T, i int) *Policy {
	anySource := rapid.SampledFrom([]v1alpha1.PodPolicySource{"", v1alpha1.FromWorkload})
	set := v1alpha1.PodPolicySettings{
		SchedulerName: drawName(t, "scheduler"), Queue: drawInherited(t, "queue"), PriorityClassName: drawInherited(t, "priority"),
		Gang: anySource.Draw(t, "gang"), Ranks: anySource.Draw(t, "ranks"),
	}
	if rapid.Bool().Draw(t, "firm") {
		set.Firm = &v1alpha1.PodPolicyFirm{PerUser: rapid.Int32Range(0, 2).Draw(t, "per user")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "labels") {
		set.Labels = append(set.Labels, v1alpha1.PodPolicyLabel{Key: anyKey.Draw(t, "key"), Value: anyValue.Draw(t, "value"), When: anyWhen.Draw(t, "when")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "annotations") {
		set.Annotations = append(set.Annotations, v1alpha1.PodPolicyAnnotation{Key: anyKey.Draw(t, "key"), Value: anyValue.Draw(t, "value"), When: anyWhen.Draw(t, "when")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "env") {
		e := v1alpha1.PodPolicyEnv{Name: rapid.SampledFrom([]string{"E1", "E2", "RANK"}).Draw(t, "name"), Value: anyValue.Draw(t, "value"), When: anyWhen.Draw(t, "when")}
		if e.Value == "" && rapid.Bool().Draw(t, "field") {
			e.FieldPath = "metadata.labels['a']"
		}
		set.Env = append(set.Env, e)
	}
	set.Tolerations = rapid.SliceOfN(anyToleration, 0, 2).Draw(t, "tolerations")
	if rapid.Bool().Draw(t, "shared memory") {
		set.SharedMemory = &v1alpha1.PodPolicySharedMemory{}
	}
	policy := &v1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i)}, Spec: v1alpha1.PodPolicySpec{
		Order: rapid.Int32Range(0, 3).Draw(t, "order"), Set: set,
		Match: v1alpha1.PodPolicyMatch{PodSelector: drawSelector(t, "pods"), NamespaceSelector: drawSelector(t, "namespaces"), Expression: anyExpression.Draw(t, "expression")},
	}}
	compiled, err := Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func drawPolicies(t *rapid.T) []*Policy {
	var policies []*Policy
	for i := range rapid.IntRange(0, 5).Draw(t, "policies") {
		policies = append(policies, drawPolicy(t, i))
	}
	Sort(policies)
	return policies
}

func drawPod(t *rapid.T) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: anyMap.Draw(t, "labels"), Annotations: anyMap.Draw(t, "annotations")}}
	pod.Spec.SchedulerName = rapid.SampledFrom([]string{"", "x", "y", corev1.DefaultSchedulerName, v1alpha1.SchedulerName}).Draw(t, "scheduler")
	pod.Spec.PriorityClassName = rapid.SampledFrom([]string{"", "x"}).Draw(t, "priority")
	pod.Spec.HostIPC = rapid.Bool().Draw(t, "host IPC")
	pod.Spec.Tolerations = rapid.SliceOfN(anyToleration, 0, 2).Draw(t, "tolerations")
	if rapid.Bool().Draw(t, "volume") {
		pod.Spec.Volumes = []corev1.Volume{{Name: sharedMemoryVolume}}
	}
	for range rapid.IntRange(0, 3).Draw(t, "containers") {
		var c corev1.Container
		for range rapid.IntRange(0, 3).Draw(t, "env") {
			c.Env = append(c.Env, corev1.EnvVar{Name: rapid.SampledFrom([]string{"E1", "E2", "PET_NNODES"}).Draw(t, "name"), Value: anyValue.Draw(t, "value")})
		}
		if rapid.Bool().Draw(t, "env from") {
			c.EnvFrom = []corev1.EnvFromSource{{}}
		}
		if rapid.Bool().Draw(t, "mount") {
			c.VolumeMounts = []corev1.VolumeMount{{MountPath: rapid.SampledFrom([]string{"/dev/shm", "/dev/shm/", "/data"}).Draw(t, "path")}}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	if rapid.IntRange(0, 3).Draw(t, "forged") == 0 {
		pod.Annotations[v1alpha1.PodPoliciesAnnotation] = rapid.SampledFrom([]string{"", "null", "[]", `{"policies":["p0","p9"],"more":-1}`}).Draw(t, "record")
	}
	return pod
}

func drawSurroundings(t *rapid.T) Surroundings {
	around := Surroundings{Namespace: Namespace{Name: "n", Labels: anyMap.Draw(t, "namespace")}, PriorityClasses: sets.New("x", "1"),
		QueueClasses: map[string]string{"x": "1", "y": "x", "1": "2"}}
	if rapid.Bool().Draw(t, "workload") {
		around.Workload = &Workload{Queue: anyValue.Draw(t, "its queue"), PriorityClass: anyValue.Draw(t, "its class")}
		if rapid.Bool().Draw(t, "a gang") {
			around.Workload.Gang = &Gang{PodGroup: "g", Kind: "job", Workload: "{}"}
		}
		if rapid.Bool().Draw(t, "ranks") {
			around.Workload.Ranks = []corev1.EnvVar{{Name: "PET_NNODES", Value: "2"}, {Name: "PET_NODE_RANK", Value: "0"}}
		}
	}
	if rapid.Bool().Draw(t, "firm use") {
		around.Firm = &FirmUse{User: anyValue.Draw(t, "user"), Pods: rapid.Int32Range(0, 2).Draw(t, "firm pods"), Fits: rapid.Bool().Draw(t, "fits")}
	}
	return around
}

func TestApplyingTwiceIsApplyingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod, around, policies := drawPod(t), drawSurroundings(t), drawPolicies(t)
		once := Apply(t.Context(), pod, around, policies)
		twice := Apply(t.Context(), once.Pod, around, policies)
		if len(twice.Changes) != 0 || twice.Pod != once.Pod {
			t.Fatalf("the second time %+v was changed:\n%s", twice.Changes, cmp.Diff(once.Pod, twice.Pod))
		}
	})
}

func TestApplyKeepsWhatItIsGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod, around, policies := drawPod(t), drawSurroundings(t), drawPolicies(t)
		before := pod.DeepCopy()
		result := Apply(t.Context(), pod, around, policies)
		if diff := cmp.Diff(before, pod); diff != "" {
			t.Fatalf("the pod was changed in place:\n%s", diff)
		}
		if (result.Pod == pod) != (len(result.Changes) == 0) {
			t.Fatalf("%d changes are told", len(result.Changes))
		}
	})
}

// Whoever looks only where it is worth it gives the same pod as who always does.
func TestLookingOnlyWhereItIsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod, around, policies := drawPod(t), drawSurroundings(t), drawPolicies(t)
		eager := Apply(t.Context(), pod, around, policies)
		blind := around
		blind.Workload, blind.Firm = nil, nil
		lazy := Apply(t.Context(), pod, blind, policies)
		for looked := (Wants{}); lazy.Wants != looked; lazy = Apply(t.Context(), pod, blind, policies) {
			if looked = lazy.Wants; looked.Workload {
				blind.Workload = around.Workload
			}
			if looked.Firm {
				blind.Firm = around.Firm
			}
		}
		if diff := cmp.Diff(eager.Pod, lazy.Pod); diff != "" {
			t.Fatalf("(-looked everywhere +looked where wanted)\n%s", diff)
		}
	})
}

// What is not asked again would have said the same.
func TestAskingAgainOnlyWhereItMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pod, around, policies := drawPod(t), drawSurroundings(t), drawPolicies(t)
		lazy := Apply(t.Context(), pod, around, policies)
		for _, p := range policies {
			if p.expression != nil {
				p.expression.reads = nil
			}
		}
		eager := Apply(t.Context(), pod, around, policies)
		if diff := cmp.Diff(eager.Pod, lazy.Pod); diff != "" {
			t.Fatalf("(-all asked again +some)\n%s", diff)
		}
		if got, want := fmt.Sprint(lazy.Problems), fmt.Sprint(eager.Problems); got != want {
			t.Fatalf("got problems %s, expected %s", got, want)
		}
	})
}
