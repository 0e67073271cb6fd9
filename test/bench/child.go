package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// childCommand is the hidden first argument that makes this binary one of its own children.
const childCommand = "__child"

// stopGrace is how long a child may take to stop by itself.
const stopGrace = 20 * time.Second

// child is a process of this same binary that runs the API server, or a scheduler. Feature gates belong to a process,
// and CPU and memory can only be told apart by process. It ends when its standard input does, which also happens when
// its parent dies in whatever way.
type child struct {
	role  string
	cmd   *exec.Cmd
	stdin io.Closer
	ready chan struct{}
	// exited is closed once the process is gone; err is why, and may be read from then on.
	exited chan struct{}
	err    error
	log    string
}

// startChild starts a child in the given role. Its logs go to a file in dir.
func startChild(dir, role string, config any) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting the %s: finding the own binary: %w", role, err)
	}
	argument, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("starting the %s: encoding its configuration: %w", role, err)
	}
	c := &child{role: role, ready: make(chan struct{}), exited: make(chan struct{}), log: filepath.Join(dir, role+".log")}
	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	defer log.Close()
	c.cmd = exec.Command(self, childCommand, role, string(argument))
	c.cmd.Stderr = log
	// A Ctrl-C on the terminal is for the parent alone, which then stops its children in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %s: %w", role, err)
	}
	go c.follow(stdout)
	return c, nil
}

// follow waits for the child to say that it is ready, and then for its end.
func (c *child) follow(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	said := false
	for lines.Scan() {
		if lines.Text() == "ready" && !said {
			said = true
			close(c.ready)
		}
	}
	if err := c.cmd.Wait(); err != nil {
		c.err = fmt.Errorf("the %s ended: %w", c.role, err)
	} else {
		c.err = fmt.Errorf("the %s ended by itself", c.role)
	}
	close(c.exited)
}

// waitReady returns once the child said that it is ready. It fails if the child ends before, or the context.
func (c *child) waitReady(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-c.exited:
		return fmt.Errorf("%w; its log ends with:\n%s", c.err, tail(c.log, 12))
	case <-ctx.Done():
		return fmt.Errorf("waiting for the %s to be ready: %w; its log ends with:\n%s", c.role, ctx.Err(), tail(c.log, 12))
	}
}

// stop closes the child's standard input, waits for it to end, and kills it if that takes too long.
func (c *child) stop() error {
	closed := c.stdin.Close()
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopGrace):
	}
	killed := c.cmd.Process.Kill()
	<-c.exited
	return errors.Join(fmt.Errorf("stopping the %s: killed after %v", c.role, stopGrace), closed, killed)
}

// tail is the last lines of a log, for an error message.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// untilStdinEnds is the context in which a child works: it ends with standard input. A child that does not come to an
// end by itself then is ended, so that none outlives its parent.
func untilStdinEnds() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // a read error is an end as well
		cancel()
		time.Sleep(stopGrace)
		os.Exit(1)
	}()
	return ctx
}
