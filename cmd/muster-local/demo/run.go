package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/muster-scheduling/muster/internal/localcluster"
)

const (
	// namespace is where the demo's jobs are applied.
	namespace = metav1.NamespaceDefault
	// nodes is how many nodes the demo has.
	nodes = 12
	// rackLabel says in which rack a node of a local cluster is.
	rackLabel = "topology.muster.dev/rack"
	// pace is the time between two jobs being applied, so that each can be followed; frame that between two looks.
	pace  = 800 * time.Millisecond
	frame = 200 * time.Millisecond
	// deadline is when the demo has failed if it is not over.
	deadline = 110 * time.Second
)

// Run starts a cluster, plays the demo on it, and stops it. It writes the story to out, and returns an error if a job
// did not succeed, if a gang was ever partly started, or if that took longer than two minutes.
func Run(ctx context.Context, cfg localcluster.Config, out io.Writer) (err error) {
	jobs, err := loadJobs(manifests)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("the demo is not over after %v", deadline))
	defer cancel()
	cfg.Nodes = localcluster.DefaultNodes(nodes)
	fmt.Fprintf(out, "Starting a cluster of %d nodes with 8 GPUs each. Nodes and containers are simulated; the API server, the\n"+
		"scheduler, the controllers and the manifests of the jobs are real.\n", nodes)
	began := time.Now()
	cluster, err := localcluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	fmt.Fprintf(out, "It answers after %s. Now %d jobs that ask for %d GPUs in all are applied; %d is what there is.\n\n",
		seconds(time.Since(began)), len(jobs), totalGPUs(jobs), nodes*8)
	return play(ctx, cluster.RESTConfig(), jobs, out)
}

func totalGPUs(jobs []Job) int {
	n := 0
	for _, job := range jobs {
		n += job.GPUs
	}
	return n
}

// play applies the jobs one after another, tells what happens until all have ended, and judges.
func play(ctx context.Context, config *rest.Config, jobs []Job, out io.Writer) error {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	cluster, err := listNodes(ctx, kube)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	news, err := follow(watching, kube, dyn, namespace)
	if err != nil {
		return err
	}
	board := NewBoard(time.Now(), cluster)
	screen := newScreen(out, board.begin)
	ended := tell(ctx, board, screen, jobs, dyn, news)
	end := time.Now()
	screen.erase()
	if errors.Is(ended, context.Canceled) {
		return errors.New("interrupted")
	}
	fmt.Fprintf(out, "\n%s\n", board.Table(end))
	if err := errors.Join(ended, board.Fault(end)); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d jobs, %d GPUs asked for where there are %d: every gang started whole, and none ever held a part of what it needs.\n",
		len(jobs), totalGPUs(jobs), board.capacity())
	return nil
}

// tell goes on until every job has ended, or something is wrong.
func tell(ctx context.Context, board *Board, screen *screen, jobs []Job, dyn dynamic.Interface, incoming <-chan news) error {
	frames := time.NewTicker(frame)
	defer frames.Stop()
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case n := <-incoming:
			if n.err != nil {
				return n.err
			}
			screen.tell(n.note(board))
		case <-frames.C:
			now := time.Now() // the tick may have waited behind news that are younger
			if len(jobs) > 0 && !now.Before(next) {
				if err := apply(ctx, dyn, jobs[0]); err != nil {
					return err
				}
				screen.tell(board.Apply(now, jobs[0]))
				jobs, next = jobs[1:], now.Add(pace)
			}
			screen.tell(board.Tick(now))
			screen.show(now, board)
			if len(jobs) == 0 && board.Done() {
				return nil
			}
		}
	}
}

func apply(ctx context.Context, dyn dynamic.Interface, job Job) error {
	_, err := dyn.Resource(resources[job.Kind]).Namespace(namespace).Create(ctx, job.object, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", job.Kind, job.Name, err)
	}
	return nil
}

func listNodes(ctx context.Context, kube kubernetes.Interface) ([]Node, error) {
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the nodes: %w", err)
	}
	var out []Node
	for _, n := range list.Items {
		quantity := n.Status.Allocatable[gpuResource]
		out = append(out, Node{Name: n.Name, Rack: n.Labels[rackLabel], GPUs: int(quantity.Value())})
	}
	// node-2 comes before node-10.
	slices.SortFunc(out, func(a, b Node) int { return cmp.Or(len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name)) })
	return out, nil
}
