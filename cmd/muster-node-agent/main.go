// Muster-node-agent publishes the GPUs of the node that it runs on. See its --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/muster-scheduling/muster/nodeagent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := nodeagent.Command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "muster-node-agent:", err)
		os.Exit(1)
	}
}
