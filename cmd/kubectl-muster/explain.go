package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/muster-scheduling/muster/internal/explain"
)

func explainCommand() *cobra.Command {
	var ask asking
	cmd := &cobra.Command{
		Use:   "explain (TYPE NAME | TYPE/NAME)",
		Short: "Why a pod, a PodGroup or a job waits, where it stands in line, and what would help",
		Long: `Says why something waits: the one reason that counts, where in the line of its queue it stands, when room that is kept
for it will be complete, and what would help. Of a pod it says too which pod policies changed it, of a gang that was made for a
workload how. TYPE is ` + typeNames() + `.`,
		Example: `  kubectl muster explain pytorchjob/llm
  kubectl muster explain pod llm-worker-3 -n team-a`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, err := parseObject(args)
			if err == nil {
				err = ask.check()
			}
			if err != nil {
				return err
			}
			session, err := ask.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer session.Close()
			found, err := session.find(cmd.Context(), kind, name)
			if err != nil {
				return err
			}
			return ask.write(cmd.OutOrStdout(), found.Gang, func(look explain.Look) (string, error) {
				return found.Text(found.title, time.Now(), look) + session.origin(cmd.Context(), kind, name, found.Gang).Text(look), nil
			})
		},
	}
	ask.add(cmd)
	return cmd
}
