package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/muster-scheduling/muster/controllers"
	"github.com/muster-scheduling/muster/plugins"
)

// childVariable, in the environment, makes the test binary the program that it names. A scheduler or manager that can lose an
// election, or that shall die without a warning, has to be a process of its own.
const childVariable = "MUSTER_TEST_CHILD"

func isChild() bool { return os.Getenv(childVariable) != "" }

// runChild does what cmd/muster-scheduler or cmd/muster-manager does.
func runChild() int {
	command := plugins.Command
	if os.Getenv(childVariable) == "muster-manager" {
		command = controllers.Command
	}
	if err := command().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childCommand(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), childVariable+"="+program)
	return cmd, nil
}

// expectRefusal runs muster-scheduler and checks that it ends with an error of those words.
func expectRefusal(t *testing.T, says string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	cmd, err := childCommand(ctx, "muster-scheduler", args...)
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.CombinedOutput()
	switch {
	case err == nil || ctx.Err() != nil:
		t.Errorf("the scheduler ran with %v; it printed %s", args, output)
	case !strings.Contains(string(output), says):
		t.Errorf("the scheduler's error does not say %q: %s", says, output)
	}
}

// child is a program in a process of its own.
type child struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
}

// startChild starts a muster-scheduler that ends with the test if it was not killed before.
func (e *env) startChild(args ...string) *child {
	e.Helper()
	return e.startProgram("muster-scheduler", args...)
}

// startProgram starts a program that ends with the test if it was not killed before.
func (e *env) startProgram(program string, args ...string) *child {
	e.Helper()
	cmd, err := childCommand(context.Background(), program, args...)
	e.do(err)
	c := &child{cmd: cmd, output: &bytes.Buffer{}}
	cmd.Stdout, cmd.Stderr = c.output, c.output
	e.do(cmd.Start())
	e.Cleanup(func() {
		c.kill()
		if e.Failed() {
			e.Logf("%s %v printed:\n%s", program, args, c.output)
		}
	})
	return c
}

// kill ends the process at once, as a machine does that fails.
func (c *child) kill() {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Kill() // it may have ended by itself
	_ = c.cmd.Wait()         // its error is that it was killed
}
