package trainer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
)

const twoJobs = `
mlPolicy: {numNodes: 2, torch: {}}
template:
  metadata: {labels: {set: runtime}}
  spec:
    replicatedJobs:
    - name: side
      template:
        spec:
          template:
            metadata: {labels: {app: side}}
            spec:
              initContainers: [{name: prepare, image: prepare, env: [{name: A, value: runtime}]}]
              containers: [{name: main, image: side}, {name: log, image: log, env: [{name: A, value: runtime}, {name: B, value: runtime}]}]
              nodeSelector: {pool: runtime, zone: a}
              tolerations: [{key: runtime}]
              volumes: [{name: v1, emptyDir: {}}]
    - name: node
      template:
        metadata: {labels: {trainer.kubeflow.org/trainjob-ancestor-step: trainer}}
        spec: {template: {spec: {containers: [{name: node, image: train}, {name: log, image: log}], schedulingGates: [{name: g1}]}}}
`

// drawPatch draws a change of pods that every release can express. Nil: none.
func drawPatch(t *rapid.T) *trainerv1alpha1.PodSpecPatch {
	some := rapid.MapOfN(rapid.SampledFrom([]string{"pool", "zone", "gpu"}), rapid.SampledFrom([]string{"x", "y"}), 0, 2)
	patch := &trainerv1alpha1.PodSpecPatch{NodeSelector: some.Draw(t, "nodeSelector")}
	if rapid.Bool().Draw(t, "account") {
		patch.ServiceAccountName = new("account")
	}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"k1", "k2"}), 0, 2, rapid.ID).Draw(t, "tolerations") {
		patch.Tolerations = append(patch.Tolerations, corev1.Toleration{Key: key})
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"v1", "v2"}), 0, 2, rapid.ID).Draw(t, "volumes") {
		patch.Volumes = append(patch.Volumes, raw(map[string]any{"name": name, "configMap": map[string]any{"name": "c"}}))
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"g1", "g2"}), 0, 2, rapid.ID).Draw(t, "gates") {
		patch.SchedulingGates = append(patch.SchedulingGates, corev1.PodSchedulingGate{Name: name})
	}
	if rapid.Bool().Draw(t, "log") {
		log := trainerv1alpha1.ContainerPatch{Name: "log"}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "C"}), 0, 2, rapid.ID).Draw(t, "env") {
			log.Env = append(log.Env, raw(map[string]any{"name": name, "value": "job"}))
		}
		log.VolumeMounts = []trainerv1alpha1.Object{raw(map[string]any{"name": "v1", "mountPath": "/v"})}
		patch.Containers = append(patch.Containers, log)
	}
	return patch
}

func raw(value any) trainerv1alpha1.Object {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return trainerv1alpha1.Object{RawExtension: runtime.RawExtension{Raw: text}}
}

// What is said in the shape of one release comes to the same in that of every other.
func TestReleasesAgree(t *testing.T) {
	spec := parse[trainerv1alpha1.TrainingRuntimeSpec](t, twoJobs)
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.MapOfN(rapid.SampledFrom([]string{"set", "team"}), rapid.SampledFrom([]string{"x", "y"}), 0, 2).Draw(t, "labels")
		jobs := map[string]*trainerv1alpha1.TrainJob{}
		for _, release := range []string{"2.0", "2.1", "2.3"} {
			jobs[release] = &trainerv1alpha1.TrainJob{}
			jobs[release].Name = "job"
		}
		jobs["2.0"].Spec.Labels, jobs["2.1"].Spec.Labels = labels, labels
		patches := []trainerv1alpha1.RuntimePatch{{Manager: "example.com/labels", TrainingRuntimeSpec: &trainerv1alpha1.RuntimeSpecPatch{
			Template: &trainerv1alpha1.JobSetTemplatePatch{Metadata: &trainerv1alpha1.Metadata{Labels: labels}},
		}}}
		for _, target := range rapid.SliceOfN(rapid.SampledFrom([]string{"side", "node"}), 0, 4).Draw(t, "targets") {
			patch := drawPatch(t)
			targets := []trainerv1alpha1.TargetJob{{Name: target}}
			jobs["2.0"].Spec.PodSpecOverrides = append(jobs["2.0"].Spec.PodSpecOverrides, trainerv1alpha1.PodSpecOverride{TargetJobs: targets, PodSpecPatch: *patch})
			jobs["2.1"].Spec.PodTemplateOverrides = append(jobs["2.1"].Spec.PodTemplateOverrides, trainerv1alpha1.PodTemplateOverride{TargetJobs: targets, Spec: patch})
			patches = append(patches, trainerv1alpha1.RuntimePatch{Manager: "example.com/" + target, TrainingRuntimeSpec: &trainerv1alpha1.RuntimeSpecPatch{
				Template: &trainerv1alpha1.JobSetTemplatePatch{Spec: &trainerv1alpha1.JobSetSpecPatch{ReplicatedJobs: []trainerv1alpha1.ReplicatedJobPatch{{
					Name: target, Template: &trainerv1alpha1.JobTemplatePatch{Spec: &trainerv1alpha1.JobSpecPatch{Template: &trainerv1alpha1.PodTemplatePatch{Spec: patch}}},
				}}}},
			}})
		}
		jobs["2.3"].Spec.RuntimePatches = patches
		var first *set
		for _, release := range []string{"2.0", "2.1", "2.3"} {
			made, err := expand(spec, jobs[release])
			if err != nil {
				t.Fatalf("release %s: %v", release, err)
			}
			if first == nil {
				first = made
			}
			if diff := cmp.Diff(first, made); diff != "" {
				t.Fatalf("release %s differs from 2.0:\n%s", release, diff)
			}
		}
	})
}

// Lists with names are merged by name, others replaced; what is not said stays.
func TestOverridesAreMerged(t *testing.T) {
	job := trainJob(t, `
metadata: {name: job}
spec:
  podTemplateOverrides:
  - targetJobs: [{name: side}]
    metadata: {labels: {app: job}, annotations: {a: b}}
    spec:
      nodeSelector: {pool: job}
      tolerations: [{key: job}]
      volumes: [{name: v2, emptyDir: {}}]
      initContainers: [{name: prepare, env: [{name: A, value: job}]}]
      containers: [{name: log, env: [{name: A, value: job}], volumeMounts: [{name: v2, mountPath: /v}]}]
`)
	made, err := expand(parse[trainerv1alpha1.TrainingRuntimeSpec](t, twoJobs), job)
	if err != nil {
		t.Fatal(err)
	}
	want := parse[corev1.PodTemplateSpec](t, `
metadata: {labels: {app: job}, annotations: {a: b}}
spec:
  initContainers: [{name: prepare, image: prepare, env: [{name: A, value: job}]}]
  containers:
  - {name: main, image: side}
  - {name: log, image: log, env: [{name: A, value: job}, {name: B, value: runtime}], volumeMounts: [{name: v2, mountPath: /v}]}
  nodeSelector: {pool: job, zone: a}
  tolerations: [{key: job}]
  volumes: [{name: v2, emptyDir: {}}, {name: v1, emptyDir: {}}]
  restartPolicy: Never
`)
	if diff := cmp.Diff(want, &made.jobNamed("side").Template.Spec.Template); diff != "" {
		t.Error(diff)
	}
}

func TestExpandRefuses(t *testing.T) {
	for _, test := range []struct{ name, runtime, job, words string }{
		{"no such job", twoJobs, `podSpecOverrides: [{targetJobs: [{name: none}]}]`, "spec.podSpecOverrides[0]: the runtime has no job none"},
		{"no such container", twoJobs, `podTemplateOverrides: [{targetJobs: [{name: side}], spec: {containers: [{name: none}]}}]`, "spec.podTemplateOverrides[0]: the runtime's job side has no container none"},
		{"no pod", twoJobs, `podSpecOverrides: [{targetJobs: [{name: side}], affinity: {nodeAffinity: 7}}]`, "it makes no pod"},
		{"reserved variable", twoJobs, `trainer: {env: [{name: PET_NNODES, value: "1"}]}`, "spec.trainer.env[0]: PET_NNODES is set by the runtime"},
		{"no initializer", twoJobs, `initializer: {model: {}}`, "no step model-initializer"},
		{"name too long", strings.ReplaceAll(twoJobs, "name: side", "name: "+strings.Repeat("s", 60)), ``, "metadata.name is too long"},
		{"flux", `{mlPolicy: {flux: {}}}`, ``, "it is for Flux"},
		{"nothing", `{}`, ``, "it has no replicatedJobs"},
		{"no template", `template: {spec: {replicatedJobs: [{name: a, template: {spec: {template: 7}}}]}}`, ``, "the template of its job a is no Job"},
		{"circle", `template: {spec: {replicatedJobs: [{name: a, dependsOn: [{name: b, status: Ready}], template: {spec: {template: {spec: {containers: [{name: x}]}}}}}, {name: b, dependsOn: [{name: a, status: Ready}], template: {spec: {template: {spec: {containers: [{name: x}]}}}}}]}}`, ``, "waits for itself"},
		{"no dependency", `template: {spec: {replicatedJobs: [{name: a, dependsOn: [{name: b, status: Ready}], template: {spec: {template: {spec: {containers: [{name: x}]}}}}}]}}`, ``, "waits for the job b, which it does not have"},
		{"no trainer", `template: {spec: {replicatedJobs: [{name: a, template: {spec: {template: {spec: {containers: [{name: x}]}}}}}]}}`, `trainer: {image: x}`, "none of its jobs has the label"},
		{"no launcher", `{mlPolicy: {mpi: {}}, template: {spec: {replicatedJobs: [{name: node, template: {spec: {template: {spec: {containers: [{name: node}]}}}}}]}}}`, ``, "mlPolicy.mpi needs a job launcher"},
		{"pattern", strings.Replace(twoJobs, "    replicatedJobs:", "    failurePolicy: {rules: [{action: FailJobSet, onJobFailureMessagePatterns: ['(']}]}\n    replicatedJobs:", 1), ``, "failurePolicy.rules[0]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			job := trainJob(t, "{metadata: {name: job}, spec: {"+test.job+"}}")
			_, err := expand(parse[trainerv1alpha1.TrainingRuntimeSpec](t, test.runtime), job)
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("got the error %v, want one with %q", err, test.words)
			}
		})
	}
}
