package podpolicy

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

func TestApplyWhatOthersTell(t *testing.T) {
	const toAll = "match: {expression: 'true'}\n"
	gang := &Gang{PodGroup: "llm-1", Kind: "job", Workload: `{"kind":"Job"}`}
	withRole := &Gang{PodGroup: "llm-1", Kind: "jobset", Workload: `{}`, Role: "driver"}
	ranks := []corev1.EnvVar{{Name: "PET_NNODES", Value: "2"}, {Name: "PET_NODE_RANK", Value: "1"}}
	ofQueue := map[string]string{v1alpha1.QueueLabel: "theirs"}
	for name, c := range map[string]struct {
		policies  []string
		pod       string
		workload  *Workload
		firm      *FirmUse
		namespace map[string]string
		want      string // "": the pod as it was
	}{
		"a gang": {
			policies: []string{toAll + "set: {gang: Workload}"}, workload: &Workload{Gang: gang},
			pod:  `{spec: {schedulerName: muster}}`,
			want: `{metadata: {labels: {scheduling.x-k8s.io/pod-group: llm-1, scheduling.muster.dev/gang-of: job}, annotations: {scheduling.muster.dev/workload: '{"kind":"Job"}'}}, spec: {schedulerName: muster}}`,
		},
		"a gang with the scheduler that another policy sets": {
			policies: []string{toAll + "set: {gang: Workload}", toAll + "set: {schedulerName: {value: muster}}"}, workload: &Workload{Gang: withRole},
			pod:  `{metadata: {labels: {a: b}}}`,
			want: `{metadata: {labels: {a: b, scheduling.x-k8s.io/pod-group: llm-1, scheduling.muster.dev/gang-of: jobset, scheduling.muster.dev/role: driver}, annotations: {scheduling.muster.dev/workload: '{}'}}, spec: {schedulerName: muster}}`,
		},
		"a gang, and the role that the pod has": {
			policies: []string{toAll + "set: {gang: Workload}"}, workload: &Workload{Gang: withRole},
			pod:  `{metadata: {labels: {training.kubeflow.org/job-role: master}}, spec: {schedulerName: muster}}`,
			want: `{metadata: {labels: {training.kubeflow.org/job-role: master, scheduling.x-k8s.io/pod-group: llm-1, scheduling.muster.dev/gang-of: jobset}, annotations: {scheduling.muster.dev/workload: '{}'}}, spec: {schedulerName: muster}}`,
		},
		"no gang under another scheduler":    {policies: []string{toAll + "set: {gang: Workload}"}, workload: &Workload{Gang: gang}, pod: `{spec: {schedulerName: volcano}}`},
		"no gang beside a PodGroup":          {policies: []string{toAll + "set: {gang: Workload}"}, workload: &Workload{Gang: gang}, pod: `{metadata: {labels: {scheduling.x-k8s.io/pod-group: mine}}, spec: {schedulerName: muster}}`},
		"no gang beside a group of Volcano":  {policies: []string{toAll + "set: {gang: Workload}"}, workload: &Workload{Gang: gang}, pod: `{metadata: {annotations: {scheduling.k8s.io/group-name: mine}}, spec: {schedulerName: muster}}`},
		"no gang where nobody looked":        {policies: []string{toAll + "set: {gang: Workload}"}, pod: `{spec: {schedulerName: muster}}`},
		"no gang that nobody wants":          {policies: []string{toAll + "set: {queue: {inherit: true}}"}, workload: &Workload{Gang: gang}, pod: `{spec: {schedulerName: muster}}`},
		"the queue of an owner":              {policies: []string{toAll + "set: {queue: {inherit: true}}"}, workload: &Workload{Queue: "q"}, pod: `{}`, want: `{metadata: {labels: {scheduling.muster.dev/queue: q}}}`},
		"an owner's goes before a namespace": {policies: []string{toAll + "set: {queue: {inherit: true}}"}, workload: &Workload{Queue: "q"}, namespace: ofQueue, pod: `{}`, want: `{metadata: {labels: {scheduling.muster.dev/queue: q}}}`},
		"a namespace's before the policy's":  {policies: []string{toAll + "set: {queue: {inherit: true, value: p}}"}, workload: &Workload{}, namespace: ofQueue, pod: `{}`},
		"the policy's where there is none":   {policies: []string{toAll + "set: {queue: {inherit: true, value: p}}"}, workload: &Workload{}, pod: `{}`, want: `{metadata: {labels: {scheduling.muster.dev/queue: p}}}`},
		"the pod's own queue":                {policies: []string{toAll + "set: {queue: {inherit: true}}"}, workload: &Workload{Queue: "q"}, pod: `{metadata: {labels: {scheduling.muster.dev/queue: mine}}}`},
		"an owner's queue that is no name":   {policies: []string{toAll + "set: {queue: {inherit: true}}"}, workload: &Workload{Queue: "No Queue"}, pod: `{}`},

		"the class of an owner":          {policies: []string{toAll + "set: {priorityClassName: {inherit: true, value: low}}"}, workload: &Workload{PriorityClass: "high"}, pod: `{}`, want: `{spec: {priorityClassName: high}}`},
		"the class of a namespace":       {policies: []string{toAll + "set: {priorityClassName: {inherit: true, value: low}}"}, namespace: map[string]string{v1alpha1.PriorityClassLabel: "high"}, pod: `{}`, want: `{spec: {priorityClassName: high}}`},
		"the class of the pod's queue":   {policies: []string{toAll + "set: {priorityClassName: {inherit: true}}"}, pod: `{metadata: {labels: {scheduling.muster.dev/queue: urgent}}}`, want: `{metadata: {labels: {scheduling.muster.dev/queue: urgent}}, spec: {priorityClassName: high}}`},
		"the class of the default queue": {policies: []string{toAll + "set: {priorityClassName: {inherit: true, value: low}}"}, pod: `{}`, want: `{spec: {priorityClassName: low}}`},
		"the class of the queue that a policy sets": {
			policies: []string{toAll + "order: 1\nset: {priorityClassName: {inherit: true, value: low}}", toAll + "order: 2\nset: {queue: {value: urgent}}"},
			pod:      `{}`, want: `{metadata: {labels: {scheduling.muster.dev/queue: urgent}}, spec: {priorityClassName: high}}`,
		},
		"ranks": {
			policies: []string{toAll + "set: {ranks: Workload}"}, workload: &Workload{Ranks: ranks},
			pod:  `{spec: {initContainers: [{name: i}], containers: [{name: c}, {name: d, env: [{name: A, value: b}]}]}}`,
			want: `{spec: {initContainers: [{name: i}], containers: [{name: c, env: [{name: PET_NNODES, value: "2"}, {name: PET_NODE_RANK, value: "1"}]}, {name: d, env: [{name: A, value: b}, {name: PET_NNODES, value: "2"}, {name: PET_NODE_RANK, value: "1"}]}]}}`,
		},
		"ranks beside a policy's number of processes": {
			policies: []string{toAll + "set: {ranks: Workload}", toAll + "set: {env: [{name: PET_NPROC_PER_NODE, value: gpu}]}"}, workload: &Workload{Ranks: ranks},
			pod:  `{spec: {containers: [{name: c}]}}`,
			want: `{spec: {containers: [{name: c, env: [{name: PET_NPROC_PER_NODE, value: gpu}, {name: PET_NNODES, value: "2"}, {name: PET_NODE_RANK, value: "1"}]}]}}`,
		},
		"no ranks where a container has one":     {policies: []string{toAll + "set: {ranks: Workload}"}, workload: &Workload{Ranks: ranks}, pod: `{spec: {containers: [{name: c}, {name: d, env: [{name: MASTER_ADDR, value: b}]}]}}`},
		"no ranks where a container may have":    {policies: []string{toAll + "set: {ranks: Workload}"}, workload: &Workload{Ranks: ranks}, pod: `{spec: {containers: [{name: c}, {name: d, envFrom: [{prefix: p}]}]}}`},
		"a firm pod":                             {policies: []string{toAll + "set: {firm: {perUser: 1}}"}, firm: &FirmUse{User: "ann", Fits: true}, pod: `{}`, want: `{metadata: {annotations: {scheduling.muster.dev/preemptible: "false", scheduling.muster.dev/firm-for: ann}}}`},
		"no further firm pod":                    {policies: []string{toAll + "set: {firm: {perUser: 1}}"}, firm: &FirmUse{User: "ann", Fits: true, Pods: 1}, pod: `{}`},
		"no firm pod beyond the guarantee":       {policies: []string{toAll + "set: {firm: {perUser: 1}}"}, firm: &FirmUse{User: "ann"}, pod: `{}`},
		"no firm pod where the user said so":     {policies: []string{toAll + "set: {firm: {perUser: 1}}"}, firm: &FirmUse{Fits: true}, pod: `{metadata: {annotations: {scheduling.muster.dev/preemptible: "true"}}}`},
		"no firm pod where a user may have none": {policies: []string{toAll + "set: {firm: {perUser: 0}}"}, firm: &FirmUse{Fits: true}, pod: `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			pod := read[corev1.Pod](t, c.pod)
			want := pod
			if c.want != "" {
				want = read[corev1.Pod](t, c.want)
			}
			around := Surroundings{Namespace: Namespace{Name: "team", Labels: c.namespace}, PriorityClasses: sets.New("high", "low"),
				QueueClasses: map[string]string{"urgent": "high"}, Workload: c.workload, Firm: c.firm}
			result := Apply(t.Context(), pod, around, compile(t, c.policies...))
			got := result.Pod.DeepCopy()
			delete(got.Annotations, v1alpha1.PodPoliciesAnnotation)
			if len(got.Annotations) == 0 {
				got.Annotations = nil
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

// A class that is inherited and does not exist is told, and the policy's own takes its place.
func TestInheritedClassThatDoesNotExist(t *testing.T) {
	policies := compile(t, "match: {expression: 'true'}\nset: {priorityClassName: {inherit: true, value: low}}", "match: {expression: 'true'}\nset: {priorityClassName: {inherit: true, value: gone}}")
	result := Apply(t.Context(), podOf(1), Surroundings{PriorityClasses: sets.New("low"), Workload: &Workload{PriorityClass: "lost"}}, policies)
	if result.Pod.Spec.PriorityClassName != "low" {
		t.Errorf("got the class %q", result.Pod.Spec.PriorityClassName)
	}
	var reasons []string
	for _, problem := range result.Problems {
		reasons = append(reasons, problem.Policy+" "+problem.Reason)
	}
	if got := fmt.Sprint(reasons); got != "[p0 NoInheritedPriorityClass p1 NoInheritedPriorityClass p1 NoPriorityClass]" {
		t.Errorf("problems %s", got)
	}
}

func TestWants(t *testing.T) {
	for set, want := range map[string]Wants{
		"{queue: {value: q}, sharedMemory: {}}": {},
		"{queue: {inherit: true}}":              {Workload: true},
		"{priorityClassName: {inherit: true}}":  {Workload: true},
		"{gang: Workload}":                      {Workload: true},
		"{ranks: Workload}":                     {Workload: true},
		"{firm: {perUser: 1}}":                  {Firm: true},
	} {
		for match, all := range map[string]bool{"'true'": true, "'false'": false} {
			wanted := want
			if !all {
				wanted = Wants{}
			}
			policies := compile(t, "match: {expression: "+match+"}\nset: "+set)
			if got := Apply(t.Context(), podOf(1), Surroundings{}, policies).Wants; got != wanted {
				t.Errorf("%s for %s: got %+v", set, match, got)
			}
		}
	}
}
