package workload

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// read reads an object, and gives it a UID.
func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	object.SetUID("u-1")
	return object
}

const (
	job    = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: llm}\n"
	jobSet = "apiVersion: jobset.x-k8s.io/v1alpha2\nkind: JobSet\nmetadata: {name: llm}\n"
	lws    = "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: llm}\n"
)

func TestGangs(t *testing.T) {
	annotated := func(text, value string) string {
		return strings.Replace(text, "{name: llm}", fmt.Sprintf("{name: llm, annotations: {%s: %q}}", v1alpha1.GangAnnotation, value), 1)
	}
	for name, c := range map[string]struct {
		object string
		pod    Pod
		want   int32 // 0: no gang
		part   string
		why    string
	}{
		"Job of one pod":                     {object: job + "spec: {}"},
		"Job of several":                     {object: job + "spec: {parallelism: 4, completions: 4}", want: 4, why: "spec.parallelism 4, spec.completions 4"},
		"Job of fewer pods than may run":     {object: job + "spec: {parallelism: 8, completions: 3}", want: 3, why: "spec.parallelism 8, spec.completions 3"},
		"Job with a queue of work":           {object: job + "spec: {parallelism: 4}", want: 4, why: "spec.parallelism 4"},
		"Job whose pods take turns":          {object: job + "spec: {parallelism: 4, completions: 9}"},
		"such a Job that insists":            {object: annotated(job, "true") + "spec: {parallelism: 4, completions: 9}", want: 4, why: "spec.parallelism 4, spec.completions 9"},
		"Job with a minimum":                 {object: annotated(job, "2") + "spec: {parallelism: 4, completions: 4}", want: 2, why: "its annotation scheduling.muster.dev/gang says so; spec.parallelism 4, spec.completions 4"},
		"Job with a minimum beyond its size": {object: annotated(job, "7") + "spec: {parallelism: 4, completions: 4}", want: 4, why: "spec.parallelism 4, spec.completions 4"},
		"Job with a minimum of one":          {object: annotated(job, "1") + "spec: {parallelism: 4, completions: 4}"},
		"Job that is none":                   {object: annotated(job, "false") + "spec: {parallelism: 4, completions: 4}"},
		"Job of one pod that insists":        {object: annotated(job, "true") + "spec: {}"},
		"Job with a minimum that is no number": {object: annotated(job, "many") + "spec: {parallelism: 2, completions: 2}", want: 2,
			why: `spec.parallelism 2, spec.completions 2; its annotation scheduling.muster.dev/gang is "many", which is no number above 0, true or false`},

		"JobSet": {object: jobSet + "spec: {replicatedJobs: [{name: driver, template: {spec: {}}}, {name: workers, replicas: 2, template: {spec: {parallelism: 3, completions: 3}}}]}",
			want: 7, why: "replicated jobs driver 1×1, workers 2×3"},
		"JobSet of one pod": {object: jobSet + "spec: {replicatedJobs: [{name: driver, template: {spec: {}}}]}"},
		"JobSet with a domain to each Job": {object: strings.Replace(jobSet, "{name: llm}", "{name: llm, annotations: {alpha.jobset.sigs.k8s.io/exclusive-topology: rack}}", 1) +
			"spec: {replicatedJobs: [{name: w, replicas: 2, template: {spec: {parallelism: 2, completions: 2}}}]}"},
		"JobSet with a domain to one of its Jobs": {object: jobSet + "spec: {replicatedJobs: [{name: w, template: {metadata: {annotations: {alpha.jobset.sigs.k8s.io/exclusive-topology: rack}}, spec: {parallelism: 2, completions: 2}}}]}"},
		"JobSet with domains that were chosen before": {object: strings.Replace(jobSet, "{name: llm}", "{name: llm, annotations: {alpha.jobset.sigs.k8s.io/exclusive-topology: rack, alpha.jobset.sigs.k8s.io/node-selector: 'true'}}", 1) +
			"spec: {replicatedJobs: [{name: w, template: {spec: {parallelism: 2, completions: 2}}}]}", want: 2, why: "replicated jobs w 1×2"},
		"JobSet in order": {object: jobSet + "spec: {startupPolicy: {startupPolicyOrder: InOrder}, replicatedJobs: [{name: driver, template: {spec: {}}}, {name: workers, replicas: 2, template: {spec: {}}}]}",
			pod: Pod{Labels: map[string]string{replicatedJobLabel: "workers"}}, want: 2, part: "workers", why: "replicated jobs workers 2×1"},
		"first of a JobSet with dependencies": {object: jobSet + "spec: {replicatedJobs: [{name: data, template: {spec: {}}}, {name: node, dependsOn: [{name: data, status: Complete}], template: {spec: {parallelism: 4, completions: 4}}}]}",
			pod: Pod{Labels: map[string]string{replicatedJobLabel: "data"}}},
		"second of a JobSet with dependencies": {object: jobSet + "spec: {replicatedJobs: [{name: data, template: {spec: {}}}, {name: node, dependsOn: [{name: data, status: Complete}], template: {spec: {parallelism: 4, completions: 4}}}]}",
			pod: Pod{Labels: map[string]string{replicatedJobLabel: "node"}}, want: 4, part: "node", why: "replicated jobs node 1×4"},

		"leader of a group":             {object: lws + "spec: {replicas: 3, leaderWorkerTemplate: {size: 4}}", pod: Pod{Name: "llm-2"}, want: 4, part: "2", why: "spec.leaderWorkerTemplate.size 4"},
		"worker of a group":             {object: lws + "spec: {replicas: 3, leaderWorkerTemplate: {size: 4}}", pod: Pod{Name: "llm-2-3"}, want: 4, part: "2", why: "spec.leaderWorkerTemplate.size 4"},
		"worker with the group's label": {object: lws + "spec: {leaderWorkerTemplate: {size: 4}}", pod: Pod{Labels: map[string]string{groupIndexLabel: "1"}}, want: 4, part: "1", why: "spec.leaderWorkerTemplate.size 4"},
		"pod of no group":               {object: lws + "spec: {leaderWorkerTemplate: {size: 4}}", pod: Pod{Name: "other"}},
		"group of one":                  {object: lws + "spec: {leaderWorkerTemplate: {size: 1}}", pod: Pod{Name: "llm-0"}},
		"group with a domain to itself": {object: strings.Replace(lws, "{name: llm}", "{name: llm, annotations: {leaderworkerset.sigs.k8s.io/exclusive-topology: rack}}", 1) +
			"spec: {leaderWorkerTemplate: {size: 4}}", pod: Pod{Name: "llm-0"}},
		"leader that comes first": {object: lws + "spec: {startupPolicy: LeaderReady, leaderWorkerTemplate: {size: 4}}", pod: Pod{Name: "llm-0"}},

		"PyTorchJob": {object: "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: llm}\nspec: {pytorchReplicaSpecs: {Master: {}, Worker: {replicas: 3}}}", want: 4, why: "4 replicas"},
		"elastic PyTorchJob": {object: "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nmetadata: {name: llm}\nspec: {elasticPolicy: {minReplicas: 2}, pytorchReplicaSpecs: {Worker: {replicas: 8}}}",
			want: 2, why: "2 replicas"},
		"TFJob with a minimum": {object: "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: llm}\nspec: {runPolicy: {schedulingPolicy: {minAvailable: 3}}, tfReplicaSpecs: {PS: {replicas: 2}, Worker: {replicas: 3}}}",
			want: 3, why: "schedulingPolicy.minAvailable 3"},
		"MPIJob whose launcher waits": {object: "apiVersion: kubeflow.org/v2beta1\nkind: MPIJob\nmetadata: {name: llm}\nspec: {launcherCreationPolicy: WaitForWorkersReady, mpiReplicaSpecs: {Launcher: {}, Worker: {replicas: 3}}}",
			want: 3, why: "3 replicas"},
		"a Notebook":          {object: "apiVersion: kubeflow.org/v1\nkind: Notebook\nmetadata: {name: llm}"},
		"a Job of some other": {object: "apiVersion: example.com/v1\nkind: Job\nmetadata: {name: llm}\nspec: {parallelism: 4}"},
	} {
		t.Run(name, func(t *testing.T) {
			gang, ok := Of(read(t, c.object), c.pod)
			if !ok {
				gang = Gang{}
			}
			if gang.MinMember != c.want || gang.Part != c.part || gang.Why != c.why && c.want > 0 {
				t.Errorf("got %d of part %q because %s; expected %d of %q because %s", gang.MinMember, gang.Part, gang.Why, c.want, c.part, c.why)
			}
		})
	}
}

// Whatever a manifest holds, it is read without harm.
func TestOddManifests(t *testing.T) {
	for _, text := range []string{
		job, job + "spec: 3", job + "spec: {parallelism: x, completions: [1]}", job + "spec: {parallelism: -4}", job + "spec: {parallelism: 99999999999}",
		jobSet, jobSet + "spec: {replicatedJobs: {a: b}}", jobSet + "spec: {replicatedJobs: [x, {name: 3, template: 4}]}",
		jobSet + "spec: {replicatedJobs: [{name: a, replicas: 2000000000, template: {spec: {parallelism: 2000000000}}}]}",
		lws, lws + "spec: {leaderWorkerTemplate: 4}", "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: llm}\nspec: {tfReplicaSpecs: [1]}",
	} {
		object := read(t, text)
		gang, ok := Of(object, Pod{Name: "llm-0"})
		if ok && (gang.MinMember < 2 || gang.MinMember > 1<<30) {
			t.Errorf("a minimum of %d from\n%s", gang.MinMember, text)
		}
		gang.Lower(object, 0)
		Over(object)
		Running(object)
	}
}

func TestNamesOfGangs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref := Ref{
			APIVersion: "batch/v1", Kind: "Job", UID: "x", Part: rapid.StringMatching(`([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?`).Draw(t, "part"),
			Name: rapid.StringMatching(`[a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?`).Filter(func(s string) bool { return len(validation.IsDNS1123Subdomain(s)) == 0 }).Draw(t, "name"),
		}
		name := ref.PodGroup()
		if faults := append(validation.IsDNS1123Subdomain(name), validation.IsValidLabelValue(name)...); len(faults) > 0 {
			t.Fatalf("%s: %v", name, faults)
		}
		other := ref
		other.UID = "y"
		if other.PodGroup() == name {
			t.Fatalf("two workloads have the gang %s", name)
		}
		if again, err := ParseRef(ref.String()); err != nil || again != ref {
			t.Fatalf("%s is read as %+v: %v", ref, again, err)
		}
	})
	if got := (Ref{APIVersion: "batch/v1", Kind: "Job", Name: "llm", UID: "x"}).PodGroup(); got != "llm-0262f878" {
		t.Errorf("the gang's name is %s: another than in older versions, whose pods run", got)
	}
}

func TestWhatIsLeftOfAJob(t *testing.T) {
	for name, c := range map[string]struct {
		spec, status string
		succeeded    int32 // pods that exist
		want         int32
	}{
		"nothing has ended":                  {"{parallelism: 4, completions: 4}", "{active: 4}", 0, 4},
		"succeeded pods are members":         {"{parallelism: 4, completions: 4}", "{active: 2, succeeded: 2}", 2, 4},
		"succeeded pods that were deleted":   {"{parallelism: 4, completions: 4}", "{active: 2, succeeded: 2}", 0, 2},
		"indexes that failed for good":       {"{parallelism: 4, completions: 4}", "{active: 1, failedIndexes: '0,2-3'}", 0, 1},
		"nothing is left":                    {"{parallelism: 4, completions: 4}", "{succeeded: 4}", 0, 1},
		"a queue of work that is still full": {"{parallelism: 4}", "{active: 4}", 0, 4},
		"a queue of work that is empty":      {"{parallelism: 4}", "{active: 2, succeeded: 1}", 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			object := read(t, job+"spec: "+c.spec+"\nstatus: "+c.status)
			gang, ok := Of(object, Pod{})
			if got := gang.Lower(object, c.succeeded); !ok || got.MinMember != c.want {
				t.Errorf("got %d (%s), expected %d", got.MinMember, got.Why, c.want)
			}
		})
	}
}

func TestWorkloadsThatAreOver(t *testing.T) {
	for text, want := range map[string]bool{
		job + "status: {conditions: [{type: Complete, status: 'True'}]}":               true,
		job + "status: {conditions: [{type: Failed, status: 'True'}]}":                 true,
		job + "status: {conditions: [{type: FailureTarget, status: 'True'}]}":          false,
		job + "status: {conditions: [{type: Complete, status: 'False'}]}":              false,
		job + "spec: {suspend: true}":                                                  true,
		jobSet + "status: {conditions: [{type: Completed, status: 'True'}]}":           true,
		"apiVersion: kubeflow.org/v1\nkind: TFJob\nspec: {runPolicy: {suspend: true}}": true,
		lws + "status: {conditions: [{type: Available, status: 'True'}]}":              false,
	} {
		if got := Over(read(t, text)); got != want {
			t.Errorf("got %v for\n%s", got, text)
		}
	}
}
