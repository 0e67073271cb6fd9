package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"

	"github.com/muster-scheduling/muster/internal/localcluster"
	"github.com/muster-scheduling/muster/plugins"
)

// The roles of the children.
const (
	apiserverRole = "apiserver"
	schedulerRole = "scheduler"
)

// apiserverConfig is what the child with etcd and the API server is told.
type apiserverConfig struct {
	// Dir is the directory of the measurement: the child keeps its files there, and removes it in the end.
	Dir, Kubeconfig string
	Nodes           []localcluster.NodeGroup
	// Gates are the feature gates that kube-scheduler's own gangs need; nil if they are not measured.
	Gates map[string]bool
	// Manager is set where Muster's manager runs as well, and what brings pods to life. Who writes is then logged.
	Manager bool
}

// schedulerConfig is what the child with the scheduler is told.
type schedulerConfig struct {
	System, Dir, Kubeconfig string
	Gates                   map[string]bool
}

// runChild is main in a child.
func runChild(role, argument string) error {
	ctx := untilStdinEnds()
	switch role {
	case apiserverRole:
		var c apiserverConfig
		if err := json.Unmarshal([]byte(argument), &c); err != nil {
			return fmt.Errorf("reading the configuration of the %s: %w", role, err)
		}
		return runAPIServer(ctx, c)
	case schedulerRole:
		var c schedulerConfig
		if err := json.Unmarshal([]byte(argument), &c); err != nil {
			return fmt.Errorf("reading the configuration of the %s: %w", role, err)
		}
		return runScheduler(ctx, c)
	}
	return fmt.Errorf("there is no child %q", role)
}

// runAPIServer runs etcd, the API server and nodes that are there but do nothing, until the context ends.
func runAPIServer(ctx context.Context, c apiserverConfig) error {
	config := localcluster.Config{
		DataDir:    filepath.Join(c.Dir, "data"),
		Kubeconfig: c.Kubeconfig,
		Components: []localcluster.Component{localcluster.Etcd, localcluster.APIServer},
		Nodes:      c.Nodes,
		Verbose:    true,
	}
	if c.Gates != nil {
		config.FeatureGates = c.Gates
		config.APIServerArgs = []string{"--runtime-config=scheduling.k8s.io/v1beta1=true"}
	}
	if c.Manager {
		config.Components = append(config.Components, localcluster.Kwok, localcluster.Manager)
		args, err := auditArgs(c.Dir)
		if err != nil {
			return err
		}
		config.APIServerArgs = append(config.APIServerArgs, args...)
	}
	cluster, err := localcluster.Start(ctx, config)
	if err != nil {
		return fmt.Errorf("starting the cluster: %w", err)
	}
	fmt.Println("ready")
	<-ctx.Done()
	if err := cluster.Stop(); err != nil {
		return fmt.Errorf("stopping the cluster: %w", err)
	}
	// The parent does the same, unless it was killed.
	if err := os.RemoveAll(c.Dir); err != nil {
		return fmt.Errorf("removing the directory of the measurement: %w", err)
	}
	return nil
}

// nativeConfig configures upstream's scheduler: its defaults, but without a limit on its client.
const nativeConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %s
  qps: -1
`

// gateList writes feature gates as a flag.
func gateList(gates map[string]bool) string {
	var list []string
	for _, gate := range slices.Sorted(maps.Keys(gates)) {
		list = append(list, fmt.Sprintf("%s=%t", gate, gates[gate]))
	}
	return strings.Join(list, ",")
}

// runScheduler runs the scheduler under test until the context ends.
func runScheduler(ctx context.Context, c schedulerConfig) error {
	var command *cobra.Command
	switch c.System {
	case "native":
		file := filepath.Join(c.Dir, "kube-scheduler.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, nativeConfig, c.Kubeconfig), 0o600); err != nil {
			return fmt.Errorf("configuring the scheduler: %w", err)
		}
		command = scheduler.NewSchedulerCommand()
		command.SetArgs([]string{"--config", file, "--secure-port", "0", "--feature-gates", gateList(c.Gates)})
		// Upstream's command heeds signals, not its context.
		go func() {
			<-ctx.Done()
			os.Exit(0)
		}()
	case "muster":
		os.Args[0] = "muster-scheduler" // its clients say so
		plugins.TradeMemoryForCPU()
		if err := serveMetrics(c.Dir); err != nil {
			return err
		}
		command = plugins.Command()
		command.SetArgs([]string{"--kubeconfig", c.Kubeconfig, "--secure-port", "0", "--leader-elect=false"})
	default:
		return fmt.Errorf("there is no scheduler of the system %q", c.System)
	}
	fmt.Println("ready")
	if err := command.ExecuteContext(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("running the scheduler: %w", err)
	}
	return nil
}
