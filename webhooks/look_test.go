package webhooks

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/podpolicy"
)

// objects are what pods belong to, as in manifests; their UIDs are their names.
const objects = `
- {apiVersion: batch/v1, kind: Job, metadata: {name: solo, labels: {scheduling.muster.dev/priority-class: high}}, spec: {completionMode: Indexed, parallelism: 2, completions: 2}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: llm-w-0, ownerReferences: [{apiVersion: jobset.x-k8s.io/v1alpha2, kind: JobSet, name: llm, uid: llm, controller: true}]}, spec: {completionMode: Indexed, parallelism: 2, completions: 2}}
- {apiVersion: jobset.x-k8s.io/v1alpha2, kind: JobSet, metadata: {name: llm, labels: {scheduling.muster.dev/queue: vision}}, spec: {replicatedJobs: [{name: w, replicas: 2, template: {spec: {parallelism: 2, completions: 2}}}]}}
- {apiVersion: kubeflow.org/v1beta1, kind: Trial, metadata: {name: sweep-1, labels: {katib.kubeflow.org/experiment: sweep}}}
- {apiVersion: kubeflow.org/v1beta1, kind: Experiment, metadata: {name: sweep, labels: {scheduling.muster.dev/queue: research}}}
- {apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, metadata: {name: bert, labels: {scheduling.muster.dev/queue: prod}}}
`

func TestLookAround(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var manifests []map[string]any
	if err := yaml.Unmarshal([]byte(objects), &manifests); err != nil {
		t.Fatal(err)
	}
	var all []client.Object
	for _, manifest := range manifests {
		object := &unstructured.Unstructured{Object: manifest}
		object.SetNamespace("team")
		object.SetUID(types.UID(object.GetName()))
		all = append(all, object)
	}
	look := lookAround(fake.NewClientBuilder().WithScheme(scheme).WithObjects(all...).Build(), true)
	type labels = map[string]string
	for name, c := range map[string]struct {
		owner       string
		labels      labels
		queue, high string
		gang, role  string
		ranks       int
	}{
		"an Indexed Job": {owner: "Job/solo", labels: labels{"batch.kubernetes.io/job-completion-index": "1"}, high: "high", gang: "job", ranks: 4},
		"a JobSet": {owner: "Job/llm-w-0", queue: "vision", gang: "jobset", role: "w", ranks: 4,
			labels: labels{"batch.kubernetes.io/job-completion-index": "1", "jobset.sigs.k8s.io/job-index": "0", "jobset.sigs.k8s.io/replicatedjob-name": "w"}},
		"a trial whose owners do not lead on": {labels: labels{"katib.kubeflow.org/trial": "sweep-1"}, queue: "research"},
		"a trial of a JobSet":                 {owner: "Job/llm-w-0", labels: labels{"katib.kubeflow.org/trial": "sweep-1"}, queue: "vision", gang: "jobset"},
		"a trial that is gone":                {labels: labels{"katib.kubeflow.org/trial": "sweep-9"}},
		"a service of KServe":                 {labels: labels{"serving.kserve.io/inferenceservice": "bert"}, queue: "prod"},
		"a service of Knative alone":          {labels: labels{"serving.knative.dev/service": "bert"}},
		"of nobody":                           {},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Labels: c.labels}, Spec: corev1.PodSpec{Subdomain: "net"}}
			if c.owner != "" {
				job := c.owner[len("Job/"):]
				pod.Spec.Hostname = job + "-1"
				pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job, UID: types.UID(job), Controller: new(true)}}
			}
			var around podpolicy.Surroundings
			for range 2 {
				if err := look(t.Context(), pod, podpolicy.Wants{Workload: true}, &around); err != nil {
					t.Fatal(err)
				}
			}
			got := around.Workload
			if got == nil || around.Firm != nil {
				t.Fatalf("got %+v and %+v", got, around.Firm)
			}
			if got.Queue != c.queue || got.PriorityClass != c.high || len(got.Ranks) != c.ranks {
				t.Errorf("got %+v", got)
			}
			if gang := got.Gang; (gang != nil) != (c.gang != "") || gang != nil && (gang.Kind != c.gang || gang.Role != c.role) {
				t.Errorf("got the gang %+v", got.Gang)
			}
		})
	}
}

// Nothing is read for pods without policies that want to know it.
func TestOwnersAreNoNewsWhereNobodyAsks(t *testing.T) {
	look := lookAround(nil, true) // which would panic
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Labels: map[string]string{v1alpha1.QueueLabel: "mine"}}}
	around := podpolicy.Surroundings{}
	if err := look(t.Context(), pod, podpolicy.Wants{}, &around); err != nil || around.Workload != nil || around.Firm != nil {
		t.Errorf("got %+v, %v", around, err)
	}
}
