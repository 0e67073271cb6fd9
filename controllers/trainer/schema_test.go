package trainer

import (
	"strings"
	"testing"
)

// Manifests in the shape of each release are stored as they are.
func TestSchemaTakesEveryRelease(t *testing.T) {
	jobs, runtimes := loadCRD(t, "trainer.kubeflow.org_trainjobs.yaml"), loadCRD(t, "trainer.kubeflow.org_trainingruntimes.yaml")
	for name, parts := range inputs(t) {
		for i, part := range parts {
			kind := runtimes
			if i == len(parts)-1 {
				kind = jobs
			}
			if _, dropped, errs := kind.store(t, part, ""); len(errs)+len(dropped) > 0 {
				t.Errorf("%s: errors %v, dropped %v", name, errs, dropped)
			}
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	crds := map[string]*crd{"TrainJob": loadCRD(t, "trainer.kubeflow.org_trainjobs.yaml"), "TrainingRuntime": loadCRD(t, "trainer.kubeflow.org_trainingruntimes.yaml")}
	const job, runtime = "TrainJob", "TrainingRuntime"
	const ref = "runtimeRef: {name: a}"
	for _, test := range []struct{ name, kind, old, spec, words string }{
		{"nothing", job, ``, ref, ""},
		{"runtime changed", job, ref, "runtimeRef: {name: b}", "runtimeRef cannot be changed"},
		{"trainer changed", job, ref + ", trainer: {numNodes: 1}", ref + ", trainer: {numNodes: 2}", "trainer cannot be changed"},
		{"trainer added", job, ref, ref + ", trainer: {numNodes: 2}", "trainer cannot be changed"},
		{"initializer removed", job, ref + ", initializer: {dataset: {}}", ref, "initializer cannot be changed"},
		{"manager changed", job, ref, ref + ", managedBy: kueue.x-k8s.io/multikueue", "managedBy cannot be changed"},
		{"unknown manager", job, ``, ref + ", managedBy: me", "Unsupported value"},
		{"time to live changed", job, ref, ref + ", ttlSecondsAfterFinished: 7", ""},
		{"patched", job, ref, ref + ", runtimePatches: [{manager: a.b/c}]", "can only be changed while the TrainJob is suspended"},
		{"patch changed", job, ref + ", runtimePatches: [{manager: a.b/c}]", ref + ", runtimePatches: [{manager: a.b/c, trainingRuntimeSpec: {template: {metadata: {labels: {a: b}}}}}]", "can only be changed while the TrainJob is suspended"},
		{"override changed", job, ref + ", podSpecOverrides: [{targetJobs: [{name: node}]}]", ref + ", podSpecOverrides: [{targetJobs: [{name: node}], volumes: [{name: a}]}]", "can only be changed while the TrainJob is suspended"},
		{"patched and resumed", job, ref + ", suspend: true", ref + ", suspend: false, runtimePatches: [{manager: kueue.x-k8s.io/manager}]", ""},
		{"patched and suspended", job, ref, ref + ", suspend: true, runtimePatches: [{manager: kueue.x-k8s.io/manager}]", ""},
		{"manager of no domain", job, ``, ref + ", runtimePatches: [{manager: me}]", "should match"},
		{"variables of node", job, ``, ref + ", podSpecOverrides: [{targetJobs: [{name: node}], containers: [{name: node, env: [{name: A}]}]}]", "is set in spec.trainer"},
		{"no target", job, ``, ref + ", podTemplateOverrides: [{targetJobs: []}]", "should have at least 1 items"},
		{"processes by word", job, ``, ref + ", trainer: {numProcPerNode: gpu}", ""},
		{"processes by wrong word", job, ``, ref + ", trainer: {numProcPerNode: many}", "numProcPerNode must be a number"},
		{"no processes", job, ``, ref + ", trainer: {numProcPerNode: 0}", "numProcPerNode must be a number"},
		{"no nodes", job, ``, ref + ", trainer: {numNodes: 0}", "greater than or equal to 1"},
		{"no address", job, ``, ref + ", initializer: {model: {storageUri: here}}", "storageUri must be a URI"},
		{"no time", job, ``, ref + ", activeDeadlineSeconds: 0", "greater than or equal to 1"},
		{"two frameworks", runtime, ``, "mlPolicy: {torch: {}, jax: {}}, template: {}", "only one of torch"},
		{"nodes twice", runtime, ``, "mlPolicy: {numNodes: 2, torch: {elasticPolicy: {}}}, template: {}", "numNodes cannot be given with torch.elasticPolicy"},
		{"fewer than the least", runtime, ``, "mlPolicy: {torch: {elasticPolicy: {minNodes: 3, maxNodes: 2}}}, template: {}", "minNodes cannot be more than maxNodes"},
		{"order twice", runtime, ``, "template: {spec: {startupPolicy: {startupPolicyOrder: InOrder}, replicatedJobs: [{name: a, template: {}}, {name: b, template: {}, dependsOn: [{name: a, status: Ready}]}]}}", "cannot be given together"},
		{"two schedulers", runtime, ``, "podGroupPolicy: {coscheduling: {}, volcano: {}}, template: {}", "only one of coscheduling and volcano"},
		{"node injected", runtime, ``, "mlPolicy: {torch: {envInjection: {targets: [{jobName: a, containerNames: [node]}]}}}, template: {}", "gets the variables anyway"},
		{"other MPI", runtime, ``, "mlPolicy: {mpi: {mpiImplementation: Intel}}, template: {}", "Unsupported value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			manifest := func(spec string) string {
				return "{metadata: {name: job}, spec: {" + spec + "}}"
			}
			old := ""
			if test.old != "" {
				old = manifest(test.old)
			}
			_, dropped, errs := crds[test.kind].store(t, manifest(test.spec), old)
			if len(dropped) > 0 {
				t.Errorf("dropped: %v", dropped)
			}
			switch text := errs.ToAggregate(); {
			case test.words == "" && text != nil:
				t.Error(text)
			case test.words != "" && (text == nil || !strings.Contains(text.Error(), test.words)):
				t.Errorf("got the error %v, want one with %q", text, test.words)
			}
		})
	}
	_, _, errs := crds[job].store(t, "{metadata: {name: 1st}, spec: {runtimeRef: {name: a}}}", "")
	if len(errs) == 0 {
		t.Error("a name that is no host is taken")
	}
}
