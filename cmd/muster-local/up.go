package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/muster-scheduling/muster/internal/localcluster"
)

// upCommand starts a cluster and keeps it until the command is interrupted.
func upCommand() *cobra.Command {
	var (
		cfg        localcluster.Config
		nodes      int
		nodeConfig string
		components string
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster and keep it until interrupted",
		Long: `Starts etcd, kube-apiserver, kube-controller-manager's controllers, simulated nodes and
Muster in this process, on the loopback interface only. Prints "ready" and the line that
points kubectl to the cluster once everything answers. Interrupt it (Ctrl-C) to stop it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Nodes, err = nodeGroups(cmd.Flags().Changed("nodes"), nodes, nodeConfig); err != nil {
				return err
			}
			if cmd.Flags().Changed("components") {
				if cfg.Components, err = localcluster.ParseComponents(components); err != nil {
					return err
				}
			}
			return up(cmd, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Kubeconfig, "kubeconfig", "", "write the admin's kubeconfig to this file (default: one in the data directory)")
	flags.IntVar(&nodes, "nodes", 8, "number of nodes, each with 8 nvidia.com/gpu, 64 CPUs, 512Gi, in racks of 4")
	flags.StringVar(&nodeConfig, "node-config", "", "YAML file with groups of nodes, instead of --nodes")
	flags.StringVar(&cfg.DataDir, "data-dir", "", "keep the cluster's state in this directory (default: a temporary one)")
	flags.StringVar(&components, "components", "", "comma-separated parts to run out of etcd,apiserver,controllers,kwok,scheduler,manager (default: all; etcd and apiserver always run)")
	flags.IntVar(&cfg.Port, "port", 0, "port of the API server on 127.0.0.1 (default: a free one)")
	flags.BoolVarP(&cfg.Verbose, "verbose", "v", false, "show the logs of every part on standard error")
	return cmd
}

// nodeGroups are the nodes that the flags ask for.
func nodeGroups(counted bool, nodes int, nodeConfig string) ([]localcluster.NodeGroup, error) {
	switch {
	case nodeConfig != "" && counted:
		return nil, errors.New("--nodes and --node-config exclude each other")
	case nodeConfig != "":
		return localcluster.LoadNodeConfig(nodeConfig)
	case nodes < 0:
		return nil, fmt.Errorf("--nodes is %d, but must not be negative", nodes)
	default:
		return localcluster.DefaultNodes(nodes), nil
	}
}

func up(cmd *cobra.Command, cfg localcluster.Config) error {
	cluster, err := localcluster.Start(cmd.Context(), cfg)
	if err != nil && cmd.Context().Err() != nil {
		return errors.New("interrupted before the cluster was ready")
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "ready")
	fmt.Fprintln(cmd.OutOrStdout(), "export KUBECONFIG="+shellQuote(cluster.Kubeconfig()))
	if cfg.Components == nil {
		fmt.Fprint(cmd.OutOrStdout(), tryThis)
	}
	return errors.Join(cluster.Wait(cmd.Context()), cluster.Stop())
}

// tryThis is what to do with a whole cluster, from the root of the repository.
const tryThis = `
Three things to try in another terminal, after the line above:
  kubectl apply -f examples/tfjob.yaml          # a parameter server and 4 workers: all start, or none
  kubectl get tfjobs,podgroups,pods -o wide     # the job, its gang, and where its pods are
  kubectl delete pod mnist-worker-0             # the job makes a new one, and its gang is completed first
Ctrl-C stops the cluster.
`

// shellQuote makes the text one word for a shell.
func shellQuote(text string) string {
	if plain := regexp.MustCompile(`^[\w./-]+$`); plain.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
