package controllers

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Command returns muster-manager's whole command. It runs until its context ends, and then returns nil; it fails if the
// flags are wrong, the API server cannot be reached, an address is taken or the leader's lease is lost. Several may run
// one after another in a process, and beside each other if their addresses differ.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "muster-manager",
		Short:         "Run Muster's controllers and webhooks",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; empty inside a cluster")
	flags.StringSliceVar(&o.families, "families", o.allFamilies(), "families of controllers to run, of "+strings.Join(o.allFamilies(), ", "))
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "run only while holding the lease muster-manager, so that several can stand by")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "muster-system", "namespace of the lease")
	flags.StringVar(&o.metricsBindAddress, "metrics-bind-address", ":8080", "where /metrics is served; 0 for nowhere")
	flags.StringVar(&o.healthProbeBindAddress, "health-probe-bind-address", ":8081", "where /healthz and /readyz are served; 0 for nowhere")
	flags.StringVar(&o.pyTorchInitContainerImage, "pytorch-init-container-image", "",
		"image of an init container in which PyTorch workers wait until the master's name resolves; empty for none, which is enough")
	flags.StringVar(&o.mpiKubectlDeliveryImage, "mpi-kubectl-delivery-image", "kubeflow/kubectl-delivery:latest",
		"image of an init container that puts kubectl into the launchers of MPIJobs of kubeflow.org/v1; empty for none, where their own images have it")
	o.notebooks.addFlags(flags)
	o.webhooks.addFlags(flags)
	var logFlags flag.FlagSet
	klog.InitFlags(&logFlags)
	flags.AddGoFlag(logFlags.Lookup("v"))
	return cmd
}

func (o *options) run(ctx context.Context) error {
	for _, name := range o.families {
		if !slices.Contains(o.allFamilies(), name) {
			return fmt.Errorf("--families: there is no family %q, only %s", name, strings.Join(o.allFamilies(), ", "))
		}
	}
	server, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig %q: %w", o.kubeconfig, err)
	}
	server.QPS = -1 // the API server's priority and fairness is the brake
	server.UserAgent = "muster-manager"
	m, err := o.newManager(server)
	if err != nil {
		return err
	}
	for _, c := range o.all() {
		if !slices.Contains(o.families, c.family) {
			continue
		}
		if err := c.setup(ctx, m); err != nil {
			return err
		}
	}
	if err := o.webhooks.setup(ctx, m, slices.Contains(o.families, "gangs")); err != nil {
		return err
	}
	if err := runManager(ctx, m); err != nil {
		return fmt.Errorf("running the manager: %w", err)
	}
	return nil
}

// How long a manager that has been told to stop may take to fill its cache, and to stop.
const (
	fillTimeout = 10 * time.Second
	stopTimeout = 45 * time.Second
)

// runManager runs a manager until ctx ends. A manager that is told to stop before its cache is filled would never do so
// and keep a core busy (controller-runtime v0.25.2, runnableGroup.Start), so it is told only then.
func runManager(ctx context.Context, m manager.Manager) error {
	if ctx.Err() != nil {
		return nil
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	release := context.AfterFunc(ctx, func() {
		filling, cancel := context.WithTimeout(running, fillTimeout)
		defer cancel()
		m.GetCache().WaitForCacheSync(filling)
		stop()
	})
	defer release()
	done := make(chan error, 1)
	go func() { done <- m.Start(running) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stopTimeout):
		return fmt.Errorf("it did not stop within %v", stopTimeout)
	}
}

func (o *options) newManager(server *rest.Config) (manager.Manager, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	logger := klog.Background().V(1) // what a manager tells at its start and end is for those who ask for it
	log.SetLogger(logger)
	m, err := manager.New(server, manager.Options{
		Scheme: scheme,
		Logger: logger,
		Cache:  cache.Options{ByObject: cachedObjects(), DefaultTransform: cache.TransformStripManagedFields()},
		Client: client.Options{Cache: &client.CacheOptions{
			// The controllers decide by what they wrote before.
			EnableReadYourWritesConsistency: new(true),
		}},
		Metrics:                       metricsserver.Options{BindAddress: o.metricsBindAddress},
		HealthProbeBindAddress:        o.healthProbeBindAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "muster-manager",
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		Controller: config.Controller{
			SkipNameValidation:    new(true), // names are unique in a manager, not in a process
			ReconciliationTimeout: 2 * time.Minute,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the manager: %w", err)
	}
	if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding /healthz: %w", err)
	}
	if err := m.AddReadyzCheck("cache", cacheSynced(m)); err != nil {
		return nil, fmt.Errorf("adding /readyz: %w", err)
	}
	return m, nil
}

// cacheSynced is ready once the cache holds what the API server has. One that stands by has an empty cache, and is ready.
func cacheSynced(m manager.Manager) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), time.Second)
		defer cancel()
		if !m.GetCache().WaitForCacheSync(ctx) {
			return fmt.Errorf("the cache has not been filled yet")
		}
		return nil
	}
}
