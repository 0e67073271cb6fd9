package localcluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/configz"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
)

// controllersLeftOut are the controllers that would find nothing to do here:
// there is no cloud, no real volume and no kubelet that asks for certificates.
var controllersLeftOut = []string{
	names.BootstrapSignerController,
	names.CertificateSigningRequestApprovingController,
	names.CertificateSigningRequestCleanerController,
	names.CertificateSigningRequestSigningController,
	names.LegacyServiceAccountTokenCleanerController,
	names.NodeIpamController,
	names.PersistentVolumeAttachDetachController,
	names.PersistentVolumeExpanderController,
	names.PodCertificateRequestCleanerController,
	names.TTLController,
	names.TokenCleanerController,
}

// startControllers runs kube-controller-manager's controllers with the rights of
// the kubeconfig.
func startControllers(kubeconfig string, pki pkiFiles) (*part, error) {
	args := []string{
		"--kubeconfig=" + kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + pki.serviceAccountKey,
		"--root-ca-file=" + pki.caCert,
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--node-monitor-grace-period=1h", // kwok's nodes give a sign of life every 10 to 20 minutes
		"--concurrent-gc-syncs=5",
		"--controllers=*",
	}
	for _, name := range controllersLeftOut {
		args = append(args, "--controllers=-"+name)
	}
	o, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, fmt.Errorf("configure kube-controller-manager: %w", err)
	}
	sets := o.Flags(app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	flags := pflag.NewFlagSet("kube-controller-manager", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	o.ParsedFlags = &sets
	if err := errors.Join(flags.Parse(args), o.ComponentGlobalsRegistry.Set()); err != nil {
		return nil, fmt.Errorf("configure kube-controller-manager: %w", err)
	}
	config, err := o.Config(context.Background(), app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err != nil {
		return nil, fmt.Errorf("configure kube-controller-manager: %w", err)
	}
	return startPart(Controllers, func(ctx context.Context) error {
		// Run registers its configuration in the process and never removes it.
		defer configz.Delete(app.ConfigzName)
		return app.Run(ctx, config.Complete())
	}), nil
}

// waitServiceAccount returns once the account exists that pods of the namespace
// default run as. Without it, the API server refuses them.
func waitServiceAccount(ctx context.Context, controllers *part, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("wait for controllers: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		if err := controllers.ended(); err != nil {
			return false, err
		}
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("wait for the service account of pods: %w", err)
	}
	return nil
}
