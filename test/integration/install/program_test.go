// Package install tests an installation as manifests/default makes it: the
// programs are processes of their own, with the configuration that they carry
// and with the rights of their service accounts.
package install

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/muster-scheduling/muster/controllers"
	"github.com/muster-scheduling/muster/plugins"
)

// programEnv makes the test binary be one of Muster's programs: kube-scheduler
// ends its process when it stops leading, so it cannot run inside the test.
const programEnv = "MUSTER_TEST_PROGRAM"

func TestMain(m *testing.M) {
	commands := map[string]func() *cobra.Command{
		"muster-scheduler": plugins.Command,
		"muster-manager":   controllers.Command,
	}
	name := os.Getenv(programEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cmd := commands[name]()
	cmd.SetArgs(os.Args[1:])
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// program is one of Muster's programs that runs.
type program struct {
	name    string
	process *exec.Cmd
	once    sync.Once
	log     lockedBuffer
}

// start runs the program until stop or the end of the test.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{name: name, process: exec.Command(os.Args[0], args...)}
	p.process.Env = append(os.Environ(), programEnv+"="+name)
	p.process.Stdout, p.process.Stderr = &p.log, &p.log
	if err := p.process.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop ends the program as Kubernetes does, and expects it to end well.
func (p *program) stop(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stopping %s: %v", p.name, err)
		}
		if err := p.process.Wait(); err != nil {
			t.Errorf("%s ended with %v:\n%s", p.name, err, p.log.String())
		}
	})
}

// lockedBuffer is a buffer that is written and read at the same time.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
