package podpolicy

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// FuzzApply takes any pod that can be read from JSON.
func FuzzApply(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"metadata":{"labels":{"a":"1"},"annotations":{"scheduling.muster.dev/pod-policies":"{\"policies\":[\"p0\"],\"changes\":[{}]}"}}}`,
		`{"spec":{"containers":[{"name":"c","env":[{"name":"A","valueFrom":{}}],"resources":{"limits":{"nvidia.com/gpu":"1e400"}}}],"os":{},"tolerations":[{"operator":"Gt"}]}}`,
		`{"spec":{"ephemeralContainers":[{"name":"e"}],"volumes":[{"name":"muster-shm"},{"name":"muster-shm-2","emptyDir":{}}],"containers":[{},{}]}}`,
		`{"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z","managedFields":[{"fieldsV1":{"f:a":1}}]},"status":{"startTime":null}}`,
	} {
		f.Add([]byte(seed))
	}
	policies := compile(f,
		"match: {expression: \"pod.spec.containers.exists(c, 'nvidia.com/gpu' in c.?resources.?limits.orValue({}))\"}\nset: {tolerations: [{key: g}]}",
		"match: {expression: \"pod.metadata.labels.exists(k, pod.metadata.labels[k].matches('^(a+)+$'))\"}\nset: {queue: {value: q}}",
		"match: {expression: 'true'}\nset: {schedulerName: {value: muster}, priorityClassName: {value: high}, labels: [{key: a, value: b, when: Always}], env: [{name: A, value: x, when: Always}], sharedMemory: {}}",
		"match: {expression: 'true'}\nset: {gang: Workload, ranks: Workload, firm: {perUser: 1}, queue: {inherit: true}, priorityClassName: {inherit: true, when: Always}}")
	around := Surroundings{PriorityClasses: sets.New("high", "top"), QueueClasses: map[string]string{"q": "top"}, Firm: &FirmUse{User: "ann", Fits: true},
		Workload: &Workload{Queue: "q", Gang: &Gang{PodGroup: "g", Kind: "job", Workload: "{}"}, Ranks: []corev1.EnvVar{{Name: "PET_NNODES", Value: "2"}}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		pod := &corev1.Pod{}
		if json.Unmarshal(data, pod) != nil {
			return
		}
		once := Apply(t.Context(), pod, around, policies)
		if twice := Apply(t.Context(), once.Pod, around, policies); len(twice.Changes) > 0 {
			t.Errorf("the second time: %+v", twice.Changes)
		}
	})
}
