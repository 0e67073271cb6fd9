package localcluster

import (
	"context"
	"fmt"

	"github.com/muster-scheduling/muster/plugins"
)

// schedulerCommand is muster-scheduler as the administrator, answering on
// loopback with the API server's certificate.
func (c *Cluster) schedulerCommand() *command {
	return &command{
		name:   Scheduler,
		create: plugins.Command,
		args:   c.cfg.SchedulerArgs,
		listen: func() ([]string, string, error) {
			port, err := freePort()
			if err != nil {
				return nil, "", err
			}
			c.schedulerURL = fmt.Sprintf("https://127.0.0.1:%d", port)
			return []string{
				"--kubeconfig=" + c.ownKubeconfig,
				"--authentication-kubeconfig=" + c.ownKubeconfig,
				"--authorization-kubeconfig=" + c.ownKubeconfig,
				"--leader-elect=false",
				"--bind-address=127.0.0.1",
				fmt.Sprintf("--secure-port=%d", port),
				"--tls-cert-file=" + c.pki.servingCert,
				"--tls-private-key-file=" + c.pki.servingKey,
			}, c.schedulerURL + "/readyz", nil
		},
	}
}

// StartScheduler runs muster-scheduler and returns once it is ready and
// kubectl-muster can find it. It fails when it runs already. It may be called on
// a cluster without the component.
func (c *Cluster) StartScheduler(ctx context.Context) error {
	if err := c.scheduler.start(ctx, c.probe); err != nil {
		return err
	}
	return c.publishScheduler(ctx)
}

// StopScheduler stops the scheduler, as a termination signal does, and waits.
func (c *Cluster) StopScheduler() error {
	return c.scheduler.stop()
}

// KillScheduler cuts the scheduler off in what it is doing and does not wait.
// StartScheduler may be called right after.
func (c *Cluster) KillScheduler() {
	c.scheduler.kill()
}
