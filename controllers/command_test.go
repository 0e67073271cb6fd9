package controllers

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run executes the command with arguments, as far as it gets without an API server.
func run(t *testing.T, args ...string) error {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
		"contexts": [{"name": "c", "context": {"cluster": "c"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what is wrong is found before anything runs
	cmd := Command()
	cmd.SetArgs(append([]string{
		"--kubeconfig", kubeconfig, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0",
	}, args...))
	return cmd.ExecuteContext(ctx)
}

func TestBadFlags(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"unknown family", []string{"--families=training,serving"}, `there is no family "serving", only training`},
		{"unknown flag", []string{"--colour=blue"}, "unknown flag: --colour"},
		{"an argument", []string{"now"}, `unknown command "now"`},
		{"no kubeconfig", []string{"--kubeconfig=/nowhere"}, `reading the kubeconfig "/nowhere"`},
		{"address in use", []string{"--health-probe-bind-address=" + listener.Addr().String()}, "address already in use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Controllers have the same names in every manager of a process, and indexes and metrics may be registered only once.
func TestSeveralManagersInOneProcess(t *testing.T) {
	for range 3 {
		if err := run(t); err != nil {
			t.Fatal(err)
		}
	}
}
