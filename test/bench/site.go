package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

// lookAgain is how often a condition is looked at. What is timed is timed by the watch, not by this.
const lookAgain = 20 * time.Millisecond

// site is where a play takes place: a cluster with a scheduler at work.
type site struct {
	*clients
	scheduler *child
	// dir is the directory of the measurement.
	dir string
}

// job is a pod that is a gang by itself. It is gone as soon as it is deleted, since no kubelet would end it.
func job(name, queue string, gpus int64) *corev1.Pod {
	p := asking(pod("muster", loadNamespace, name, 0, false), gpus)
	p.Labels = map[string]string{}
	if queue != "" {
		p.Labels[schedulingv1alpha1.QueueLabel] = queue
	}
	return p
}

// asking makes a pod ask for GPUs, and go at once when it is deleted.
func asking(p *corev1.Pod, gpus int64) *corev1.Pod {
	now, amount := int64(0), *resource.NewQuantity(gpus, resource.DecimalSI)
	p.Spec.TerminationGracePeriodSeconds = &now
	p.Spec.Containers[0].Resources.Requests[gpu] = amount
	p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{gpu: amount}
	return p
}

// jobs makes that many jobs, named by a prefix.
func jobs(prefix, queue string, count int, gpus int64) []*corev1.Pod {
	pods := make([]*corev1.Pod, count)
	for i := range pods {
		pods[i] = job(fmt.Sprintf("%s-%d", prefix, i), queue, gpus)
	}
	return pods
}

// each does something for the numbers below count, several at a time.
func each(ctx context.Context, count int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(creators)
	for i := range count {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return do(ctx, i)
		})
	}
	return g.Wait()
}

// create creates pods and returns when the last create returned.
func (s site) create(ctx context.Context, pods []*corev1.Pod) (time.Time, error) {
	err := each(ctx, len(pods), func(ctx context.Context, i int) error {
		if _, err := s.kube.CoreV1().Pods(loadNamespace).Create(ctx, pods[i], metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating pod %s: %w", pods[i].Name, err)
		}
		return nil
	})
	return time.Now(), err
}

func (s site) remove(ctx context.Context, pods []*corev1.Pod) error {
	return each(ctx, len(pods), func(ctx context.Context, i int) error {
		err := s.kube.CoreV1().Pods(loadNamespace).Delete(ctx, pods[i].Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting pod %s: %w", pods[i].Name, err)
		}
		return nil
	})
}

// eyes see what becomes of the pods of a play.
type eyes struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu sync.Mutex
	// node and bound are where and since when a pod has a node; gone is when it was deleted.
	node        map[string]string
	bound, gone map[string]time.Time
}

// open begins to look. close has to be called.
func (s site) open(ctx context.Context) (*eyes, error) {
	pods := s.kube.CoreV1().Pods(loadNamespace)
	list, err := pods.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("listing the pods: %w", err)
	}
	e := &eyes{done: make(chan struct{}), node: map[string]string{}, bound: map[string]time.Time{}, gone: map[string]time.Time{}}
	ctx, e.cancel = context.WithCancel(ctx)
	go func() {
		defer close(e.done)
		e.err = followPods(ctx, pods, list.ResourceVersion, e.see)
	}()
	return e, nil
}

func (e *eyes) see(event watch.EventType, p *corev1.Pod) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.node[p.Name] == "" && p.Spec.NodeName != "" {
		e.node[p.Name], e.bound[p.Name] = p.Spec.NodeName, now
	}
	if event == watch.Deleted {
		e.gone[p.Name] = now
	}
}

func (e *eyes) close() {
	e.cancel()
	<-e.done
}

// until waits until all of the pods are in one of the maps, and returns when the first and the last of them got there.
func (e *eyes) until(ctx context.Context, what string, in map[string]time.Time, pods []*corev1.Pod) (first, last time.Time, err error) {
	missing := len(pods)
	err = holds(ctx, func() (bool, error) {
		select {
		case <-e.done:
			return false, errors.Join(errors.New("the watch ended"), e.err)
		default:
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		first, last, missing = time.Time{}, time.Time{}, 0
		for _, p := range pods {
			at, there := in[p.Name]
			if !there {
				missing++
				continue
			}
			if first.IsZero() || at.Before(first) {
				first = at
			}
			last = later(last, at)
		}
		return missing == 0, nil
	})
	if err != nil {
		err = fmt.Errorf("waiting for %d pods to be %s, of which %d are not: %w", len(pods), what, missing, err)
	}
	return first, last, err
}

func (e *eyes) untilBound(ctx context.Context, pods []*corev1.Pod) (last time.Time, err error) {
	_, last, err = e.until(ctx, "bound", e.bound, pods)
	return last, err
}

func (e *eyes) untilGone(ctx context.Context, pods []*corev1.Pod) error {
	_, _, err := e.until(ctx, "gone", e.gone, pods)
	return err
}

// holds waits until a condition does.
func holds(ctx context.Context, condition func() (bool, error)) error {
	return wait.PollUntilContextCancel(ctx, lookAgain, true, func(context.Context) (bool, error) { return condition() })
}

// cpu is the CPU time that the scheduler has used so far, in seconds.
func (s site) cpu() (float64, error) { return cpuSeconds(s.scheduler.cmd.Process.Pid) }
