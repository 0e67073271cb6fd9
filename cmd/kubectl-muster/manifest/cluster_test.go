package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"sigs.k8s.io/yaml"
)

// parse reads YAML into a value of any type.
func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := yaml.UnmarshalStrict([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func cluster(t *testing.T) Cluster {
	return Cluster{
		PriorityClasses: parse[[]schedulingv1.PriorityClass](t, `
- {metadata: {name: high}, value: 1000, preemptionPolicy: Never}
- {metadata: {name: usual}, value: 20, globalDefault: true}
- {metadata: {name: low}, value: 10, globalDefault: true, preemptionPolicy: PreemptLowerPriority}
`),
		LimitRanges: parse[[]corev1.LimitRange](t, `
- spec:
    limits:
    - {type: Pod, max: {cpu: 100}}
    - {type: Container, default: {cpu: 2, memory: 4Gi}, defaultRequest: {cpu: 1, memory: 4Gi}}
`),
		RuntimeClasses: parse[[]nodev1.RuntimeClass](t, `
- metadata: {name: vm}
  handler: vm
  overhead: {podFixed: {memory: 100Mi}}
  scheduling: {nodeSelector: {vm: "true", pool: a}, tolerations: [{key: vm}]}
- {metadata: {name: plain}, handler: plain}
`),
	}
}

func TestAdmit(t *testing.T) {
	for _, test := range []struct{ name, spec, want string }{
		{"requests follow from limits, then from the namespace",
			`{containers: [{name: a, resources: {limits: {nvidia.com/gpu: 8}}}, {name: b, resources: {limits: {cpu: 500m}}}], initContainers: [{name: c, resources: {requests: {cpu: 3}}}]}`,
			`
priority: 10
priorityClassName: low
preemptionPolicy: PreemptLowerPriority
containers:
- {name: a, resources: {limits: {nvidia.com/gpu: 8, cpu: 2, memory: 4Gi}, requests: {nvidia.com/gpu: 8, cpu: 1, memory: 4Gi}}}
- {name: b, resources: {limits: {cpu: 500m, memory: 4Gi}, requests: {cpu: 500m, memory: 4Gi}}}
initContainers:
- {name: c, resources: {limits: {cpu: 2, memory: 4Gi}, requests: {cpu: 3, memory: 4Gi}}}`},
		{"class, resources of the pod as a whole",
			`{priorityClassName: high, containers: [], resources: {limits: {cpu: 4}}}`,
			`{priority: 1000, priorityClassName: high, preemptionPolicy: Never, containers: [], resources: {limits: {cpu: 4}, requests: {cpu: 4}}}`},
		{"runtime class",
			`{priorityClassName: usual, runtimeClassName: vm, nodeSelector: {pool: b}, tolerations: [{key: gpu}], containers: []}`,
			`{priority: 20, priorityClassName: usual, runtimeClassName: vm, nodeSelector: {pool: b, vm: "true"}, tolerations: [{key: gpu}, {key: vm}], overhead: {memory: 100Mi}, containers: []}`},
		{"runtime class without consequences",
			`{priorityClassName: usual, runtimeClassName: plain, containers: []}`,
			`{priority: 20, priorityClassName: usual, runtimeClassName: plain, containers: []}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			pod := corev1.Pod{Spec: parse[corev1.PodSpec](t, test.spec)}
			if err := cluster(t).Admit(&pod); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse[corev1.PodSpec](t, test.want), pod.Spec); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAdmitWithoutClasses(t *testing.T) {
	var pod corev1.Pod
	if err := (Cluster{}).Admit(&pod); err != nil || pod.Spec.Priority == nil || *pod.Spec.Priority != 0 {
		t.Errorf("priority %v, error %v; want 0", pod.Spec.Priority, err)
	}
}

func TestAdmitRefuses(t *testing.T) {
	for _, test := range []struct{ spec, words string }{
		{`{priorityClassName: none, containers: []}`, `no PriorityClass "none"`},
		{`{runtimeClassName: none, containers: []}`, `no RuntimeClass "none"`},
	} {
		pod := corev1.Pod{Spec: parse[corev1.PodSpec](t, test.spec)}
		if err := cluster(t).Admit(&pod); err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("got the error %v, want one about %q", err, test.words)
		}
	}
}
