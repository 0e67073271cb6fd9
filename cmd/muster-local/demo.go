package main

import (
	"github.com/spf13/cobra"

	"github.com/muster-scheduling/muster/cmd/muster-local/demo"
	"github.com/muster-scheduling/muster/internal/localcluster"
)

// demoCommand plays training jobs that compete for the GPUs of a cluster of its own.
func demoCommand() *cobra.Command {
	var cfg localcluster.Config
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch training jobs compete for GPUs, each started whole or not at all",
		Long: `Starts a cluster of 12 simulated nodes with 8 GPUs each, applies TFJobs and PyTorchJobs that ask for more than there
is, and tells how they wait, start, end and make room for others. Ends by itself in under two minutes; fails if any
job was ever partly started.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&cfg.DataDir, "data-dir", "", "keep the cluster's state and logs in this directory (default: a temporary one)")
	return cmd
}
