package podpolicy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// read reads an object of a test, strictly.
func read[T any](t testing.TB, text string) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return object
}

// compile reads PodPolicies, gives them the names p0, p1, …, and compiles and sorts them.
func compile(t testing.TB, specs ...string) []*Policy {
	t.Helper()
	var policies []*Policy
	for i, spec := range specs {
		policy := &v1alpha1.PodPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p" + string(rune('0'+i))}, Spec: *read[v1alpha1.PodPolicySpec](t, spec)}
		compiled, err := Compile(policy)
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, compiled)
	}
	Sort(policies)
	return policies
}

func TestApplySettles(t *testing.T) {
	const toAll = "match: {expression: 'true'}\n"
	for name, c := range map[string]struct {
		policies  []string
		pod       string
		namespace map[string]string
		want      string // "": the pod as it was
	}{
		"a scheduler where the API server filled one in": {
			policies: []string{toAll + "set: {schedulerName: {value: muster}}"},
			pod:      `{spec: {schedulerName: default-scheduler}}`,
			want:     `{spec: {schedulerName: muster}}`,
		},
		"no scheduler where the user named one": {
			policies: []string{toAll + "set: {schedulerName: {value: muster}}"},
			pod:      `{spec: {schedulerName: volcano}}`,
		},
		"always": {
			policies: []string{toAll + "set: {schedulerName: {value: muster, when: Always}}"},
			pod:      `{spec: {schedulerName: volcano}}`,
			want:     `{spec: {schedulerName: muster}}`,
		},
		"what is right": {
			policies: []string{toAll + "set: {schedulerName: {value: muster, when: Always}, labels: [{key: a, value: '', when: Always}]}"},
			pod:      `{metadata: {labels: {a: ''}}, spec: {schedulerName: muster}}`,
		},
		"an empty label is one": {
			policies: []string{toAll + "set: {labels: [{key: a, value: ''}]}"},
			pod:      `{}`,
			want:     `{metadata: {labels: {a: ''}}}`,
		},
		"a class, and no number that contradicts it": {
			policies: []string{toAll + "set: {priorityClassName: {value: high}}"},
			pod:      `{spec: {priority: 0, preemptionPolicy: PreemptLowerPriority}}`,
			want:     `{spec: {priorityClassName: high}}`,
		},
		"no queue where the namespace has one": {
			policies:  []string{toAll + "set: {queue: {value: q}}"},
			pod:       `{}`,
			namespace: map[string]string{v1alpha1.QueueLabel: "theirs"},
		},
		"a queue always": {
			policies:  []string{toAll + "set: {queue: {value: q, when: Always}}"},
			pod:       `{}`,
			namespace: map[string]string{v1alpha1.QueueLabel: "theirs"},
			want:      `{metadata: {labels: {scheduling.muster.dev/queue: q}}}`,
		},
		"the first of two that give way": {
			policies: []string{toAll + "order: 2\nset: {queue: {value: late}}", toAll + "order: 1\nset: {queue: {value: early}}"},
			pod:      `{}`,
			want:     `{metadata: {labels: {scheduling.muster.dev/queue: early}}}`,
		},
		"the last of two that insist, by name where the order is equal": {
			policies: []string{toAll + "set: {queue: {value: a, when: Always}}", toAll + "set: {queue: {value: b, when: Always}}", toAll + "set: {queue: {value: c}}"},
			pod:      `{}`,
			want:     `{metadata: {labels: {scheduling.muster.dev/queue: b}}}`,
		},
		"what another policy made match": {
			policies: []string{"match: {podSelector: {matchLabels: {a: '1'}}}\nset: {annotations: [{key: b, value: x}]}", toAll + "set: {labels: [{key: a, value: '1'}]}"},
			pod:      `{}`,
			want:     `{metadata: {labels: {a: '1'}, annotations: {b: x}}}`,
		},
		"a toleration beside one that covers less": {
			policies: []string{toAll + "set: {tolerations: [{key: g, operator: Exists}]}"},
			pod:      `{spec: {tolerations: [{key: g, operator: Exists, effect: NoSchedule}]}}`,
			want:     `{spec: {tolerations: [{key: g, operator: Exists, effect: NoSchedule}, {key: g, operator: Exists}]}}`,
		},
		"no toleration beside one of everything": {
			policies: []string{toAll + "set: {tolerations: [{key: g, operator: Exists, effect: NoSchedule}]}"},
			pod:      `{spec: {tolerations: [{operator: Exists}]}}`,
		},
		"variables of the containers that lack them": {
			policies: []string{toAll + "set: {env: [{name: A, value: x}, {name: B, fieldPath: metadata.name}]}"},
			pod:      `{spec: {initContainers: [{name: i}], containers: [{name: c, env: [{name: A, value: z}]}, {name: d}, {name: e, envFrom: [{prefix: p}]}]}}`,
			want: `{spec: {initContainers: [{name: i}], containers: [
  {name: c, env: [{name: A, value: z}, {name: B, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]},
  {name: d, env: [{name: A, value: x}, {name: B, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]},
  {name: e, envFrom: [{prefix: p}]}]}}`,
		},
		"a variable always": {
			policies: []string{toAll + "set: {env: [{name: A, value: x, when: Always}]}"},
			pod:      `{spec: {containers: [{name: c, env: [{name: A, value: x}, {name: A, value: z}]}, {name: d, envFrom: [{prefix: p}]}]}}`,
			want:     `{spec: {containers: [{name: c, env: [{name: A, value: x}, {name: A, value: x}]}, {name: d, envFrom: [{prefix: p}], env: [{name: A, value: x}]}]}}`,
		},
		"memory, under a name that is free": {
			policies: []string{toAll + "set: {sharedMemory: {sizeLimit: 2Gi}}"},
			pod:      `{spec: {volumes: [{name: muster-shm, hostPath: {path: /x}}], containers: [{name: c}, {name: d, volumeMounts: [{name: muster-shm, mountPath: /dev/shm/}]}]}}`,
			want: `{spec: {volumes: [{name: muster-shm, hostPath: {path: /x}}, {name: muster-shm-2, emptyDir: {medium: Memory, sizeLimit: 2Gi}}], containers: [
  {name: c, volumeMounts: [{name: muster-shm-2, mountPath: /dev/shm}]}, {name: d, volumeMounts: [{name: muster-shm, mountPath: /dev/shm/}]}]}}`,
		},
		"the volume that is there, for a container that came later": {
			policies: []string{toAll + "set: {sharedMemory: {}}"},
			pod:      `{spec: {volumes: [{name: muster-shm, emptyDir: {medium: Memory}}], containers: [{name: c, volumeMounts: [{name: muster-shm, mountPath: /dev/shm}]}, {name: sidecar}]}}`,
			want:     `{spec: {volumes: [{name: muster-shm, emptyDir: {medium: Memory}}], containers: [{name: c, volumeMounts: [{name: muster-shm, mountPath: /dev/shm}]}, {name: sidecar, volumeMounts: [{name: muster-shm, mountPath: /dev/shm}]}]}}`,
		},
		"no memory in the node's IPC namespace": {
			policies: []string{toAll + "set: {sharedMemory: {}}"},
			pod:      `{spec: {hostIPC: true, containers: [{name: c}]}}`,
		},
		"the mirror of a static pod": {
			policies: []string{toAll + "set: {schedulerName: {value: muster, when: Always}}"},
			pod:      `{metadata: {annotations: {kubernetes.io/config.mirror: x}}}`,
		},
		"a pod that opted out": {
			policies: []string{toAll + "set: {schedulerName: {value: muster}}"},
			pod:      `{metadata: {labels: {scheduling.muster.dev/skip-pod-policies: "true"}}}`,
		},
		"a pod that opted in where its namespace is out": {
			policies:  []string{toAll + "set: {schedulerName: {value: muster}}"},
			pod:       `{metadata: {labels: {scheduling.muster.dev/skip-pod-policies: "false"}}}`,
			namespace: map[string]string{v1alpha1.SkipPodPoliciesLabel: "true"},
			want:      `{metadata: {labels: {scheduling.muster.dev/skip-pod-policies: "false"}}, spec: {schedulerName: muster}}`,
		},
		"no policy of another namespace, whatever the annotation says": {
			policies: []string{"match: {namespaceSelector: {matchLabels: {vip: 'yes'}}}\nset: {priorityClassName: {value: high}}"},
			pod:      `{metadata: {annotations: {scheduling.muster.dev/pod-policies: '{"policies":["p0"]}'}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := read[corev1.Pod](t, c.pod)
			want := pod
			if c.want != "" {
				want = read[corev1.Pod](t, c.want)
			}
			around := Surroundings{Namespace: Namespace{Name: "team", Labels: c.namespace}, PriorityClasses: sets.New("high")}
			result := Apply(t.Context(), pod, around, compile(t, c.policies...))
			got := result.Pod.DeepCopy()
			if changed := len(result.Changes) > 0; changed != (c.want != "") {
				t.Errorf("changes %+v", result.Changes)
			} else if changed {
				if got.Annotations[v1alpha1.PodPoliciesAnnotation] == "" {
					t.Error("the annotation is missing")
				}
				delete(got.Annotations, v1alpha1.PodPoliciesAnnotation)
				if len(got.Annotations) == 0 {
					got.Annotations = nil
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, problem := range result.Problems {
				t.Error(problem)
			}
		})
	}
}
