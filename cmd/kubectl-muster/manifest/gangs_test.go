package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const container = `containers: [{name: main, image: i, resources: {limits: {nvidia.com/gpu: 2}}}]`

const podGroup = `
apiVersion: scheduling.x-k8s.io/v1alpha1
kind: PodGroup
metadata: {name: sweep}
spec: {minMember: 2}
---
`

// drawn is a gang in a line: its title, its PodGroup with minimum and queue, its pods.
func drawn(g Gang) string {
	var parts []string
	if group := g.Question.PodGroup; group != nil {
		parts = append(parts, group.Namespace+"/"+group.Name+" min "+string(rune('0'+group.Spec.MinMember)))
		if queue := group.Labels[schedulingv1alpha1.QueueLabel]; queue != "" {
			parts = append(parts, "queue "+queue)
		}
	}
	for _, pod := range g.Question.Pods {
		parts = append(parts, pod.Namespace+"/"+pod.Name)
	}
	return g.Title + ": " + strings.Join(parts, " ")
}

func TestGangs(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
		notes      []string // words of each
	}{
		{"pod", `
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: own}
spec: {schedulerName: muster, ` + container + `}`,
			[]string{"Pod own/p: own/p"}, nil},
		{"pods without a PodGroup are gangs of one", `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {schedulerName: muster, ` + container + `}}
- {apiVersion: v1, kind: Pod, metadata: {generateName: q-}, spec: {` + container + `}}`,
			[]string{"Pod ns/p: ns/p", "Pod ns/q-0: ns/q-0"}, []string{"Pod ns/q-0 names no scheduler"}},
		{"PodGroup with pods", podGroup + `
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"scheduling.x-k8s.io/pod-group": "sweep"}},
 "spec": {"schedulerName": "muster"}}
---
# nothing
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {scheduling.x-k8s.io/pod-group: sweep}}
spec: {schedulerName: other}`,
			[]string{"PodGroup ns/sweep: ns/sweep min 2 ns/a ns/b"}, []string{`Pod ns/b is for the scheduler "other"`}},
		{"Job with a PodGroup", `
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  parallelism: 3
  template:
    metadata: {labels: {scheduling.x-k8s.io/pod-group: sweep}}
    spec: {schedulerName: muster, ` + container + `}
---` + podGroup,
			[]string{"PodGroup ns/sweep: ns/sweep min 2 ns/j-0 ns/j-1 ns/j-2"}, nil},
		{"Job without", `
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  parallelism: 5
  completions: 2
  template:
    metadata: {labels: {scheduling.muster.dev/queue: nlp}}
    spec: {schedulerName: muster, ` + container + `}`,
			[]string{"Job ns/j: ns/j min 2 queue nlp ns/j-0 ns/j-1"}, []string{"Job ns/j has no PodGroup"}},
		{"Job of one pod", `
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec: {template: {spec: {schedulerName: muster, ` + container + `}}}`,
			[]string{"Job ns/j: ns/j-0"}, nil},
		{"PyTorchJob", `
apiVersion: kubeflow.org/v1
kind: PyTorchJob
metadata: {name: torch, labels: {scheduling.muster.dev/queue: nlp}}
spec:
  pytorchReplicaSpecs:
    Worker: {replicas: 2, template: {spec: {containers: [{name: pytorch, image: i}]}}}
    Master: {template: {spec: {containers: [{name: pytorch, image: i}]}}}`,
			[]string{"PyTorchJob ns/torch: ns/torch min 3 queue nlp ns/torch-master-0 ns/torch-worker-0 ns/torch-worker-1"}, nil},
		{"JAXJob and MXJob", `
apiVersion: kubeflow.org/v1
kind: JAXJob
metadata: {name: jax}
spec: {jaxReplicaSpecs: {Worker: {replicas: 2, template: {spec: {containers: [{name: jax, image: i}]}}}}}
---
apiVersion: kubeflow.org/v1
kind: MXJob
metadata: {name: mx}
spec:
  mxReplicaSpecs:
    Scheduler: {template: {spec: {containers: [{name: mxnet, image: i}]}}}
    Worker: {template: {spec: {containers: [{name: mxnet, image: i}]}}}`,
			[]string{"JAXJob ns/jax: ns/jax min 2 ns/jax-worker-0 ns/jax-worker-1", "MXJob ns/mx: ns/mx min 2 ns/mx-scheduler-0 ns/mx-worker-0"}, nil},
		{"MPIJob of both versions", `
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: ssh}
spec:
  mpiReplicaSpecs:
    Launcher: {template: {spec: {containers: [{name: main, image: i}]}}}
    Worker: {replicas: 2, template: {spec: {containers: [{name: main, image: i}]}}}
---
apiVersion: kubeflow.org/v1
kind: MPIJob
metadata: {name: exec}
spec: {mpiReplicaSpecs: {Launcher: {restartPolicy: ExitCode, template: {spec: {containers: [{name: main, image: i}]}}}}}`,
			[]string{"MPIJob ns/ssh: ns/ssh min 3 ns/ssh-launcher ns/ssh-worker-0 ns/ssh-worker-1", "MPIJob ns/exec: ns/exec min 1 ns/exec-launcher"}, nil},
		{"TFJob with a pod of another scheduler, and what else is applied with it", `
apiVersion: v1
kind: ConfigMap
metadata: {name: data}
---
apiVersion: kubeflow.org/v1
kind: TFJob
metadata: {name: tf}
spec:
  runPolicy: {suspend: true, schedulingPolicy: {minAvailable: 1}}
  tfReplicaSpecs:
    PS: {template: {spec: {schedulerName: default-scheduler, containers: [{name: tensorflow, image: i}]}}}
    Worker: {replicas: 2, template: {spec: {containers: [{name: tensorflow, image: i}]}}}`,
			[]string{"TFJob ns/tf: ns/tf min 1 ns/tf-worker-0 ns/tf-worker-1"},
			[]string{"ConfigMap ns/data is left out", "pod tf-ps-0 of TFJob ns/tf is left out"}},
		{"TrainJob with an initializer", `
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainJob
metadata: {name: llm, labels: {scheduling.muster.dev/queue: q}}
spec: {runtimeRef: {kind: TrainingRuntime, name: tuned}, trainer: {numNodes: 2}}
---
apiVersion: trainer.kubeflow.org/v1alpha1
kind: TrainingRuntime
metadata: {name: tuned}
spec:
  template:
    spec:
      replicatedJobs:
      - {name: data, template: {spec: {template: {spec: {` + container + `}}}}}
      - name: node
        dependsOn: [{name: data, status: Complete}]
        template:
          metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
          spec: {template: {spec: {containers: [{name: node, image: i}]}}}`,
			[]string{"TrainJob ns/llm: ns/llm min 2 queue q ns/llm-node-0-0 ns/llm-node-0-1", "Pod ns/llm-data-0-0: ns/llm-data-0-0"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			gangs, notes, err := Gangs([]byte(test.text), "ns")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range gangs {
				got = append(got, drawn(g))
				for _, pod := range g.Question.Pods {
					if pod.Spec.SchedulerName != "muster" {
						t.Errorf("pod %s is for the scheduler %q", pod.Name, pod.Spec.SchedulerName)
					}
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if !slices.EqualFunc(notes, test.notes, strings.HasPrefix) {
				t.Errorf("got the notes %q, want %q", notes, test.notes)
			}
		})
	}
}

// What the pods of a Job say to Muster, the PodGroup that is made up for them says too.
func TestJobWithoutPodGroup(t *testing.T) {
	gangs, _, err := Gangs([]byte(`
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  parallelism: 2
  completionMode: Indexed
  completions: 4
  template:
    metadata: {annotations: {scheduling.muster.dev/expected-runtime: 1h, other: x}, labels: {app: web}}
    spec: {schedulerName: muster, `+container+`}`), "ns")
	if err != nil {
		t.Fatal(err)
	}
	question := gangs[0].Question
	if diff := cmp.Diff(map[string]string{"scheduling.muster.dev/expected-runtime": "1h"}, question.PodGroup.Annotations); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{
		"app": "web", "job-name": "j", "batch.kubernetes.io/job-name": "j", "batch.kubernetes.io/job-completion-index": "1",
		"scheduling.x-k8s.io/pod-group": "j",
	}
	if diff := cmp.Diff(want, question.Pods[1].Labels); diff != "" {
		t.Error(diff)
	}
}

func TestGangsRefused(t *testing.T) {
	for _, test := range []struct{ name, text, words string }{
		{"empty", "", "nothing in it that Muster schedules"},
		{"only others", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}", "nothing in it that Muster schedules"},
		{"no YAML", "{", "reading document 1"},
		{"a string", "hello", "reading document 1"},
		{"no kind", "metadata: {name: a}", "no apiVersion and kind"},
		{"no name", "apiVersion: v1\nkind: Pod", "Pod has no name"},
		{"bad item", "apiVersion: v1\nkind: List\nitems: [{}]", "item 1"},
		{"bad field", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: 3}", "reading Pod ns/a"},
		{"no pods", podGroup, "no pod of the manifest points to PodGroup ns/sweep"},
		{"twice", podGroup + podGroup, "two PodGroups ns/sweep"},
		{"no group", "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {scheduling.x-k8s.io/pod-group: b}}",
			"points to the PodGroup ns/b, which is not in the manifest"},
		{"Job of none", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {parallelism: 0}", "Job ns/j asks for no pods"},
		{"Job of less", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {parallelism: -1}", "Job ns/j asks for no pods"},
		{"no runtime", "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: a}\nspec: {runtimeRef: {name: b}}",
			"TrainJob ns/a is made from the runtime b, which is neither"},
		{"invalid TrainJob", "apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata: {name: a}\nspec: {runtimeRef: {name: torch-distributed}, trainer: {env: [{name: PET_NNODES}]}}",
			"TrainJob a is not valid: spec.trainer.env[0]"},
		{"invalid job", "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: tf}", "TFJob tf is not valid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			gangs, _, err := Gangs([]byte(test.text), "ns")
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got %v and the error %v, want one about %q", gangs, err, test.words)
			}
		})
	}
}

// Every example of the repository can be asked about.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	asked := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		gangs, notes, err := Gangs(text, "default")
		if err != nil && strings.Contains(err.Error(), "nothing in it that Muster schedules") {
			continue // queues and the like
		}
		// A Job says nothing of Muster: pod policies do.
		if err != nil || len(notes) > 0 && filepath.Base(file) != "job.yaml" {
			t.Errorf("%s: %v, %q", file, err, notes)
		}
		asked += len(gangs)
	}
	if asked < 3 {
		t.Errorf("there are only %d gangs in the examples", asked)
	}
}
