// Package nodeagent publishes what GPUs a node has, how they are connected, which
// of them pods may still get, and which have failed. docs/node-agent.md says
// what for and how.
//
// The decision what to publish is layout.Describe; this package brings it the
// readings and takes its answer to the API server.
package nodeagent

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/muster-scheduling/muster/nodeagent/gpus"
	"github.com/muster-scheduling/muster/nodeagent/health"
	"github.com/muster-scheduling/muster/nodeagent/kube"
	"github.com/muster-scheduling/muster/nodeagent/kubelet"
	"github.com/muster-scheduling/muster/nodeagent/layout"
	"github.com/muster-scheduling/muster/nodeagent/sysfs"
)

// GPUs is an open connection to the driver. Read and Wait may be called at the
// same time; Close is called after both have returned.
type GPUs interface {
	// Read returns the GPUs as they are. It fails when the driver is lost.
	Read() (layout.Hardware, error)
	// Wait returns the next Xid error, or nil if none comes within the time. It
	// fails with gpus.ErrNoEvents if none can come.
	Wait(atMost time.Duration) (*gpus.Event, error)
	Close() error
}

// Config is what an agent runs with.
type Config struct {
	NodeName       string
	API            *rest.Config
	Open           func() (GPUs, error) // fails with gpus.ErrAbsent where there is no driver
	PodResources   string               // path of the kubelet's socket
	Sysfs          string               // where sysfs is mounted
	BootID         string               // differs from boot to boot of the node; empty: unknown
	KubeletAddress string               // https://ADDRESS:10250; empty: its configuration is not read
	KubeletClient  *http.Client         // with credentials; needed if there is an address
	TopologyPolicy string               // of the kubelet; empty: what its configuration says
	TopologyScope  string               // of the kubelet; empty: what its configuration says
	Interval       time.Duration        // between readings
	Refresh        time.Duration        // after which the API server is asked whether all is still there
	RecoverAfter   time.Duration        // without a fatal Xid error, after which a GPU is trusted again
	Taint          bool                 // keep new pods off a node with an unhealthy GPU
	IgnoreXids     []uint64             // that are not fatal here
	ProbeAddress   string               // where /healthz and /readyz are served; empty: nowhere
}

// agent is the state of one run. One goroutine uses it.
type agent struct {
	Config
	client *kube.Client
	said   map[string]string // what was last logged on each subject

	gpus     GPUs            // nil: not open
	watched  *watch          // of the open GPUs; nil: none
	hardware layout.Hardware // as last read
	usage    *layout.Kubelet // as last read; nil: never yet
	manager  kubelet.TopologyManager
	faults   []health.Fault
	restored bool // the faults from before a restart are among them

	published   *state // nil: unknown
	publishedAt time.Time
	retryAt     time.Time
	delay       time.Duration // the wait after the last failure to publish
}

// state is all that is published.
type state struct {
	layout.Output
	Faults       string // compared by reflection, hence the capital
	KnowsKubelet bool   // without it, the published topology is left as it is
}

// turn reads everything once and publishes it if it has changed, or if it is
// time to look whether all is still there.
func (a *agent) turn(ctx context.Context, now time.Time) {
	if now.Before(a.retryAt) {
		return
	}
	a.readHardware(ctx)
	if err := a.restore(ctx); err != nil {
		a.failed(ctx, err, now)
		return
	}
	refresh := a.published == nil || now.Sub(a.publishedAt) >= a.Refresh
	if len(a.hardware.GPUs) > 0 {
		a.readKubelet(ctx, refresh)
	}
	next, err := a.describe(ctx, now)
	if err != nil {
		a.failed(ctx, err, now)
		return
	}
	idle := a.published != nil && a.published.GPUs == 0 && next.GPUs == 0
	if idle || !refresh && apiequality.Semantic.DeepEqual(a.published, next) {
		return
	}
	if err := a.publish(ctx, next, now); err != nil {
		a.failed(ctx, err, now)
		return
	}
	a.published, a.publishedAt, a.delay = next, now, 0
	a.say(ctx, "API server", "")
}

// failed puts the next attempt off, each time for longer.
func (a *agent) failed(ctx context.Context, err error, now time.Time) {
	const first, last = time.Second, time.Minute
	a.delay = min(max(2*a.delay, first), last)
	a.retryAt = now.Add(a.delay)
	a.say(ctx, "API server", err.Error())
}

// say logs the text, an error or a state, unless it is what was last said on
// the subject. The empty text means that all is well, which is worth a line
// only after something else.
func (a *agent) say(ctx context.Context, subject, text string) {
	if a.said[subject] == text {
		return
	}
	a.said[subject] = text
	if text == "" {
		text = "all is well again"
	}
	klog.FromContext(ctx).Info(text, "about", subject, "node", a.NodeName)
}

// readHardware opens the driver if need be and reads the GPUs. When the driver
// is lost, the GPUs that were there count as broken until it is back.
func (a *agent) readHardware(ctx context.Context) {
	if a.gpus == nil {
		opened, err := a.Open()
		if err != nil && len(a.hardware.GPUs) > 0 {
			a.lost(ctx, err)
			return
		} else if err != nil {
			a.say(ctx, "GPUs", err.Error()+"; waiting in case this changes")
			return
		}
		a.gpus, a.watched = opened, startWatch(ctx, opened)
	}
	hardware, err := a.gpus.Read()
	if err != nil {
		a.lost(ctx, err)
		a.close(ctx)
		return
	}
	for i := range hardware.GPUs {
		gpu := &hardware.GPUs[i]
		if node := sysfs.NUMANode(a.Sysfs, gpu.BusID); node != layout.Unknown {
			gpu.NUMA = node
		}
	}
	if recovered(a.hardware.GPUs, hardware.GPUs) {
		// The driver has forgotten who wants to know of the GPU's Xid errors.
		a.close(ctx)
	}
	a.hardware = hardware
	if len(hardware.GPUs) == 0 {
		a.say(ctx, "GPUs", "the driver finds no GPU; waiting in case this changes")
		return
	}
	a.say(ctx, "GPUs", "")
}

// recovered says whether a GPU that could not be used can be used again.
func recovered(before, now []layout.GPU) bool {
	works := map[int]bool{}
	for _, gpu := range now {
		works[gpu.Index] = gpu.Broken == ""
	}
	return slices.ContainsFunc(before, func(gpu layout.GPU) bool { return gpu.Broken != "" && works[gpu.Index] })
}

func (a *agent) lost(ctx context.Context, err error) {
	a.say(ctx, "GPUs", "the driver is lost: "+err.Error())
	broken := slices.Clone(a.hardware.GPUs)
	for i := range broken {
		broken[i].Broken = "the driver is lost: " + err.Error()
	}
	a.hardware.GPUs = broken
}

// close gives the driver back; the next turn opens it anew.
func (a *agent) close(ctx context.Context) {
	if a.gpus == nil {
		return
	}
	a.watched.stop() // the library must not be unloaded under it
	a.watched = nil
	if err := a.gpus.Close(); err != nil {
		klog.FromContext(ctx).Info("Closing the driver failed", "node", a.NodeName, "err", err)
	}
	a.gpus = nil
}

// readKubelet reads what pods hold and, if asked to, how the kubelet's topology
// manager is set. What cannot be read stays as it was.
func (a *agent) readKubelet(ctx context.Context, configuration bool) {
	usage, err := kubelet.ReadPodResources(ctx, a.PodResources)
	if err == nil {
		a.usage = usage
		a.say(ctx, "pod resources", "")
	} else {
		a.say(ctx, "pod resources", err.Error())
	}
	if !configuration || a.KubeletAddress == "" || a.TopologyPolicy != "" && a.TopologyScope != "" {
		return
	}
	manager, err := kubelet.ReadTopologyManager(ctx, a.KubeletClient, a.KubeletAddress)
	if err != nil {
		a.say(ctx, "topology manager", err.Error())
		return
	}
	a.manager = manager
	a.say(ctx, "topology manager", "")
}

// describe says what to publish now.
func (a *agent) describe(ctx context.Context, now time.Time) (*state, error) {
	machine, err := sysfs.Machine(a.Sysfs)
	if err != nil {
		a.say(ctx, "NUMA nodes", err.Error())
	} else {
		a.say(ctx, "NUMA nodes", "")
	}
	a.faults = health.Current(a.faults, now, a.RecoverAfter)
	faults, err := health.Encode(a.faults, a.BootID)
	if err != nil {
		return nil, err
	}
	in := layout.Input{
		Hardware: a.hardware, Machine: machine, Kubelet: a.usage, Faults: a.faults,
		Policy: a.TopologyPolicy, Scope: a.TopologyScope,
	}
	if in.Policy == "" {
		in.Policy = a.manager.Policy
	}
	if in.Scope == "" {
		in.Scope = a.manager.Scope
	}
	return &state{Output: layout.Describe(in), Faults: faults, KnowsKubelet: a.usage != nil}, nil
}

// restore takes over the faults that a run before this one has left on the node.
func (a *agent) restore(ctx context.Context) error {
	if a.restored {
		return nil
	}
	node, err := a.client.Node(ctx)
	if err != nil {
		return err
	}
	a.restored = true
	faults, err := health.Decode(node.Annotations[kube.FaultsAnnotation], a.BootID)
	if err != nil {
		a.say(ctx, "earlier GPU faults", err.Error())
	}
	a.faults = append(a.faults, faults...)
	return nil
}

// happened takes in one Xid error and says whether it calls for a turn. An error
// may come again a thousand times a second: that calls for none, and when it
// happened is kept roughly, so that it is not written each time.
func (a *agent) happened(ctx context.Context, event gpus.Event, now time.Time) bool {
	class := health.Classify(event.Xid)
	if slices.Contains(a.IgnoreXids, event.Xid) {
		class = health.Notice
	}
	fault := health.Fault{GPU: event.GPU, Instance: event.Instance, Xid: event.Xid, At: now.UTC().Truncate(a.RecoverAfter / 10)}
	log := klog.FromContext(ctx).WithValues("node", a.NodeName, "gpu", event.GPU, "error", fault.String())
	switch class {
	case health.Application:
		log.V(1).Info("A program on the GPU failed")
		return false
	case health.Notice:
		log.Info("The GPU reports an error and stays in use")
		return false
	}
	names := map[string]bool{event.GPU: true}
	if event.GPU == "" { // the driver cannot say which: then none is to be trusted
		delete(names, "")
		for _, gpu := range a.hardware.GPUs {
			names[gpu.UUID] = true
		}
	}
	news := false
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fault.GPU = name
		news = news || !slices.ContainsFunc(a.faults, fault.SameAs)
		a.faults = health.Add(a.faults, fault)
	}
	if news {
		log.Info("The GPU failed")
	}
	return news
}
