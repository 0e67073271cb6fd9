package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/compatibility"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// kubernetesVersion is what the API server and the nodes report: the version of
// k8s.io/kubernetes in go.mod, which a build from modules does not know itself.
const kubernetesVersion = "v1.37.1"

// The addresses of services; they exist as numbers only, since nothing routes them.
const serviceCIDR = "10.96.0.0/16"

var firstServiceIP = net.IPv4(10, 96, 0, 1)

// listen takes a port on the loopback interface; 0 takes a free one. Taking it
// before anything else starts means that nothing has to be undone when it is
// not to be had, and nobody can take it in between.
func listen(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d for the API server: %w", port, err)
	}
	return listener, nil
}

// apiServerArgs are the flags of kube-apiserver.
func apiServerArgs(etcd string, pki pkiFiles, cfg Config) []string {
	disabled := "TaintNodesByCondition" // nodes are created ready; nobody would remove the taint without controllers
	if !cfg.runs(Controllers) {
		disabled += ",ServiceAccount" // nobody creates the account "default" that it asks for
	}
	return append([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // endpoints may not be on loopback
		"--tls-cert-file=" + pki.servingCert,
		"--tls-private-key-file=" + pki.servingKey,
		"--client-ca-file=" + pki.caCert,
		"--requestheader-client-ca-file=" + pki.caCert,
		"--requestheader-allowed-names=front-proxy", // a name that no certificate has
		"--requestheader-username-headers=X-Remote-User",
		"--authorization-mode=RBAC",
		"--anonymous-auth=false",
		"--disable-admission-plugins=" + disabled,
		"--service-cluster-ip-range=" + serviceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + pki.serviceAccountKey,
		"--service-account-signing-key-file=" + pki.serviceAccountKey,
		"--allow-privileged=true",
		"--profiling=false",
		"--shutdown-watch-termination-grace-period=1s", // else a client that watches keeps it from stopping
	}, cfg.APIServerArgs...)
}

// startAPIServer runs kube-apiserver on the listener until it answers /readyz to
// the client.
func startAPIServer(listener net.Listener, args []string, client *rest.Config) (*part, error) {
	completed, err := apiServerOptions(listener, args)
	if err != nil {
		return nil, err
	}
	completed.InformerName, err = cache.NewInformerName("kube-apiserver")
	if err != nil {
		return nil, fmt.Errorf("configure kube-apiserver: %w", err)
	}
	p := startPart(APIServer, func(ctx context.Context) error {
		defer completed.InformerName.Release()
		return runAPIServer(ctx, completed)
	})
	if err := waitReady(p, client); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

func apiServerOptions(listener net.Listener, args []string) (options.CompletedOptions, error) {
	o := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range o.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(args); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("configure kube-apiserver: %w", err)
	}
	o.SecureServing.Listener = listener
	o.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("configure kube-apiserver: %w", err)
	}
	completed, err := o.Complete(context.Background())
	if err != nil {
		return options.CompletedOptions{}, fmt.Errorf("configure kube-apiserver: %w", err)
	}
	if err := errors.Join(completed.Validate()...); err != nil {
		return options.CompletedOptions{}, fmt.Errorf("configure kube-apiserver: %w", err)
	}
	return completed, nil
}

func runAPIServer(ctx context.Context, o options.CompletedOptions) error {
	config, err := app.NewConfig(o)
	if err != nil {
		return err
	}
	version := stampedVersion{config.KubeAPIs.ControlPlane.Generic.EffectiveVersion}
	config.KubeAPIs.ControlPlane.Generic.EffectiveVersion = version
	config.Aggregator.GenericConfig.EffectiveVersion = version
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	chain, err := app.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return err
	}
	return prepared.Run(ctx)
}

// stampedVersion reports kubernetesVersion where a build from modules says v0.0.0-master.
type stampedVersion struct {
	compatibility.EffectiveVersion
}

// Info returns what the API server serves at /version.
func (v stampedVersion) Info() *apiversion.Info {
	info := v.EffectiveVersion.Info()
	info.GitVersion = kubernetesVersion
	return info
}

// waitReady returns once the API server is ready, and fails when it ends before.
// It does not listen to a context: kube-apiserver takes the whole process down
// when it is stopped while its start hooks run.
func waitReady(p *part, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("wait for kube-apiserver: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var last error
	err = wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := p.ended(); err != nil {
			return false, err
		}
		last = client.CoreV1().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return last == nil, nil
	})
	if err != nil && last != nil {
		return fmt.Errorf("wait for kube-apiserver: %w (last answer: %w)", err, last)
	}
	return err
}
