package localcluster

import (
	"context"
	"fmt"
	"io/fs"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	trainerv1alpha1 "github.com/muster-scheduling/muster/apis/trainer/v1alpha1"
	"github.com/muster-scheduling/muster/manifests"
)

// installRuntimes creates every ClusterTrainingRuntime of manifests.Runtimes. Those that an older start left in the data
// directory stay as they are: they may have been changed since.
func installRuntimes(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("install training runtimes: %w", err)
	}
	runtimes := client.Resource(trainerv1alpha1.GroupVersion.WithResource("clustertrainingruntimes"))
	paths, err := fs.Glob(manifests.Runtimes, "runtimes/*.yaml")
	if err != nil {
		return fmt.Errorf("find training runtimes: %w", err)
	}
	for _, path := range paths {
		data, err := fs.ReadFile(manifests.Runtimes, path)
		if err != nil {
			return fmt.Errorf("read training runtime: %w", err)
		}
		runtime := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(data, &runtime.Object); err != nil {
			return fmt.Errorf("read training runtime %s: %w", path, err)
		}
		if _, err := runtimes.Create(ctx, runtime, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install training runtime %s: %w", runtime.GetName(), err)
		}
	}
	return nil
}
