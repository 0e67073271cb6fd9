package podpolicy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

func TestAnnotationTellsWhatChanged(t *testing.T) {
	policies := compile(t,
		"match: {expression: 'true'}\nset: {schedulerName: {value: muster}, priorityClassName: {value: high, when: Always}, tolerations: [{key: g, operator: Exists, effect: NoSchedule}]}",
		"match: {expression: 'true'}\nset: {env: [{name: A, value: x, when: Always}], sharedMemory: {}}",
		"match: {expression: 'false'}\nset: {queue: {value: q}}",
		"match: {expression: 'true'}\nset: {schedulerName: {value: other}}")
	pod := read[corev1.Pod](t, `{spec: {schedulerName: default-scheduler, priorityClassName: low, containers: [{name: c, env: [{name: A, value: z}]}, {name: d}]}}`)
	result := Apply(t.Context(), pod, Surroundings{PriorityClasses: sets.New("high")}, policies)
	const want = `{"policies":["p0","p1","p3"],"changes":[` +
		`{"policy":"p0","field":"spec.schedulerName","from":"default-scheduler","to":"muster"},` +
		`{"policy":"p0","field":"spec.priorityClassName","from":"low","to":"high"},` +
		`{"policy":"p1","field":"env A","from":"z","to":"x","containers":2},` +
		`{"policy":"p0","field":"toleration","to":"g:NoSchedule"},` +
		`{"policy":"p1","field":"volume","to":"/dev/shm","containers":2}]}`
	if got := result.Pod.Annotations[v1alpha1.PodPoliciesAnnotation]; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// Another webhook adds a container, and the policies are asked again: what was told stays told.
	later := result.Pod.DeepCopy()
	later.Spec.Containers = append(later.Spec.Containers, corev1.Container{Name: "sidecar"})
	result = Apply(t.Context(), later, Surroundings{PriorityClasses: sets.New("high")}, policies)
	const more = `,{"policy":"p1","field":"env A","to":"x","containers":1},{"policy":"p1","field":"volume","to":"/dev/shm","containers":1}]}`
	if got, want := result.Pod.Annotations[v1alpha1.PodPoliciesAnnotation], strings.TrimSuffix(want, "]}")+more; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnnotationStaysShort(t *testing.T) {
	var labels, env strings.Builder
	for i := range 64 {
		fmt.Fprintf(&labels, "{key: a%d, value: x}, ", i)
		fmt.Fprintf(&env, "{name: E%d, value: x}, ", i)
	}
	long := strings.Repeat("ä", 2000)
	spec := fmt.Sprintf("match: {expression: 'true'}\nset: {labels: [%s], annotations: [{key: b, value: %s}], env: [%s]}", &labels, long, &env)
	result := Apply(t.Context(), podOf(1), Surroundings{}, compile(t, spec))
	text := result.Pod.Annotations[v1alpha1.PodPoliciesAnnotation]
	var told record
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		t.Fatal(err)
	}
	if len(told.Changes) != maxRecordedChanges || len(told.Changes)+told.More != 64+1+64 || len(result.Changes) != 64+1+64 {
		t.Errorf("%d of %d changes are told, and %d more", len(told.Changes), len(result.Changes), told.More)
	}
	for _, change := range told.Changes {
		if len(change.To) > maxRecordedValue || !utf8.ValidString(change.To) {
			t.Errorf("%s: %d bytes are told", change.Field, len(change.To))
		}
	}
}
