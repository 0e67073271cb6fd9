// Command muster-scheduler is kube-scheduler with Muster's plugins.
package main

import (
	"fmt"
	"os"

	_ "k8s.io/component-base/logs/json/register"

	"github.com/muster-scheduling/muster/plugins"
)

func main() {
	plugins.TradeMemoryForCPU()
	if err := plugins.Command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "muster-scheduler:", err)
		os.Exit(1)
	}
}
