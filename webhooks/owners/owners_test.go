package owners

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// cluster answers like an API server that holds some objects, by kind/name.
type cluster struct {
	client.Reader
	objects map[string]*metav1.PartialObjectMetadata
	faults  map[string]error // by kind
	delay   chan struct{}    // if set, answers wait until it is closed
	reads   atomic.Int32
}

func (c *cluster) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	c.reads.Add(1)
	if c.delay != nil {
		select {
		case <-c.delay:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	kind := object.GetObjectKind().GroupVersionKind().Kind
	if err := c.faults[kind]; err != nil {
		return err
	}
	found := c.objects[kind+"/"+key.Name]
	if found == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	switch object := object.(type) {
	case *metav1.PartialObjectMetadata:
		found.DeepCopyInto(object)
	case *unstructured.Unstructured:
		object.SetName(found.Name)
		object.SetUID(found.UID)
		object.SetLabels(found.Labels)
		object.SetOwnerReferences(found.OwnerReferences)
	}
	return nil
}

// reference leads to an object whose UID is its name.
func reference(apiVersion, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID(name), Controller: new(true)}
}

func object(name string, labels map[string]string, owners ...metav1.OwnerReference) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: labels, OwnerReferences: owners}}
}

func podOf(owners ...metav1.OwnerReference) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: owners}}
}

var (
	job        = reference("batch/v1", "Job", "llm-w-0")
	jobSet     = reference("jobset.x-k8s.io/v1alpha2", "JobSet", "llm")
	experiment = reference("kubeflow.org/v1beta1", "Experiment", "sweep")
)

func katib() *cluster {
	return &cluster{objects: map[string]*metav1.PartialObjectMetadata{
		"Job/llm-w-0":      object("llm-w-0", nil, jobSet),
		"JobSet/llm":       object("llm", nil, reference("kubeflow.org/v1beta1", "Trial", "sweep-1")),
		"Trial/sweep-1":    object("sweep-1", nil, experiment),
		"Experiment/sweep": object("sweep", map[string]string{"queue": "research"}),
	}}
}

func TestWalk(t *testing.T) {
	other := job
	other.UID = "an older one"
	loop := reference("example.com/v1", "Loop", "loop")
	beside := experiment
	beside.Controller = nil
	for name, c := range map[string]struct {
		pod    *corev1.Pod
		change func(*cluster)
		want   string
		fails  string
	}{
		"to the end":                  {pod: podOf(job), want: "Job* JobSet* Trial Experiment"},
		"no owner":                    {pod: podOf()},
		"the controller, of several":  {pod: podOf(beside, job), want: "Job* JobSet* Trial Experiment"},
		"the only one, if none is":    {pod: podOf(beside), want: "Experiment"},
		"none of several that do not": {pod: podOf(beside, beside)},
		"an owner that is gone":       {pod: podOf(job), change: func(c *cluster) { delete(c.objects, "Trial/sweep-1") }, want: "Job* JobSet*"},
		"another of the same name":    {pod: podOf(other)},
		"a kind that is not there": {pod: podOf(job), want: "Job*",
			change: func(c *cluster) { c.faults = map[string]error{"JobSet": &meta.NoKindMatchError{}} }},
		"a kind that may not be read": {pod: podOf(job), want: "Job* JobSet*",
			change: func(c *cluster) {
				c.faults = map[string]error{"Trial": apierrors.NewForbidden(schema.GroupResource{}, "", nil)}
			}},
		"no answer": {pod: podOf(job), want: "Job*", fails: "read JobSet team/llm: no answer",
			change: func(c *cluster) { c.faults = map[string]error{"JobSet": errors.New("no answer")} }},
		"in circles": {pod: podOf(loop), want: strings.TrimSpace(strings.Repeat("Loop ", deepest)),
			change: func(c *cluster) { c.objects["Loop/loop"] = object("loop", nil, loop) }},
	} {
		t.Run(name, func(t *testing.T) {
			server := katib()
			if c.change != nil {
				c.change(server)
			}
			owners, err := NewWalker(server).Walk(t.Context(), "team", c.pod)
			var kinds []string
			for _, owner := range owners {
				kind := owner.Kind
				if owner.Object != nil {
					kind += "*"
				}
				kinds = append(kinds, kind)
			}
			if got := strings.Join(kinds, " "); got != c.want {
				t.Errorf("got %s, expected %s", got, c.want)
			}
			if (err != nil) != (c.fails != "") || err != nil && err.Error() != c.fails {
				t.Errorf("got the error %v, expected %q", err, c.fails)
			}
		})
	}
}

// The pods of a job come at once: they cost as many reads as one.
func TestOwnersAreReadOnce(t *testing.T) {
	server := katib()
	server.delay = make(chan struct{})
	w := NewWalker(server)
	var walks sync.WaitGroup
	for range 50 {
		walks.Go(func() {
			if owners, err := w.Walk(t.Context(), "team", podOf(job)); err != nil || len(owners) != 4 {
				t.Errorf("got %d owners and %v", len(owners), err)
			}
		})
	}
	close(server.delay)
	walks.Wait()
	if reads := server.reads.Load(); reads != 4 {
		t.Errorf("%d reads", reads)
	}
}

func TestOwnersAreReadAnew(t *testing.T) {
	server := katib()
	server.faults = map[string]error{"Trial": apierrors.NewForbidden(schema.GroupResource{}, "", nil)}
	clock := time.Unix(0, 0)
	w := NewWalker(server)
	w.now = func() time.Time { return clock }
	walk := func(want int, reads int32) {
		t.Helper()
		server.reads.Store(0)
		owners, err := w.Walk(t.Context(), "team", podOf(job))
		if err != nil || len(owners) != want || server.reads.Load() != reads {
			t.Errorf("after %v: %d owners, %v, %d reads; expected %d and %d reads", clock.Sub(time.Unix(0, 0)), len(owners), err, server.reads.Load(), want, reads)
		}
	}
	walk(2, 3)
	walk(2, 0)
	server.faults = nil
	clock = clock.Add(fresh)
	walk(2, 2) // the kind is still closed
	clock = clock.Add(unreadable)
	walk(4, 4)

	// What was not found is not remembered: it may be there a moment later.
	clock = clock.Add(fresh)
	delete(server.objects, "JobSet/llm")
	walk(1, 2)
	server.objects["JobSet/llm"] = object("llm", nil)
	walk(2, 1)
}

// One that has no time left does not spoil it for the others.
func TestImpatientPods(t *testing.T) {
	server := katib()
	server.delay = make(chan struct{})
	w := NewWalker(server)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Walk(ctx, "team", podOf(job)); err == nil {
		t.Error("owners were read without time")
	}
	close(server.delay)
	if owners, err := w.Walk(t.Context(), "team", podOf(job)); err != nil || len(owners) != 4 {
		t.Errorf("got %d owners and %v", len(owners), err)
	}
}
