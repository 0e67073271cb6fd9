package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	apiserverfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/events"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/configz"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/component-base/term"
	"k8s.io/component-base/version/verflag"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	schedulerserverconfig "k8s.io/kubernetes/cmd/kube-scheduler/app/config"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/scheduler"
	kubeschedulerconfig "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/muster-scheduling/muster/manifests"
)

// Command is muster-scheduler: kube-scheduler with all of its flags, Muster's plugins, and Muster's configuration where
// no --config is given. It runs until its context ends or a termination signal comes. Commands may run one after another
// in one process, but not at the same time: feature gates and metrics are the process's.
func Command() *cobra.Command {
	opts := options.NewOptions()
	cmd := &cobra.Command{
		Use:   "muster-scheduler",
		Short: "The Kubernetes scheduler for machine learning: all pods of a job start, or none",
		Long: `muster-scheduler is kube-scheduler with plugins that place whole gangs. It takes kube-scheduler's flags and its
KubeSchedulerConfiguration; without --config it runs the profile "muster" with leader election.`,
		Args:              cobra.NoArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return opts.ComponentGlobalsRegistry.Set() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return run(cmd, opts) },
	}
	sections := opts.Flags
	verflag.AddFlags(sections.FlagSet("global"))
	globalflag.AddGlobalFlags(sections.FlagSet("global"), cmd.Name(), logs.SkipLoggingConfigurationFlags())
	for _, set := range sections.FlagSets {
		cmd.Flags().AddFlagSet(set)
	}
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, *sections, columns)
	return cmd
}

func run(cmd *cobra.Command, opts *options.Options) error {
	verflag.PrintAndExitIfRequested()
	ctx, stop := signal.NotifyContext(contextOf(cmd), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := logsapi.ValidateAndApply(opts.Logs, apiserverfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("setting up the logs: %w", err)
	}
	if err := tune(cmd); err != nil {
		return err
	}
	authenticateBy(cmd, opts)
	cc, sched, gangs, err := setUp(ctx, opts)
	if err != nil {
		return fmt.Errorf("setting up the scheduler: %w", err)
	}
	stopServing, err := serve(ctx, cc, sched, gangs.leading, gangs.letAsk(sched))
	if err != nil {
		return err
	}
	defer stopServing()
	// app.Run registers its configuration in a table of the process and never takes it out.
	defer configz.Delete("componentconfig")
	if err := app.Run(ctx, cc, sched); err != nil && ctx.Err() == nil {
		return fmt.Errorf("running the scheduler: %w", err)
	}
	return nil
}

func contextOf(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

// authenticateBy lets who asks for metrics be authenticated by the cluster that --kubeconfig names, where no other is
// named for that.
func authenticateBy(cmd *cobra.Command, opts *options.Options) {
	kubeconfig, err := cmd.Flags().GetString("kubeconfig")
	if err != nil || kubeconfig == "" {
		return
	}
	if opts.Authentication.RemoteKubeConfigFile == "" {
		opts.Authentication.RemoteKubeConfigFile = kubeconfig
	}
	if opts.Authorization.RemoteKubeConfigFile == "" {
		opts.Authorization.RemoteKubeConfigFile = kubeconfig
	}
}

// tune spares what a gang scheduler would waste, unless the user says otherwise.
func tune(cmd *cobra.Command) error {
	// Members wait in Permit for less time than it takes to patch their status: by default every one of them would have its
	// nominatedNodeName written, which doubles the API server's work.
	gate := string(features.NominatedNodeNameForExpectation)
	if flag := cmd.Flags().Lookup("feature-gates"); flag == nil || !strings.Contains(flag.Value.String(), gate) {
		if err := apiserverfeature.DefaultMutableFeatureGate.SetFromMap(map[string]bool{gate: false}); err != nil {
			return fmt.Errorf("turning off the feature gate %s: %w", gate, err)
		}
	}
	return nil
}

// TradeMemoryForCPU lets the heap of the process grow to five times what is live before garbage is collected, unless GOGC
// says otherwise: decoding thousands of pods makes garbage faster than it makes a heap, and a fifth of the scheduler's
// CPU went into collecting it. It is for a process that is the scheduler and nothing else.
func TradeMemoryForCPU() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// setUp builds the scheduler as kube-scheduler does, with three differences: the configuration where none is given, our
// plugins, and events for gangs instead of events for each of their pods.
func setUp(ctx context.Context, opts *options.Options) (*schedulerserverconfig.CompletedConfig, *scheduler.Scheduler, *gangs, error) {
	config, err := defaultConfig()
	if err != nil {
		return nil, nil, nil, err
	}
	// Flags are applied to this; a file named by --config takes its place.
	opts.ComponentConfig = config
	if errs := opts.Validate(); len(errs) > 0 {
		return nil, nil, nil, errors.Join(errs...)
	}
	serverConfig, err := opts.Config(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	cc := serverConfig.Complete()
	var profiles []kubeschedulerconfig.KubeSchedulerProfile
	leading := make(chan struct{})
	gangs := &gangs{leading: leading}
	sched, err := scheduler.New(ctx, cc.Client, cc.InformerFactory, cc.DynInformerFactory,
		func(name string) events.EventRecorderLogger {
			return quietRecorder{cc.EventBroadcaster.NewRecorder(name)}
		},
		scheduler.WithComponentConfigVersion(cc.ComponentConfig.APIVersion),
		scheduler.WithKubeConfig(cc.KubeConfig),
		scheduler.WithProfiles(cc.ComponentConfig.Profiles...),
		scheduler.WithPercentageOfNodesToScore(cc.ComponentConfig.PercentageOfNodesToScore),
		scheduler.WithFrameworkOutOfTreeRegistry(registry(gangs, leading)),
		scheduler.WithPodMaxBackoffSeconds(cc.ComponentConfig.PodMaxBackoffSeconds),
		scheduler.WithPodInitialBackoffSeconds(cc.ComponentConfig.PodInitialBackoffSeconds),
		scheduler.WithPodMaxInUnschedulablePodsDuration(cc.PodMaxInUnschedulablePodsDuration),
		scheduler.WithExtenders(cc.ComponentConfig.Extenders...),
		scheduler.WithParallelism(cc.ComponentConfig.Parallelism),
		scheduler.WithBuildFrameworkCapturer(func(profile kubeschedulerconfig.KubeSchedulerProfile) {
			profiles = append(profiles, profile)
		}),
	)
	if err != nil {
		return nil, nil, nil, err
	}
	// The scheduler asks for its first pod when it has become the leader, and not before.
	next, lead := sched.NextEntity, sync.OnceFunc(func() { close(leading) })
	sched.NextEntity = func(logger klog.Logger) (framework.QueuedEntityInfo, error) {
		lead()
		return next(logger)
	}
	if gangs.store != nil { // A configuration may do without our plugins.
		sched.Cache = observedCache{Cache: sched.Cache, ctx: ctx, gangs: gangs.store}
		if allOurs(cc.ComponentConfig.Profiles) {
			sched.SchedulingQueue = calmQueue{sched.SchedulingQueue}
		}
	}
	sched.FailureHandler = (&requeue{sched: sched, gangs: gangs}).handle
	if err := options.LogOrWriteConfig(klog.FromContext(ctx), opts.WriteConfigTo, &cc.ComponentConfig, profiles); err != nil {
		return nil, nil, nil, err
	}
	return &cc, sched, gangs, nil
}

// defaultConfig is the configuration that manifests/scheduler ships.
func defaultConfig() (*kubeschedulerconfig.KubeSchedulerConfiguration, error) {
	object, kind, err := scheme.Codecs.UniversalDecoder().Decode(manifests.SchedulerConfig, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("decoding the default configuration: %w", err)
	}
	config, ok := object.(*kubeschedulerconfig.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("decoding the default configuration: it is a %s", kind)
	}
	config.APIVersion = kind.GroupVersion().String()
	return config, nil
}
