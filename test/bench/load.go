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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/muster-scheduling/muster/internal/witness"
)

const (
	// creators is how many pods are created at a time.
	creators = 32
	// settle is for how long bindings are still looked for once all gangs that fit are whole.
	settle = 3 * time.Second
	// loadNamespace is where the pods of a workload are.
	loadNamespace = "bench"
)

// submit creates the pods of a workload, watches them being bound until all gangs that fit are whole, and for some
// time more, or until the deadline. For raw it binds each pod as soon as its create has returned.
func submit(ctx context.Context, c *clients, w workload, system string, seed uint64, deadline time.Duration) (trace, error) {
	bindings, err := watchBindings(ctx, c.kube, w)
	if err != nil {
		return trace{}, err
	}
	defer bindings.stop()
	t := trace{created: make([]time.Time, w.gangs), begin: time.Now()}
	bounded, cancel := context.WithDeadline(ctx, t.begin.Add(deadline))
	defer cancel()
	if err := create(bounded, c, w, system, seed, &t); err != nil {
		return trace{}, err
	}
	select {
	case <-bindings.whole:
		if err := sleep(ctx, settle); err != nil {
			return trace{}, fmt.Errorf("waiting for bindings that come late: %w", err)
		}
	case <-bindings.broken:
		return trace{}, fmt.Errorf("watching the pods: the watch ended: %w", errors.Join(bindings.err, ctx.Err()))
	case <-bounded.Done():
	}
	t.events, t.nodes = bindings.stop()
	t.end = time.Now()
	return t, ctx.Err()
}

// create creates all pods, and notes for each gang when its last create returned.
func create(ctx context.Context, c *clients, w workload, system string, seed uint64, t *trace) error {
	var mu sync.Mutex
	work := make(chan int, creators)
	order := w.order(seed)
	g, ctx := errgroup.WithContext(ctx)
	for range creators {
		g.Go(func() error {
			for i := range work {
				m := order[i]
				made, err := c.kube.CoreV1().Pods(loadNamespace).Create(ctx,
					pod(system, loadNamespace, gangName(m.gang), m.index, w.gpusPerNode > 0), metav1.CreateOptions{})
				if err != nil {
					return fmt.Errorf("creating pod %d of %d: %w", i, len(order), err)
				}
				now := time.Now()
				mu.Lock()
				t.created[m.gang] = later(t.created[m.gang], now)
				mu.Unlock()
				if system == "raw" && m.gang < w.fit {
					if err := bind(ctx, c, made, w.nodeName(i)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(work)
		for i := range order {
			select {
			case work <- i:
			case <-ctx.Done():
				return nil // a creator has failed and says why, or the deadline makes them fail
			}
		}
		return nil
	})
	return g.Wait()
}

// bindingWatch stamps the first moment at which each pod was seen with a node.
type bindingWatch struct {
	// whole is closed once as many gangs as fit are whole; broken once the watch has ended.
	whole, broken chan struct{}
	cancel        context.CancelFunc
	// events, nodes and err may be read once broken is closed.
	events []witness.Event
	nodes  map[string]string
	err    error
}

func watchBindings(ctx context.Context, kube kubernetes.Interface, w workload) (*bindingWatch, error) {
	pods := kube.CoreV1().Pods(loadNamespace)
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the pods: %w", err)
	}
	if len(list.Items) > 0 {
		return nil, fmt.Errorf("there are %d pods already", len(list.Items))
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &bindingWatch{
		whole: make(chan struct{}), broken: make(chan struct{}), cancel: cancel, nodes: make(map[string]string, w.gangs*w.size),
	}
	go func() {
		defer close(b.broken)
		if err := b.follow(ctx, pods, list.ResourceVersion, w); err != nil && ctx.Err() == nil {
			b.err = err
		}
	}()
	return b, nil
}

// follow watches until the context ends.
func (b *bindingWatch) follow(ctx context.Context, pods corev1client.PodInterface, version string, w workload) error {
	held := make(map[string]int, w.gangs)
	whole := 0
	return followPods(ctx, pods, version, func(_ watch.EventType, p *corev1.Pod) {
		if p.Spec.NodeName == "" || b.nodes[p.Name] != "" {
			return
		}
		b.nodes[p.Name] = p.Spec.NodeName
		gang := gangOf(p)
		b.events = append(b.events, witness.Event{At: time.Now(), Gang: gang, Pod: p.Name, Kind: witness.Bound})
		if held[gang]++; held[gang] == w.size {
			if whole++; whole == w.fit {
				close(b.whole)
			}
		}
	})
}

// followPods hands out what happens to pods until the context ends. The API server cuts off watchers that do not keep up,
// which on a busy machine is normal; the watch then goes on at once from where it was. client-go's RetryWatcher would wait
// a second first, and that second would be counted against who is measured.
func followPods(ctx context.Context, pods corev1client.PodInterface, version string, see func(watch.EventType, *corev1.Pod)) error {
	for ctx.Err() == nil {
		watcher, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: version})
		if err != nil {
			return fmt.Errorf("watching the pods: %w", err)
		}
		for e := range watcher.ResultChan() {
			p, ok := e.Object.(*corev1.Pod)
			if !ok {
				return fmt.Errorf("watching the pods: %w", apierrors.FromObject(e.Object))
			}
			version = p.ResourceVersion
			see(e.Type, p)
		}
	}
	return nil
}

// stop ends the watch and returns the bindings, and the node of each pod. It may be called more than once.
func (b *bindingWatch) stop() ([]witness.Event, map[string]string) {
	b.cancel()
	<-b.broken
	return b.events, b.nodes
}

// sleep returns after some time, or with the context's error when that ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
