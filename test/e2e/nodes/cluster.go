// Package nodes runs a Kubernetes cluster of real nodes without a container engine: etcd, the control plane, kube-proxy, and
// for each node a kubelet, containerd and runc. It has to be called in namespaces of its own (package sandbox): it takes
// fixed ports and addresses.
//
// The nodes share one network namespace, whose one bridge connects their pods. A node has its own processes, mounts,
// control groups and images.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says what a cluster is made of.
type Config struct {
	// Dir is the cluster's own directory; logs are in its folder log.
	Dir string
	// Plugins is where those of CNI are. All other programs are found in the PATH.
	Plugins string
	// Images are archives that each node has from the start; PauseImage is the one that holds a pod's namespaces.
	Images     []string
	PauseImage string
	// Cgroup is the control group below which each node has its own.
	Cgroup string
	// Init is the program, and the arguments before the command, that is the first process of a node's namespaces. Node is
	// the command that it runs; it gets a NodeConfig as JSON and has to hand that to RunNode.
	Init, Node []string
	// Count is the number of nodes: node-1, node-2 and so on.
	Count int
}

// Cluster is a running cluster.
type Cluster struct {
	config    Config
	clients   *kubernetes.Clientset
	processes []*process
	nodes     map[string]*node
}

const (
	apiServer      = "https://127.0.0.1:6443"
	controlAddress = "10.244.255.254" // the API server's, as pods see it
	podRange       = "10.244.0.0/24"
	serviceRange   = "10.96.0.0/16"
	// DNSAddress is the service address at which pods look for the cluster's DNS.
	DNSAddress = "10.96.0.10"
	// startTimeout is far longer than anything takes to start.
	startTimeout = 3 * time.Minute
)

const nodePrefix = "node-"

// nodeName is the name of the node with a number from 1.
func nodeName(i int) string { return fmt.Sprintf("%s%d", nodePrefix, i) }

// nodeAddress may not be a loopback address, says the kubelet.
func nodeAddress(i int) string { return fmt.Sprintf("10.244.255.%d", i) }

// Start starts a cluster and returns once all of its nodes are ready. What it started when it failed ends with the
// namespaces.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	c := &Cluster{config: config, nodes: map[string]*node{}}
	for _, dir := range []string{"log", "etc"} {
		if err := os.MkdirAll(filepath.Join(config.Dir, dir), 0o755); err != nil {
			return nil, err
		}
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	if err := c.startControlPlane(ctx); err != nil {
		return nil, err
	}
	for i := range config.Count {
		if err := c.startNode(i + 1); err != nil {
			return nil, err
		}
	}
	return c, c.wait(ctx, fmt.Sprintf("%d nodes are ready", config.Count), c.nodesReady)
}

// Kubeconfig is a file that makes its user the cluster's administrator.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.config.Dir, "admin.kubeconfig") }

// Kill ends every process of a node at once, its containers among them: what the cluster sees when a machine loses power.
func (c *Cluster) Kill(node string) error {
	n := c.nodes[node]
	if n == nil {
		return fmt.Errorf("no node %q runs", node)
	}
	if err := n.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", node, err)
	}
	<-n.ended
	delete(c.nodes, node)
	return nil
}

// Runs says whether a node was started and not killed since.
func (c *Cluster) Runs(node string) bool { return c.nodes[node] != nil }

// Restart starts a node that was killed, on an empty disk. It does not wait until the node is ready.
func (c *Cluster) Restart(node string) error {
	number := 0
	if _, err := fmt.Sscanf(node, nodePrefix+"%d", &number); err != nil {
		return fmt.Errorf("node %q: %w", node, err)
	}
	if err := os.RemoveAll(filepath.Join(c.config.Dir, node)); err != nil {
		return err
	}
	return c.startNode(number)
}

// nodesReady says whether all nodes are, or how many.
func (c *Cluster) nodesReady(ctx context.Context) (bool, string) {
	list, err := c.clients.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, err.Error()
	}
	ready := 0
	for _, node := range list.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				ready++
			}
		}
	}
	return ready == c.config.Count, fmt.Sprintf("%d are", ready)
}

// wait waits until something holds, or a process that should run has ended.
func (c *Cluster) wait(ctx context.Context, what string, holds func(context.Context) (bool, string)) error {
	last := ""
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, startTimeout, true, func(ctx context.Context) (ok bool, err error) {
		for _, p := range c.running() {
			select {
			case <-p.ended:
				return false, p.failure()
			default:
			}
		}
		ok, last = holds(ctx)
		return ok, nil
	})
	if err != nil {
		return fmt.Errorf("wait until %s (last seen: %s): %w", what, last, err)
	}
	return nil
}

// running are the processes that should run.
func (c *Cluster) running() []*process {
	all := slices.Clone(c.processes)
	for _, n := range c.nodes {
		all = append(all, n.process)
	}
	return all
}

// client makes the client that Start itself uses.
func (c *Cluster) client() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return err
	}
	c.clients, err = kubernetes.NewForConfig(config)
	return err
}

// apiServerReady asks the API server whether it is.
func (c *Cluster) apiServerReady(ctx context.Context) (bool, string) {
	answer, err := c.clients.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	if err != nil {
		return false, errors.Join(err, errors.New(string(answer))).Error()
	}
	return true, ""
}
