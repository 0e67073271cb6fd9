package localcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/featuregate"
)

const (
	startTimeout = time.Minute      // for one part to answer, on a busy machine
	stopTimeout  = 20 * time.Second // for one part to end
)

// inUse is set while the process has a cluster.
var inUse atomic.Bool

// A Cluster is a running cluster. Its methods may not be called concurrently,
// RESTConfig, Kubeconfig and Wait aside.
type Cluster struct {
	cfg               Config
	client            *rest.Config
	kubeconfig        string // for users
	kubeconfigContent []byte
	ownKubeconfig     string // for the parts
	pki               pkiFiles
	dir               *dataDir
	log               *os.File
	listener          net.Listener
	parts             []*part // in the order in which they started
	controllers       *part   // one of them; nil without the component
	scheduler         *command
	schedulerURL      string // of its latest start
	manager           *command
	webhookPort       int          // of its latest start
	probe             *http.Client // asks them whether they are ready
	stopped           bool
}

// Start runs a cluster and returns once everything answers: the API server is
// ready, kinds are served, nodes are ready, and the scheduler and the manager,
// if they are wanted, run. When it fails, or the context ends before, it undoes
// what it did. The context does not bound the cluster's life: call Stop.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := errors.Join(validateComponents(cfg.Components), validateNodeGroups(cfg.Nodes)); err != nil {
		return nil, err
	}
	if !inUse.CompareAndSwap(false, true) {
		return nil, errors.New("this process has a cluster already; stop it first")
	}
	c := &Cluster{cfg: cfg}
	if err := c.start(ctx); err != nil {
		if c.dir != nil {
			c.dir.discard()
		}
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		c.startControlPlane,
		c.install, // first of all: the garbage collector finds new kinds only every 30 s
		c.startControllers,
		c.startTogether,
		c.waitControllers,
		c.waitWebhooks,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare takes what others may have taken, and sets what belongs to the process.
func (c *Cluster) prepare() (err error) {
	if c.listener, err = listen(c.cfg.Port); err != nil {
		return err
	}
	if c.cfg.Kubeconfig != "" {
		if err := checkKubeconfig(c.cfg.Kubeconfig); err != nil {
			return err
		}
	}
	if err := setFeatureGates(c.cfg.FeatureGates); err != nil {
		return err
	}
	if c.dir, err = openDataDir(c.cfg.DataDir); err != nil {
		return err
	}
	if err := redirectLogs(); err != nil {
		return err
	}
	if c.cfg.Verbose {
		logOutput.set(os.Stderr)
		return nil
	}
	c.log, err = os.OpenFile(filepath.Join(c.dir.path, "muster-local.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	logOutput.set(c.log)
	return nil
}

// setFeatureGates looks first: a gate that does not exist would stay in the
// process and spoil every later start.
func setFeatureGates(gates map[string]bool) error {
	known := utilfeature.DefaultMutableFeatureGate.GetAll()
	for name := range gates {
		if _, ok := known[featuregate.Feature(name)]; !ok {
			return fmt.Errorf("unknown feature gate %q", name)
		}
	}
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(gates); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	return nil
}

// startControlPlane does not end with the context, see waitReady.
func (c *Cluster) startControlPlane(context.Context) error {
	pki, admin, ca, err := writePKI(filepath.Join(c.dir.path, "pki"), firstServiceIP)
	if err != nil {
		return err
	}
	c.pki = pki
	c.client = adminConfig(c.listener.Addr().String(), ca, admin)
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}

	etcd, address, err := startEtcd(filepath.Join(c.dir.path, "etcd"), c.dir.sockets, c.cfg.DataDir != "", logOutput)
	if err != nil {
		return err
	}
	c.parts = append(c.parts, etcd)
	server, err := startAPIServer(c.listener, apiServerArgs(address, pki, c.cfg), c.client)
	if err != nil {
		return err
	}
	c.parts = append(c.parts, server)
	return nil
}

// writeKubeconfigs comes before anything that takes time: a path may be wrong.
// The parts of the cluster have a file of their own in the data directory.
func (c *Cluster) writeKubeconfigs() error {
	content, err := encodeKubeconfig(c.client)
	if err != nil {
		return err
	}
	c.ownKubeconfig = filepath.Join(c.dir.path, "kubeconfig")
	if err := writePrivate(c.ownKubeconfig, content); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	path := c.ownKubeconfig
	if c.cfg.Kubeconfig != "" {
		if path, err = filepath.Abs(c.cfg.Kubeconfig); err != nil {
			return fmt.Errorf("write kubeconfig: %w", err)
		}
		if err := writePrivate(path, content); err != nil {
			return fmt.Errorf("write kubeconfig: %w", err)
		}
	}
	c.kubeconfig, c.kubeconfigContent = path, content
	return nil
}

func (c *Cluster) install(ctx context.Context) error {
	if err := installPolicies(ctx, c.client); err != nil {
		return err
	}
	if err := installCRDs(ctx, c.client); err != nil {
		return err
	}
	if err := installRuntimes(ctx, c.client); err != nil {
		return err
	}
	return installPodPolicies(ctx, c.client)
}

func (c *Cluster) startControllers(context.Context) error {
	if !c.cfg.runs(Controllers) {
		return nil
	}
	controllers, err := startControllers(c.ownKubeconfig, c.pki)
	if err != nil {
		return err
	}
	c.controllers = controllers
	c.parts = append(c.parts, controllers)
	return nil
}

// waitControllers returns once pods of the namespace default find the service
// account that they use, which takes the controllers a moment to create.
func (c *Cluster) waitControllers(ctx context.Context) error {
	if c.controllers == nil {
		return nil
	}
	return waitServiceAccount(ctx, c.controllers, c.client)
}

// startNodes creates the nodes and lets kwok play them.
func (c *Cluster) startNodes(ctx context.Context) error {
	config := c.RESTConfig()
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create nodes: %w", err)
	}
	if err := createNodes(ctx, client, buildNodes(c.cfg.Nodes, time.Now())); err != nil {
		return err
	}
	if !c.cfg.runs(Kwok) {
		return nil
	}
	kwok, err := startKwok(config, logOutput)
	if err != nil {
		return err
	}
	c.parts = append(c.parts, kwok)
	return nil
}

// startTogether starts what does not wait for each other: nodes, the scheduler
// and the manager, as far as they are wanted.
func (c *Cluster) startTogether(ctx context.Context) error {
	var err error
	if c.probe, err = probeClient(c.client); err != nil {
		return err
	}
	c.scheduler, c.manager = c.schedulerCommand(), c.managerCommand()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.startNodes(ctx) })
	if c.cfg.runs(Scheduler) {
		group.Go(func() error { return c.StartScheduler(ctx) })
	}
	if c.cfg.runs(Manager) {
		group.Go(func() error { return c.startManager(ctx) })
	}
	return group.Wait()
}

// RESTConfig is a fresh copy of the administrator's client configuration, with
// no limit on the client's own rate.
func (c *Cluster) RESTConfig() *rest.Config {
	return rest.CopyConfig(c.client)
}

// Kubeconfig is the absolute path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string {
	return c.kubeconfig
}

// running lists the parts in the order in which they started.
func (c *Cluster) running() []*part {
	parts := slices.Clone(c.parts)
	for _, command := range []*command{c.scheduler, c.manager} {
		if command != nil && command.part != nil {
			parts = append(parts, command.part)
		}
	}
	return parts
}

// Wait returns nil when the context ends, and before that the reason why one of
// the parts that now run ended by itself, if one does.
func (c *Cluster) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := c.running()
	ended := make(chan error, len(parts))
	for _, p := range parts {
		go func() {
			select {
			case <-p.done:
				ended <- p.ended()
			case <-ctx.Done():
			}
		}()
	}
	select {
	case err := <-ended:
		if ctx.Err() != nil { // the scheduler ends by the same signals that may end the context
			return nil
		}
		return err
	case <-ctx.Done():
		return nil
	}
}

// Stop ends every part, the last started first, and removes what the cluster
// wrote unless Config.DataDir is set. The error joins what went wrong; the
// cluster is gone all the same. A second call does nothing.
func (c *Cluster) Stop() error {
	if c.stopped {
		return nil
	}
	c.stopped = true
	defer inUse.Store(false)
	var errs []error
	for _, p := range slices.Backward(c.running()) {
		errs = append(errs, p.stop())
	}
	if c.listener != nil {
		c.listener.Close() // closed by the API server if it came to that
	}
	logOutput.set(io.Discard)
	if c.log != nil {
		errs = append(errs, c.log.Close())
	}
	if c.dir != nil {
		if !c.dir.keep && c.kubeconfig != "" {
			errs = append(errs, removeIfUnchanged(c.kubeconfig, c.kubeconfigContent))
		}
		errs = append(errs, c.dir.close())
	}
	return errors.Join(errs...)
}
