package localcluster

import (
	"context"
	"fmt"

	"github.com/muster-scheduling/muster/controllers"
)

// managerCommand is muster-manager as the administrator.
func (c *Cluster) managerCommand() *command {
	return &command{
		name:   Manager,
		create: controllers.Command,
		args:   c.cfg.ManagerArgs,
		listen: func(port int) ([]string, string) {
			address := fmt.Sprintf("127.0.0.1:%d", port)
			return []string{
				"--kubeconfig=" + c.ownKubeconfig,
				"--leader-elect=false",
				"--metrics-bind-address=0",
				"--health-probe-bind-address=" + address,
			}, "http://" + address + "/readyz"
		},
	}
}

// StartManager runs muster-manager and returns once it is ready. It fails when
// it runs already. It may be called on a cluster without the component.
func (c *Cluster) StartManager(ctx context.Context) error {
	return c.manager.start(ctx, c.probe)
}

// StopManager stops the manager, as a termination signal does, and waits.
func (c *Cluster) StopManager() error {
	return c.manager.stop()
}

// KillManager cuts the manager off in what it is doing and does not wait.
// StartManager may be called right after.
func (c *Cluster) KillManager() {
	c.manager.kill()
}
