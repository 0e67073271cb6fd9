package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
)

// portAttempts is how often another port is tried when somebody took the one
// that was free a moment ago.
const portAttempts = 3

// A command is a component that is a whole command of its own, such as the
// scheduler. It can be started again after it was stopped or killed.
type command struct {
	name   Component
	create func() *cobra.Command
	// listen returns the arguments that make the command answer on ports that are
	// free, and where it says that it is ready.
	listen func() (args []string, url string, err error)
	args   []string // further arguments
	part   *part    // the latest run; nil before the first
}

// start runs the command and returns once it is ready.
func (c *command) start(ctx context.Context, probe *http.Client) error {
	if c.part != nil {
		if c.part.ctx.Err() == nil && c.part.ended() == nil {
			return fmt.Errorf("start %s: it runs already", c.name)
		}
		if err := c.part.end(); err != nil { // a killed one may still be at it
			return err
		}
	}
	var err error
	for range portAttempts {
		if err = c.startOnce(ctx, probe); err == nil || !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			break
		}
	}
	return err
}

func (c *command) startOnce(ctx context.Context, probe *http.Client) error {
	args, url, err := c.listen()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	cmd := c.create()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(logOutput)
	cmd.SetErr(logOutput)
	cmd.SetArgs(append(args, c.args...))
	c.part = startPart(c.name, cmd.ExecuteContext)
	if err := waitHealthy(ctx, c.part, probe, url); err != nil {
		err = errors.Join(fmt.Errorf("start %w", err), c.part.end())
		c.part = nil
		return err
	}
	return nil
}

// stop ends the command and waits for it; nil when it does not run.
func (c *command) stop() error {
	if c.part == nil {
		return nil
	}
	p := c.part
	c.part = nil
	return p.stop()
}

// kill ends the command's context and does not wait: what it was doing is cut
// off, and nothing is put in order.
func (c *command) kill() {
	if c.part != nil {
		c.part.cancel()
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// waitHealthy returns once the address answers 200, and fails when the part ends
// before.
func waitHealthy(ctx context.Context, p *part, client *http.Client, url string) error {
	defer client.CloseIdleConnections() // the part would wait a second for them when it stops
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("%s is not ready after %s", p.name, startTimeout))
	defer cancel()
	err := wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := p.ended(); err != nil {
			return false, err
		}
		return answersOK(ctx, client, url), nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// answersOK tells whether the address answers 200 now. Why it does not is of no
// interest while something starts.
func answersOK(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// probeClient calls health probes as the administrator.
func probeClient(config *rest.Config) (*http.Client, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client for health probes: %w", err)
	}
	client.Timeout = time.Second
	return client, nil
}
