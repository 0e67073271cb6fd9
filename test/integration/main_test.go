// Package integration tests Muster against a real API server: whole gangs from the objects that users create to the
// bindings, and what goes wrong on the way. All tests of a process share one cluster, one after the other; each has a
// namespace and nodes of its own and leaves nothing behind. While a test runs, a watcher checks what must hold at all
// times. A run of all tests is shared out among several processes, see processes_test.go.
//
// Set MUSTER_TEST_LOG to a level such as 3 to have the log of every component on standard error.
package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"
	"sigs.k8s.io/yaml"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	trainingv2beta1 "github.com/muster-scheduling/muster/apis/training/v2beta1"
	"github.com/muster-scheduling/muster/internal/localcluster"
	"github.com/muster-scheduling/muster/manifests"
)

// shared is what all tests use.
var shared struct {
	cluster *localcluster.Cluster
	client  client.Client
	clients kubernetes.Interface
	watcher *watcher
	// schedulerConfig is the file that the scheduler reads when it starts.
	schedulerConfig string
}

func TestMain(m *testing.M) {
	if isChild() {
		os.Exit(runChild())
	}
	flag.Parse()
	code, err := runMain(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runMain does what this process is there for.
func runMain(m *testing.M) (code int, err error) {
	if flag.Lookup("test.list").Value.String() != "" {
		return m.Run(), nil
	}
	if isWorker() {
		return withCluster(func() int { return work(m) })
	}
	if n, err := processes(); err != nil || n > 1 {
		if err != nil {
			return 0, err
		}
		return runInProcesses(n)
	}
	return withCluster(m.Run)
}

// withCluster runs tests against one cluster.
func withCluster(tests func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "muster-integration-")
	if err != nil {
		return 0, fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	shared.schedulerConfig = filepath.Join(dir, "scheduler.yaml")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := writeSchedulerConfig(shared.schedulerConfig, kubeconfig, ""); err != nil {
		return 0, err
	}
	cfg := localcluster.Config{
		Kubeconfig:    kubeconfig,
		SchedulerArgs: []string{"--config=" + shared.schedulerConfig},
	}
	if cfg.ManagerArgs, err = startNotebookServers(); err != nil {
		return 0, err
	}
	level := os.Getenv("MUSTER_TEST_LOG")
	cfg.Verbose = level != ""
	if shared.cluster, err = localcluster.Start(context.Background(), cfg); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, shared.cluster.Stop()) }()
	if err := setLogLevel(level); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // first of all: the API server waits for those who watch
	if err := makeClients(); err != nil {
		return 0, err
	}
	if shared.watcher, err = startWatcher(ctx, shared.clients); err != nil {
		return 0, err
	}
	return tests(), nil
}

// setLogLevel makes the components that have started log more than they do by default.
func setLogLevel(level string) error {
	if level == "" {
		return nil
	}
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	return flags.Set("v", level)
}

func makeClients() error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), podgroupv1alpha1.AddToScheme(scheme), schedulingv1alpha1.AddToScheme(scheme), trainingv1.AddToScheme(scheme), trainingv2beta1.AddToScheme(scheme), notebookv1.AddToScheme(scheme), trainerv1alpha1.AddToScheme(scheme), nrt.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("registering types: %w", err)
	}
	var err error
	if shared.client, err = client.New(shared.cluster.RESTConfig(), client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if shared.clients, err = kubernetes.NewForConfig(shared.cluster.RESTConfig()); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return nil
}

// writeSchedulerConfig writes the configuration that Muster ships, for this cluster. A grace period replaces the
// default for gangs that run below their minimum, unless it is empty.
func writeSchedulerConfig(path, kubeconfig, grace string) error {
	config := map[string]any{}
	if err := yaml.Unmarshal(manifests.SchedulerConfig, &config); err != nil {
		return fmt.Errorf("reading the default configuration: %w", err)
	}
	config["leaderElection"] = map[string]any{"leaderElect": false}
	config["clientConnection"].(map[string]any)["kubeconfig"] = kubeconfig
	if grace != "" {
		profile := config["profiles"].([]any)[0].(map[string]any)
		for _, plugin := range profile["pluginConfig"].([]any) {
			if plugin := plugin.(map[string]any); plugin["name"] == "Coscheduling" {
				plugin["args"] = map[string]any{"brokenGangGracePeriod": grace}
			}
		}
	}
	data, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("encoding the configuration: %w", err)
	}
	return os.WriteFile(path, data, 0o600)
}
