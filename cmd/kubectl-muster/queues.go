package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/muster-scheduling/muster/internal/explain"
)

func queuesCommand() *cobra.Command {
	var (
		ask      asking
		resource string
	)
	cmd := &cobra.Command{
		Use:   "queues [NAME]",
		Short: "The tree of queues: what each is guaranteed, may use, and uses; who waits and why",
		Long: `Draws the tree of queues with a bar for each: what it uses of a resource within its guarantee and beyond it, and where
its fair share and its limit are. With a name, all about one queue and what is below it.`,
		Example: `  kubectl muster queues
  kubectl muster queues research --resource cpu`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := ask.check(); err != nil {
				return err
			}
			session, err := ask.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer session.Close()
			queues, err := session.Queues(cmd.Context())
			if err != nil {
				return err
			}
			resource := cmp.Or(resource, queues.DefaultResource())
			return ask.write(cmd.OutOrStdout(), queues, func(look explain.Look) (string, error) {
				if len(args) == 1 {
					return queues.QueueText(args[0], resource, look)
				}
				return queues.Text(resource, look)
			})
		},
	}
	ask.add(cmd)
	cmd.Flags().StringVar(&resource, "resource", "",
		"the resource to draw bars of (default nvidia.com/gpu if a node or a queue has any, else cpu)")
	return cmd
}
