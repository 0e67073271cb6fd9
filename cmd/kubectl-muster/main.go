// Kubectl-muster shows queues, says why a job waits and what would happen to one, and simulates policies. In the PATH it
// is the kubectl plugin "kubectl muster".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// rootCommand holds the list of all commands.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-muster",
		Short:         "Queues of Muster, why a job waits, and what would happen to one",
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl muster"},
	}
	root.AddCommand(
		explainCommand(),
		queuesCommand(),
		whatIfCommand(),
		simulateCommand(),
	)
	return root
}
