package demo

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
)

// resources are the kinds of jobs, as the API server's paths name them.
var resources = map[string]schema.GroupVersionResource{
	"TFJob":      trainingv1.GroupVersion.WithResource("tfjobs"),
	"PyTorchJob": trainingv1.GroupVersion.WithResource("pytorchjobs"),
}

// news is something that was seen at a moment, and is noted on the board.
type news struct {
	at   time.Time
	note func(*Board) []Line
	err  error
}

// follow watches the pods and the jobs of a namespace and sends what it sees until the context ends.
func follow(ctx context.Context, kube kubernetes.Interface, dyn dynamic.Interface, namespace string) (<-chan news, error) {
	out := make(chan news, 256)
	pods := kube.CoreV1().Pods(namespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the pods: %w", err)
	}
	err = pump(ctx, out, list.ResourceVersion, func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		return pods.Watch(ctx, o)
	}, podNews)
	if err != nil {
		return nil, fmt.Errorf("watching the pods: %w", err)
	}
	for kind, resource := range resources {
		jobs := dyn.Resource(resource).Namespace(namespace)
		list, err := jobs.List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing the %ss: %w", kind, err)
		}
		err = pump(ctx, out, list.GetResourceVersion(), func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return jobs.Watch(ctx, o)
		}, jobNews)
		if err != nil {
			return nil, fmt.Errorf("watching the %ss: %w", kind, err)
		}
	}
	return out, nil
}

// pump watches one resource and sends what translate makes of each event; nil is not sent.
func pump(
	ctx context.Context, out chan<- news, from string,
	start func(context.Context, metav1.ListOptions) (watch.Interface, error),
	translate func(watch.Event) (func(time.Time, *Board) []Line, error),
) error {
	w, err := watchtools.NewRetryWatcherWithContext(ctx, from, &cache.ListWatch{WatchFuncWithContext: start})
	if err != nil {
		return err
	}
	go func() {
		defer w.Stop()
		for e := range w.ResultChan() {
			at := time.Now()
			note, err := translate(e)
			if err == nil && note == nil {
				continue
			}
			n := news{at: at, note: func(b *Board) []Line { return note(at, b) }, err: err}
			select {
			case out <- n:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() == nil {
			out <- news{err: fmt.Errorf("a watch has ended")}
		}
	}()
	return nil
}

func podNews(e watch.Event) (func(time.Time, *Board) []Line, error) {
	pod, ok := e.Object.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("watching the pods: %v", e.Object)
	}
	seen := PodSeen{
		UID: string(pod.UID), Name: pod.Name, Job: pod.Labels[trainingv1.JobNameLabel], Node: pod.Spec.NodeName,
		Phase: pod.Status.Phase, Gone: e.Type == watch.Deleted,
	}
	for _, c := range pod.Spec.Containers {
		quantity := c.Resources.Limits[gpuResource]
		seen.GPUs += int(quantity.Value())
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			seen.Waits = c.Message
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Terminated != nil && c.State.Terminated.ExitCode != 0 {
			seen.ExitCode = c.State.Terminated.ExitCode
		}
	}
	return func(at time.Time, b *Board) []Line { return b.Pod(at, seen) }, nil
}

func jobNews(e watch.Event) (func(time.Time, *Board) []Line, error) {
	object, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("watching the jobs: %v", e.Object)
	}
	name := object.GetName()
	if e.Type == watch.Deleted {
		return func(at time.Time, b *Board) []Line { return b.Finish(at, name, false, "the job was deleted") }, nil
	}
	var job struct {
		Status trainingv1.JobStatus `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &job); err != nil {
		return nil, fmt.Errorf("reading the status of job %s: %w", name, err)
	}
	for _, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == trainingv1.JobSucceeded || c.Type == trainingv1.JobFailed) {
			return func(at time.Time, b *Board) []Line {
				return b.Finish(at, name, c.Type == trainingv1.JobSucceeded, c.Message)
			}, nil
		}
	}
	return nil, nil
}
