// Muster-manager runs Muster's controllers. See its --help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/muster-scheduling/muster/controllers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := controllers.Command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "muster-manager:", err)
		os.Exit(1)
	}
}
