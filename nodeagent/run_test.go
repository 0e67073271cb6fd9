package nodeagent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/health"
)

// run starts Run with short intervals and returns a function that ends it.
func run(t *testing.T, b *bench, change func(*Config)) (stop func()) {
	t.Helper()
	config := b.config()
	config.Interval, config.Refresh, config.RecoverAfter = 5*time.Millisecond, 50*time.Millisecond, time.Hour
	change(&config)
	ctx, cancel := context.WithCancel(b.context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, config) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("not within 30 s: %s", what)
		case <-tick.C:
		}
	}
}

func TestRun(t *testing.T) {
	b := newBench(t)
	stop := run(t, b, func(*Config) {})
	eventually(t, "all is published", func() bool { return b.api.Topology() != nil && b.condition() == "True all 4 GPUs work" })
	b.driver.events <- gpus.Event{GPU: "GPU-3", Instance: health.Whole, Xid: 79}
	eventually(t, "the failure is told", func() bool { return strings.HasPrefix(b.condition(), "False") && b.tells() == "GPUUnhealthy" })
	b.driver.set(func() { b.driver.fails = errLost })
	eventually(t, "the driver counts as lost", func() bool { return strings.Contains(b.condition(), "driver is lost") })
	b.driver.set(func() { b.driver.fails = nil })
	eventually(t, "the driver is back", func() bool { return strings.HasPrefix(b.condition(), "False 1 of 4") })
	eventually(t, "Xid errors are heard again", func() bool {
		select {
		case b.driver.events <- gpus.Event{GPU: "GPU-0", Instance: health.Whole, Xid: 48}:
			return true
		default:
			return false
		}
	})
	eventually(t, "the second failure is told", func() bool { return strings.HasPrefix(b.condition(), "False 2 of 4") })
	stop()
	defer b.driver.lock()()
	if b.driver.isOpen {
		t.Error("the driver was not closed")
	}
}

func TestXidErrorNeedsNoInterval(t *testing.T) {
	b := newBench(t)
	run(t, b, func(c *Config) { c.Interval = time.Hour })
	eventually(t, "all is published", func() bool { return b.condition() == "True all 4 GPUs work" })
	b.driver.events <- gpus.Event{GPU: "GPU-3", Instance: health.Whole, Xid: 79}
	eventually(t, "the failure is told", func() bool { return strings.HasPrefix(b.condition(), "False") })
}

func TestIdleIsReady(t *testing.T) {
	b := newBench(t)
	b.driver.absent = errAbsent
	address := freeAddress(t)
	run(t, b, func(c *Config) { c.ProbeAddress = address })
	for _, path := range []string{"/healthz", "/readyz"} {
		eventually(t, path, func() bool { return get(address+path) == http.StatusOK })
	}
}

func TestStalledIsNotReady(t *testing.T) {
	alive := true
	address := freeAddress(t)
	stop, err := serveProbes(t.Context(), address, func() bool { return alive })
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready", func() bool { return get(address+"/healthz") == http.StatusOK })
	alive = false
	if got := get(address + "/healthz"); got != http.StatusServiceUnavailable {
		t.Errorf("status %d of an agent that hangs", got)
	}
	if _, err := serveProbes(t.Context(), address, nil); err == nil {
		t.Error("no error for an address in use")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // only its number was wanted
	return listener.Addr().String()
}

func get(url string) int {
	response, err := http.Get("http://" + url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close() // the status is all that is wanted
	return response.StatusCode
}

func TestCommandRefuses(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--node-name=", "has to name the node"},
		{"--node-name=a --interval=0s", "--interval"},
		{"--node-name=a --topology-manager-policy=strict", "want one of none, best-effort, restricted, single-numa-node"},
		{"--node-name=a --topology-manager-scope=node", "want one of container, pod"},
		{"--node-name=a --kubeconfig=/nowhere", "/nowhere"},
		{"--node-name=a", "finding the API server"}, // outside of a cluster
		{"extra", "unknown command"},
	} {
		t.Setenv("KUBERNETES_SERVICE_HOST", "")
		command := Command()
		command.SetArgs(strings.Fields(test.args))
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.args, err, test.want)
		}
	}
}

func TestKubeletURL(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.7": "https://10.0.0.7:10250", "10.0.0.7:10260": "https://10.0.0.7:10260", "gpu-1": "https://gpu-1:10250",
		"fd00::7": "https://[fd00::7]:10250", "[fd00::7]": "https://[fd00::7]:10250", "[fd00::7]:10260": "https://[fd00::7]:10260",
	} {
		if got := kubeletURL(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestCommandRuns(t *testing.T) {
	b := newBench(t)
	kubeconfig := fmt.Sprintf("%s/kubeconfig", t.TempDir())
	write(t, kubeconfig, `{"apiVersion":"v1","kind":"Config","current-context":"a",
"clusters":[{"name":"a","cluster":{"server":"`+b.api.Config().Host+`"}}],"contexts":[{"name":"a","context":{"cluster":"a","user":""}}]}`)
	ctx, cancel := context.WithCancel(b.context())
	command := Command()
	command.SetArgs([]string{
		"--node-name=gpu-1", "--kubeconfig=" + kubeconfig, "--nvml-library=/nowhere/libnvidia-ml.so.1", "--health-probe-bind-address=",
		"--kubelet-address=127.0.0.1:1", "--kubelet-insecure-tls", "--ignore-xids=74,119",
	})
	done := make(chan error, 1)
	go func() { done <- command.ExecuteContext(ctx) }()
	eventually(t, "the node is looked at", func() bool { return b.api.Requests() >= 3 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := b.logs.count("no GPU can be read"); n != 1 {
		t.Errorf("said %d times", n)
	}
}
