package localcluster

import (
	"context"
	"fmt"

	"github.com/muster-scheduling/muster/controllers"
)

// managerCommand is muster-manager as the administrator, with its webhooks.
func (c *Cluster) managerCommand() *command {
	return &command{
		name:   Manager,
		create: controllers.Command,
		args:   c.cfg.ManagerArgs,
		listen: func() ([]string, string, error) {
			port, err := freePort()
			if err != nil {
				return nil, "", err
			}
			if c.webhookPort, err = freePort(); err != nil {
				return nil, "", err
			}
			address := fmt.Sprintf("127.0.0.1:%d", port)
			return []string{
				"--kubeconfig=" + c.ownKubeconfig,
				"--leader-elect=false",
				"--metrics-bind-address=0",
				"--health-probe-bind-address=" + address,
				fmt.Sprintf("--webhook-bind-address=127.0.0.1:%d", c.webhookPort),
				"--webhook-host-names=localhost",
			}, "http://" + address + "/readyz", nil
		},
	}
}

// StartManager runs muster-manager and returns once it is ready and the API
// server calls its webhooks. It fails when it runs already. It may be called on
// a cluster without the component.
func (c *Cluster) StartManager(ctx context.Context) error {
	if err := c.startManager(ctx); err != nil {
		return err
	}
	return c.waitWebhooks(ctx)
}

func (c *Cluster) startManager(ctx context.Context) error {
	if err := c.manager.start(ctx, c.probe); err != nil {
		return err
	}
	return c.publishWebhooks(ctx)
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
