// Command run runs the end-to-end tests on real nodes: it finds out whether the machine can, builds and downloads what the
// tests need below bin/e2e, runs them in namespaces of their own, and leaves nothing else behind. It ends with status 0
// where the machine cannot, and says why. Arguments go to the tests: -test.run=TestMPI.
//
// With `init` and `node` it is what runs inside: the first process of the namespaces, and a node.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/muster-scheduling/muster/test/e2e/debian"
	"github.com/muster-scheduling/muster/test/e2e/nodes"
	"github.com/muster-scheduling/muster/test/e2e/plan"
	"github.com/muster-scheduling/muster/test/e2e/sandbox"
)

func main() {
	// What runs inside ends with the thread that starts it.
	runtime.LockOSThread()
	var status int
	var err error
	switch {
	case len(os.Args) > 2 && os.Args[1] == "init":
		status, err = sandbox.Init(os.Args[2:])
	case len(os.Args) == 3 && os.Args[1] == "node":
		err = node(os.Args[2])
	default:
		// Even a terminal that closes gives time to clean up.
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
		status, err = run(ctx, os.Args[1:])
	}
	if missing, is := errors.AsType[*missingError](err); is {
		fmt.Printf("e2e: skipped, nothing was tested: %v\n", missing)
	} else if err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		status = 1
	}
	os.Exit(status)
}

func node(text string) error {
	var config nodes.NodeConfig
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return err
	}
	return nodes.RunNode(config)
}

// missingError says what the machine lacks.
type missingError struct{ what string }

func (e *missingError) Error() string { return e.what }

// site is where everything is.
type site struct {
	root string // the repository
	dir  string // bin/e2e
	// packages are those of the nodes' programs that the machine has not installed.
	packages debian.Set
	cgroups  *sandbox.Cgroups
}

func (s site) file(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// self is this program as it runs inside.
func (s site) self(role string) []string { return []string{s.file("run"), role} }

func run(ctx context.Context, args []string) (status int, err error) {
	s, err := findSite()
	if err != nil {
		return 0, err
	}
	unlock, err := s.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	if err := s.cleanUp(); err != nil { // of a run that was killed
		return 0, err
	}
	p := &plan.Plan{}
	phases := []struct {
		name string
		do   func() error
	}{
		{"what the nodes are made of", func() error { return s.prepareMachine(ctx) }},
		{"programs", func() error { return s.build(ctx) }},
		{"images", func() (err error) { p, err = s.pack(ctx); return err }},
		{"tests", func() (err error) { status, err = s.test(ctx, p, args); return err }},
	}
	begin := time.Now()
	for _, phase := range phases {
		began := time.Now()
		if err := phase.do(); err != nil {
			return 0, errors.Join(err, s.cleanUp())
		}
		fmt.Printf("e2e: %s: %.0f s\n", phase.name, time.Since(began).Seconds())
	}
	fmt.Printf("e2e: all: %.0f s\n", time.Since(begin).Seconds())
	return status, s.cleanUp()
}

// lock keeps a second run of this checkout out.
func (s site) lock() (func(), error) {
	file, err := os.OpenFile(s.file("lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("the end-to-end tests of this checkout are running already: %w", err)
	}
	return func() { file.Close() }, nil
}

// test runs the tests in namespaces of their own, and returns their exit status.
func (s site) test(ctx context.Context, p *plan.Plan, args []string) (int, error) {
	if err := s.cgroups.Make(); err != nil {
		return 0, err
	}
	if err := os.RemoveAll(p.Logs); err != nil {
		return 0, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	temporary := s.file("work", "tmp")
	if err := os.MkdirAll(temporary, 0o1777); err != nil {
		return 0, err
	}
	command := append([]string{s.file("e2e.test"), "-test.v", "-test.timeout=30m"}, args...)
	cmd := sandbox.Command(sandbox.Whole, s.self("init"), command...)
	cmd.Dir = filepath.Join(s.root, "test", "e2e")
	cmd.Env = append(s.environment(), plan.Variable+"="+string(text), "TMPDIR="+temporary, "HOME="+temporary)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ctx.Done():
			_ = cmd.Process.Kill() // fails when it has ended by itself
		case <-ended:
		}
	}()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return 0, errors.New("interrupted")
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.Exited() {
		return failed.ExitCode(), nil
	}
	return 0, err
}

// environment finds the programs that were built and downloaded.
func (s site) environment() []string {
	return debian.Environment(s.file("programs"), s.packages.Root())
}

// cleanUp removes what a run leaves outside of its namespaces.
func (s site) cleanUp() error {
	if s.cgroups == nil {
		return nil
	}
	return errors.Join(s.cgroups.Remove(), os.RemoveAll(s.file("work")))
}
