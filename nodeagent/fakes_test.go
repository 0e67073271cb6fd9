package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/klog/v2"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/kube"
	"github.com/muster-scheduling/muster/nodeagent/kube/kubetest"
	"github.com/muster-scheduling/muster/nodeagent/kubelet/kubelettest"
	"github.com/muster-scheduling/muster/nodeagent/layout"
)

// driver is a driver with four GPUs, of which two pairs are linked. It fails the
// test if it is used after it was closed.
type driver struct {
	t      *testing.T
	events chan gpus.Event

	mu       sync.Mutex
	absent   error // what opening fails with
	fails    error // what reading fails with
	broken   map[int]string
	none     bool // a driver without GPUs
	isOpen   bool
	opened   int
	readings int
}

func newDriver(t *testing.T) *driver {
	return &driver{t: t, events: make(chan gpus.Event), broken: map[int]string{}}
}

func (d *driver) open() (GPUs, error) {
	defer d.lock()()
	if d.absent != nil {
		return nil, d.absent
	}
	if d.isOpen {
		d.t.Error("opened twice")
	}
	d.isOpen = true
	d.opened++
	return d, nil
}

func (d *driver) lock() (unlock func()) {
	d.mu.Lock()
	return d.mu.Unlock
}

// set changes the driver under its lock.
func (d *driver) set(change func()) {
	defer d.lock()()
	change()
}

func (d *driver) count() (opened, readings int) {
	defer d.lock()()
	return d.opened, d.readings
}

func (d *driver) Read() (layout.Hardware, error) {
	defer d.lock()()
	d.readings++
	if !d.isOpen {
		d.t.Error("read after it was closed")
	}
	if d.fails != nil {
		return layout.Hardware{}, d.fails
	}
	hardware := layout.Hardware{Driver: "550.54.15", CUDA: 12040}
	for i := range 4 {
		if d.none {
			break
		}
		hardware.GPUs = append(hardware.GPUs, layout.GPU{
			Index: i, UUID: fmt.Sprintf("GPU-%d", i), Product: "NVIDIA A100-SXM4-40GB", MemoryMiB: 40960, ComputeMajor: 8, NUMA: i / 2, Broken: d.broken[i],
		})
		hardware.Connections = []layout.Connection{{A: 0, B: 1, NVLinks: 4}, {A: 2, B: 3, NVLinks: 4}}
	}
	return hardware, nil
}

func (d *driver) Wait(atMost time.Duration) (*gpus.Event, error) {
	timer := time.NewTimer(min(atMost, 10*time.Millisecond))
	defer timer.Stop()
	select {
	case event := <-d.events:
		return &event, nil
	case <-timer.C:
	}
	defer d.lock()()
	if !d.isOpen {
		d.t.Error("waited after it was closed")
	}
	return nil, d.fails
}

func (d *driver) Close() error {
	defer d.lock()()
	if !d.isOpen {
		d.t.Error("closed twice")
	}
	d.isOpen = false
	return nil
}

// bench has an agent, its node and all that it talks to.
type bench struct {
	*agent
	t      *testing.T
	driver *driver
	api    *kubetest.Server
	node   *kubelettest.Server
	now    time.Time
	logs   *logs
}

var errAbsent = fmt.Errorf("%w: the NVIDIA library is not installed", gpus.ErrAbsent)

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, driver: newDriver(t), api: kubetest.New(t), node: kubelettest.New(t), logs: &logs{}}
	b.now = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	b.node.Set(offer(), nil)
	b.node.Start()
	b.restart("boot-1")
	t.Cleanup(func() { b.close(b.context()) })
	return b
}

// restart replaces the agent by one that knows nothing.
func (b *bench) restart(boot string) {
	b.t.Helper()
	if b.agent != nil {
		b.close(b.context())
	}
	config := b.config()
	config.BootID = boot
	client, err := kube.New(config.API, config.NodeName)
	if err != nil {
		b.t.Fatal(err)
	}
	b.agent = &agent{Config: config, client: client, said: map[string]string{}}
}

func (b *bench) config() Config {
	return Config{
		NodeName: kubetest.NodeName, API: b.api.Config(), Open: b.driver.open, PodResources: b.node.Socket, Sysfs: b.t.TempDir(),
		TopologyPolicy: "restricted", TopologyScope: "pod",
		Interval: 10 * time.Second, Refresh: 5 * time.Minute, RecoverAfter: 10 * time.Minute, Taint: true,
	}
}

func (b *bench) context() context.Context { return b.logs.into(context.Background()) }

// after lets time pass and takes a turn.
func (b *bench) after(d time.Duration) {
	b.now = b.now.Add(d)
	b.turn(b.context(), b.now)
}

// expect compares the published zones.
func (b *bench) expect(want ...string) {
	b.t.Helper()
	got := "none"
	if topology := b.api.Topology(); topology != nil {
		got = layout.Topology{Zones: topology.Zones}.String()
	}
	if want := strings.Join(want, "\n"); got != want {
		b.t.Errorf("zones\n%s\nwant\n%s", got, want)
	}
}

// condition returns status and message of the node's condition; "" if it has none.
func (b *bench) condition() string {
	for _, c := range b.api.Node().Status.Conditions {
		if c.Type == kube.Condition {
			return string(c.Status) + " " + c.Message
		}
	}
	return ""
}

// tells returns the reasons of the events so far.
func (b *bench) tells() string {
	var reasons []string
	for _, event := range b.api.Events() {
		reasons = append(reasons, event.Reason)
	}
	return strings.Join(reasons, " ")
}

func offer() *podresources.AllocatableResourcesResponse {
	return &podresources.AllocatableResourcesResponse{Devices: []*podresources.ContainerDevices{
		{ResourceName: layout.GPUResource, DeviceIds: []string{"GPU-0", "GPU-1", "GPU-2", "GPU-3"}},
	}}
}

func podWith(ids ...string) []*podresources.PodResources {
	return []*podresources.PodResources{{Name: "a", Containers: []*podresources.ContainerResources{
		{Devices: []*podresources.ContainerDevices{{ResourceName: layout.GPUResource, DeviceIds: ids}}},
	}}}
}

var errLost = errors.New("ERROR_UNINITIALIZED")

// logs keeps what was logged.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) into(ctx context.Context) context.Context {
	return klog.NewContext(ctx, funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, args)
	}, funcr.Options{}))
}

// count returns how many lines contain the text.
func (l *logs) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
