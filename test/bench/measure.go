package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// startDeadline is how long an API server with all of its nodes, or a scheduler until it has bound its first gang, may
// take to start.
const startDeadline = 2 * time.Minute

// measure runs one workload on one system, on an API server and a scheduler of its own, and leaves nothing behind.
func measure(ctx context.Context, w workload, system string, round int, seed uint64, deadline time.Duration) result {
	r := result{round: round, workload: w.name, system: system, values: map[string]float64{}}
	run := r.run
	if w.pure != nil {
		run = r.compute
	}
	if err := run(ctx, w, seed, deadline); err != nil {
		r.broken, r.complete, r.note = true, false, err.Error()
	}
	return r
}

// compute lets a pure workload compute until the deadline, without any cluster.
func (r *result) compute(ctx context.Context, w workload, seed uint64, deadline time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	values, err := w.pure(ctx, w, seed)
	maps.Copy(r.values, values)
	r.complete = err == nil
	return err
}

// gates are the feature gates of a system for a workload; nil for those that need none.
func (r *result) gates(w workload) map[string]bool {
	if r.system != "native" {
		return nil
	}
	return w.gates()
}

func (r *result) run(ctx context.Context, w workload, seed uint64, deadline time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the measurement: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	kubeconfig := filepath.Join(dir, "kubeconfig")
	apiserver, err := startChild(dir, apiserverRole, apiserverConfig{
		Dir: dir, Kubeconfig: kubeconfig, Nodes: w.nodeGroups(), Gates: r.gates(w), Manager: w.manager,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, apiserver.stop()) }()
	starting, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	if err := apiserver.waitReady(starting); err != nil {
		return err
	}
	c, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	if err := prepare(starting, c, w, r.system); err != nil {
		return err
	}
	children := []*child{apiserver}
	if r.system != "raw" {
		scheduler, startErr := startChild(dir, schedulerRole,
			schedulerConfig{System: r.system, Dir: dir, Kubeconfig: kubeconfig, Gates: r.gates(w)})
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, scheduler.stop()) }()
		children = append(children, scheduler)
	}
	if err := r.load(ctx, c, w, seed, deadline, dir, children); err != nil {
		last := children[len(children)-1]
		return fmt.Errorf("%w; the log of the %s ends with:\n%s", err, last.role, tail(last.log, 12))
	}
	return nil
}

// load warms up, submits the workload, and takes down its figures and what it cost each process.
func (r *result) load(
	ctx context.Context, c *clients, w workload, seed uint64, deadline time.Duration, dir string, children []*child,
) error {
	ctx, stop := whileAlive(ctx, children)
	defer stop()
	if err := warmUp(ctx, c, r.system); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	meter, err := startMeter(children)
	if err != nil {
		return err
	}
	if w.play != nil {
		if err := r.play(ctx, w, site{clients: c, scheduler: children[len(children)-1], dir: dir}, deadline); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		return meter.read(r.values)
	}
	t, err := submit(ctx, c, w, r.system, seed, deadline)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	r.values, r.complete = figures(w, t)
	if !r.complete {
		r.note = fmt.Sprintf("%.0f of %d gangs whole and %.0f partly bound after %v",
			r.values["whole_gangs"], w.fit, r.values["partial_gangs"], deadline)
	}
	if err := meter.read(r.values); err != nil {
		return err
	}
	return r.checkDomains(ctx, c, w, t)
}

// play lets a workload go its own way until the deadline.
func (r *result) play(ctx context.Context, w workload, s site, deadline time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	values, err := w.play(bounded, s, w)
	maps.Copy(r.values, values)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		r.note = fmt.Sprintf("not done after %v: %v", deadline, err)
		return nil
	}
	r.complete = err == nil
	return err
}

// connect makes clients that put no limit on themselves.
func connect(kubeconfig string) (*clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return &clients{kube: kube, dynamic: dyn}, nil
}

// prepare creates all that is there before the first pod: the namespace and the gangs.
func prepare(ctx context.Context, c *clients, w workload, system string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: loadNamespace}}
	if _, err := c.kube.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the namespace %s: %w", loadNamespace, err)
	}
	if err := createQueues(ctx, c, queueTree(w.queues)); err != nil {
		return err
	}
	if w.play != nil {
		return nil
	}
	if err := createTopology(ctx, c, w.levels); err != nil {
		return err
	}
	return createGangs(ctx, c, w, system)
}

// whileAlive is a context that ends as soon as one of the children does, with that as its cause.
func whileAlive(ctx context.Context, children []*child) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	for _, c := range children {
		go func() {
			select {
			case <-c.exited:
				cancel(c.err)
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}
