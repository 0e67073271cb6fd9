package localcluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	admissionclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"

	"github.com/muster-scheduling/muster/manifests"
)

// installPolicies creates every object of manifests.AdmissionPolicies, and brings
// those up to date that an older start left in the data directory. The API server
// enforces them some seconds later.
func installPolicies(ctx context.Context, config *rest.Config) error {
	client, err := admissionclient.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("install admission policies: %w", err)
	}
	objects, err := readObjects(manifests.AdmissionPolicies, clientscheme.Codecs.UniversalDeserializer())
	if err != nil {
		return err
	}
	for _, object := range objects {
		switch object := object.(type) {
		case *admissionv1.ValidatingAdmissionPolicy:
			err = apply(ctx, client.ValidatingAdmissionPolicies(), object)
		case *admissionv1.ValidatingAdmissionPolicyBinding:
			err = apply(ctx, client.ValidatingAdmissionPolicyBindings(), object)
		default:
			err = fmt.Errorf("%T is neither a policy nor a binding", object)
		}
		if err != nil {
			return fmt.Errorf("install admission policies: %w", err)
		}
	}
	return nil
}

// readObjects decodes every YAML document of the files in folders, but for those
// that tell kustomize what there is.
func readObjects(files fs.FS, decoder runtime.Decoder) ([]runtime.Object, error) {
	paths, err := fs.Glob(files, "*/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("find manifests: %w", err)
	}
	var objects []runtime.Object
	for _, file := range paths {
		if path.Base(file) == "kustomization.yaml" {
			continue
		}
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("read manifests: %w", err)
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read manifests %s: %w", file, err)
			}
			object, _, err := decoder.Decode(document, nil, nil)
			if err != nil {
				return nil, fmt.Errorf("read manifests %s: %w", file, err)
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// apply creates an object, or updates the one of its name.
func apply[T metav1.Object](ctx context.Context, client interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
}, object T) error {
	_, err := client.Create(ctx, object, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		existing, err := client.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		object.SetResourceVersion(existing.GetResourceVersion())
		_, err = client.Update(ctx, object, metav1.UpdateOptions{})
		return err
	})
}
