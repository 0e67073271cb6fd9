package gangs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	"github.com/muster-scheduling/muster/internal/workload"
)

const indexed = `{apiVersion: batch/v1, kind: Job, metadata: {name: llm, uid: u-1, labels: {scheduling.muster.dev/queue: vision, team: x},
  annotations: {scheduling.muster.dev/expected-runtime: 2h, scheduling.muster.dev/segment-size: "2", example.com/a: b}}, spec: {parallelism: 4, completions: 4}}`

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

func gangOf(t *testing.T, o *unstructured.Unstructured) (workload.Gang, types.NamespacedName) {
	t.Helper()
	gang, ok := workload.Of(o, workload.Pod{})
	if !ok {
		t.Fatal("it is no gang")
	}
	return gang, types.NamespacedName{Namespace: "team", Name: gang.PodGroup()}
}

func TestNewPodGroup(t *testing.T) {
	job := object(t, indexed)
	gang, key := gangOf(t, job)
	want := &podgroupv1alpha1.PodGroup{
		ObjectMeta: metav1.ObjectMeta{
			Name: key.Name, Namespace: "team",
			Labels: map[string]string{v1alpha1.GangOfLabel: "job", v1alpha1.QueueLabel: "vision"},
			Annotations: map[string]string{
				v1alpha1.ExpectedRuntimeAnnotation: "2h", v1alpha1.MinMemberReasonAnnotation: "spec.parallelism 4, spec.completions 4",
				v1alpha1.WorkloadAnnotation: `{"apiVersion":"batch/v1","kind":"Job","name":"llm","uid":"u-1"}`,
			},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "llm", UID: "u-1", Controller: new(true)}},
		},
		Spec: podgroupv1alpha1.PodGroupSpec{MinMember: 4},
	}
	if diff := cmp.Diff(want, wanted(job, gang, nil, key)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What others put on the group stays, and a gang that runs is not asked for more than it started with.
func TestChangedPodGroup(t *testing.T) {
	job := object(t, indexed)
	gang, key := gangOf(t, job)
	existing := wanted(job, gang, nil, key)
	existing.Annotations[v1alpha1.CheckpointedAtAnnotation] = "2026-01-01T00:00:00Z"
	for name, c := range map[string]struct {
		was   int32
		ready int64
		want  int32
	}{
		"larger while it waits": {was: 2, want: 4},
		"larger while it runs":  {was: 2, ready: 1, want: 2},
		"smaller while it runs": {was: 8, ready: 8, want: 4},
	} {
		t.Run(name, func(t *testing.T) {
			existing.Spec.MinMember = c.was
			if err := unstructured.SetNestedField(job.Object, c.ready, "status", "ready"); err != nil {
				t.Fatal(err)
			}
			group := wanted(job, gang, existing, key)
			if group.Spec.MinMember != c.want || group.Annotations[v1alpha1.CheckpointedAtAnnotation] == "" {
				t.Errorf("got %d, because %s, and the annotations %v", group.Spec.MinMember, group.Annotations[v1alpha1.MinMemberReasonAnnotation], group.Annotations)
			}
		})
	}
}

// Nothing is written where nothing changes, and nothing to what somebody else made.
func TestWrites(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := podgroupv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	writes := 0
	base := fake.NewClientBuilder().WithScheme(scheme).Build()
	counting := interceptor.NewClient(base, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			writes++
			return c.Create(ctx, o, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.UpdateOption) error {
			writes++
			return c.Update(ctx, o, options...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.DeleteOption) error {
			writes++
			return c.Delete(ctx, o, options...)
		},
	})
	r := &reconciler{client: counting}
	job := object(t, indexed)
	gang, key := gangOf(t, job)
	read := func() *podgroupv1alpha1.PodGroup {
		group := &podgroupv1alpha1.PodGroup{}
		if client.IgnoreNotFound(base.Get(t.Context(), key, group)) != nil || group.Name == "" {
			return nil
		}
		return group
	}
	for range 3 {
		if err := r.write(t.Context(), job, gang, read(), key); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 1 {
		t.Errorf("%d writes for one new PodGroup", writes)
	}
	gang.MinMember = 3
	if err := r.write(t.Context(), job, gang, read(), key); err != nil || writes != 2 || read().Spec.MinMember != 3 {
		t.Errorf("%v, %d writes, %+v", err, writes, read())
	}
	other := object(t, indexed)
	other.SetUID("u-2")
	if err := r.write(t.Context(), other, gang, read(), key); err == nil || writes != 2 {
		t.Errorf("%v, %d writes to the PodGroup of another", err, writes)
	}
	if err := r.remove(t.Context(), other, read()); err != nil || writes != 2 {
		t.Errorf("%v, %d writes", err, writes)
	}
	if err := r.remove(t.Context(), job, read()); err != nil || writes != 3 || read() != nil {
		t.Errorf("%v, %d writes", err, writes)
	}
}

// Labels and annotations that somebody wrote by hand name no gang.
func TestWorkloadOfAPodGroup(t *testing.T) {
	gang, key := gangOf(t, object(t, indexed))
	forged := workload.Ref{APIVersion: "apps/v1", Kind: "Deployment", Name: "llm", UID: "u-1"}
	pod := func(text string) metav1.PartialObjectMetadata {
		return metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.WorkloadAnnotation: text}}}
	}
	for name, c := range map[string]struct {
		group string
		pods  []metav1.PartialObjectMetadata
		want  bool
	}{
		"its own":                    {key.Name, []metav1.PartialObjectMetadata{pod(gang.String())}, true},
		"one of several says so":     {key.Name, []metav1.PartialObjectMetadata{pod("{}"), pod("x"), pod(gang.String())}, true},
		"another name":               {"mine", []metav1.PartialObjectMetadata{pod(gang.String())}, false},
		"a kind that has no gangs":   {forged.PodGroup(), []metav1.PartialObjectMetadata{pod(forged.String())}, false},
		"pods that say nothing":      {key.Name, []metav1.PartialObjectMetadata{{}}, false},
		"no pods, and no such group": {key.Name, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if ref, ok := refOf(c.group, nil, c.pods); ok != c.want || ok && ref != gang.Ref {
				t.Errorf("got %+v, %v", ref, ok)
			}
		})
	}
}

// The cache holds no templates of pods.
func TestSlim(t *testing.T) {
	set := object(t, `{apiVersion: jobset.x-k8s.io/v1alpha2, kind: JobSet, metadata: {name: llm, managedFields: [{manager: x}]}, spec: {replicatedJobs: [
  {name: w, template: {spec: {parallelism: 2, completions: 2, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}}}]}}`)
	before, _ := workload.Part(set, "")
	slimmed, err := slim(set)
	if err != nil {
		t.Fatal(err)
	}
	after, ok := workload.Part(slimmed.(*unstructured.Unstructured), "")
	if !ok || after != before {
		t.Errorf("got %+v, expected %+v", after, before)
	}
	text, err := yaml.Marshal(slimmed)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"containers", "managedFields"} {
		if strings.Contains(string(text), gone) {
			t.Errorf("%s is kept:\n%s", gone, text)
		}
	}
}

func TestWhenToLookForStrays(t *testing.T) {
	gang, _ := gangOf(t, object(t, indexed))
	start := time.Unix(1e9, 0)
	group := func(minimum int32) *podgroupv1alpha1.PodGroup {
		g := &podgroupv1alpha1.PodGroup{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(start)}}
		g.Spec.MinMember = minimum
		return g
	}
	born := func(after time.Duration) []metav1.PartialObjectMetadata {
		return []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(start.Add(after))}}}
	}
	for name, c := range map[string]struct {
		group *podgroupv1alpha1.PodGroup
		pods  []metav1.PartialObjectMetadata
		after time.Duration
		want  bool
	}{
		"a new group":                     {pods: born(0), want: true},
		"all pods come with it":           {group: group(4), pods: born(time.Second), after: 2 * time.Second},
		"a pod comes later":               {group: group(4), pods: born(time.Hour), after: time.Hour, want: true},
		"it came later, a while ago":      {group: group(4), pods: born(time.Hour), after: 2 * time.Hour},
		"there were strays the last time": {group: group(3), pods: born(0), after: time.Hour, want: true},
	} {
		if got := mayHaveStrays(c.group, gang, c.pods, start.Add(c.after)); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
