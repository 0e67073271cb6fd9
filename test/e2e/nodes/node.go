package nodes

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/muster-scheduling/muster/test/e2e/sandbox"
)

// NodeConfig is what a node's own process is told.
type NodeConfig struct {
	Config
	// Number of the node, from 1. Kubeconfig is how its kubelet reaches the API server.
	Number     int
	Kubeconfig string
}

// node is a node that runs, and the images that it was given since.
type node struct {
	*process
	images map[string]bool
}

// dir is the node's own directory.
func (n NodeConfig) dir() string { return filepath.Join(n.Dir, nodeName(n.Number)) }

// startNode starts a node's process, which does the rest in namespaces of its own.
func (c *Cluster) startNode(number int) error {
	config := NodeConfig{Config: c.config, Number: number, Kubeconfig: c.Kubeconfig()}
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	cgroups, err := sandbox.FindCgroups(c.config.Cgroup)
	if err != nil {
		return err
	}
	if err := cgroups.MakeBelow(nodeName(number)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(config.dir(), "log"), 0o755); err != nil {
		return err
	}
	cmd := sandbox.Command(sandbox.Node, c.config.Init, append(c.config.Node, string(data))...)
	// It must outlive the thread that starts it. It cannot outlive the namespaces around it.
	cmd.SysProcAttr.Pdeathsig = 0
	p, err := start(nodeName(number), filepath.Join(c.config.Dir, "log"), cmd)
	if err != nil {
		return err
	}
	c.nodes[nodeName(number)] = &node{process: p, images: map[string]bool{}}
	return nil
}

// Import brings an image, from an archive, to all nodes that lack it.
func (c *Cluster) Import(archive string) error {
	for name, n := range c.nodes {
		if n.images[archive] {
			continue
		}
		socket := fmt.Sprintf("/proc/%d/root%s", n.cmd.Process.Pid, containerdSocket)
		if err := importImage(socket, archive); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		n.images[archive] = true
	}
	return nil
}

func importImage(socket, archive string) error {
	return run("ctr", "--address="+socket, "--namespace=k8s.io", "images", "import", archive)
}

// CopyLogs copies the logs of a cluster, whose directory is given, and of its nodes into another directory.
func CopyLogs(dir, to string) error {
	for _, pattern := range []string{"log/*.log", "node-*/log/*.log"} {
		logs, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, log := range logs {
			below, err := filepath.Rel(dir, log)
			if err != nil {
				return err
			}
			if err := copyFile(log, filepath.Join(to, below)); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
