// Package controllers is muster-manager: it lists every controller and runs them in one manager.
package controllers

import (
	"context"
	"maps"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/muster-scheduling/muster/controllers/firm"
	"github.com/muster-scheduling/muster/controllers/gangs"
	"github.com/muster-scheduling/muster/controllers/notebook"
	"github.com/muster-scheduling/muster/controllers/trainer"
	"github.com/muster-scheduling/muster/controllers/training"
	"github.com/muster-scheduling/muster/webhooks"
)

// options is what the command line says.
type options struct {
	kubeconfig                string
	families                  []string
	leaderElect               bool
	leaderElectionNamespace   string
	metricsBindAddress        string
	healthProbeBindAddress    string
	pyTorchInitContainerImage string
	mpiKubectlDeliveryImage   string
	notebooks                 notebookOptions
	webhooks                  webhookOptions
}

// controller is one controller of the manager.
type controller struct {
	family string
	name   string
	setup  func(context.Context, manager.Manager) error
}

// all names every controller.
func (o *options) all() []controller {
	jobs := training.Config{
		ClusterDomain:             os.Getenv("CUSTOM_CLUSTER_DOMAIN"),
		PyTorchInitContainerImage: o.pyTorchInitContainerImage,
		MPIKubectlDeliveryImage:   o.mpiKubectlDeliveryImage,
	}
	var all []controller
	for _, c := range training.Controllers() {
		setup := func(ctx context.Context, m manager.Manager) error { return c.Setup(ctx, m, jobs) }
		all = append(all, controller{"training", c.Kind, setup})
	}
	notebooks := func(ctx context.Context, m manager.Manager) error {
		return notebook.Setup(ctx, m, o.notebooks.settings())
	}
	return append(all,
		controller{"trainer", "TrainJob", trainer.Setup},
		controller{"notebook", "Notebook", notebooks},
		controller{"gangs", "PodGroup", gangs.Setup},
		controller{"gangs", "firm Pod", firm.Setup},
	)
}

// allFamilies are the names of all families of controllers, sorted.
func (o *options) allFamilies() []string {
	names := map[string]bool{}
	for _, c := range o.all() {
		names[c.family] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// newScheme knows the types that any of the controllers handles.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, training.AddToScheme, trainer.AddToScheme, notebook.AddToScheme, webhooks.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// cachedObjects narrows the manager's cache to what the controllers look at.
func cachedObjects() map[client.Object]cache.ByObject {
	objects := training.CachedObjects()
	maps.Copy(objects, trainer.CachedObjects())
	return objects
}
