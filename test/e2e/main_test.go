// Package e2e tests Muster on real nodes: kubelets, containerd and runc run what its scheduler places, and its webhooks and
// controllers run as pods from manifests/default. `make e2e` prepares that and runs it; `go test` alone only says so.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	trainingv1 "github.com/muster-scheduling/muster/apis/training/v1"
	"github.com/muster-scheduling/muster/test/e2e/nodes"
	"github.com/muster-scheduling/muster/test/e2e/plan"
)

// shared is the cluster that all tests use.
var shared struct {
	plan    *plan.Plan
	cluster *nodes.Cluster
	config  *rest.Config
	client  client.Client
	clients kubernetes.Interface
}

func TestMain(m *testing.M) {
	p, err := plan.Read()
	switch {
	case err != nil:
		fail(err)
	case p == nil:
		fmt.Println("no test was run: they take real nodes, which `make e2e` prepares")
		return
	}
	shared.plan = p
	if err := start(context.Background()); err != nil {
		if shared.cluster != nil {
			show(context.Background(), "kube-system")
			show(context.Background(), "muster-system")
		}
		fail(errors.Join(err, keepLogs()))
	}
	status := m.Run()
	if status != 0 {
		if err := keepLogs(); err != nil {
			fail(err)
		}
	}
	os.Exit(status)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// keepLogs saves the logs of the cluster's programs from what is removed when the tests have ended.
func keepLogs() error {
	fmt.Println("the logs of the cluster's programs are in", shared.plan.Logs)
	return nodes.CopyLogs(shared.plan.Cluster.Dir, shared.plan.Logs)
}

// start starts the cluster and installs everything on it.
func start(ctx context.Context) (err error) {
	began := time.Now()
	ready := func(what string) { fmt.Printf("e2e: after %.1f s: %s: ready\n", time.Since(began).Seconds(), what) }
	if shared.cluster, err = nodes.Start(ctx, shared.plan.Cluster); err != nil {
		return err
	}
	ready("the nodes")
	if err := connect(); err != nil {
		return err
	}
	return install(ctx, ready)
}

func connect() (err error) {
	if shared.config, err = clientcmd.BuildConfigFromFlags("", shared.cluster.Kubeconfig()); err != nil {
		return err
	}
	shared.config.QPS = -1
	if shared.clients, err = kubernetes.NewForConfig(shared.config); err != nil {
		return err
	}
	scheme := clientgoscheme.Scheme
	if err := errors.Join(trainingv1.AddToScheme(scheme), trainerv1alpha1.AddToScheme(scheme), podgroupv1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	shared.client, err = client.New(shared.config, client.Options{Scheme: scheme})
	return err
}
