// Package manifests checks what `kubectl apply -k manifests/default` would send:
// that the API server accepts it, that its parts fit each other, and that
// nothing runs with more rights than it needs.
package manifests

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	schedulingv1alpha1 "github.com/muster-scheduling/muster/apis/scheduling/v1alpha1"
)

const (
	installation = "../../manifests/default"
	namespace    = "muster-system"
)

// build returns the objects of the installation.
func build(t *testing.T) []runtime.Object {
	t.Helper()
	return buildFolder(t, installation)
}

// buildFolder returns the objects of a folder with a kustomization, decoded
// strictly: a field that is unknown or given twice fails the test.
func buildFolder(t *testing.T, folder string) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, apiextensionsv1.AddToScheme, schedulingv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("kustomize build: %v", err)
	}
	objects := make([]runtime.Object, 0, resources.Size())
	for _, resource := range resources.Resources() {
		data, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(data, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", resource.CurId(), err)
		}
		objects = append(objects, object)
	}
	return objects
}

// all returns the objects of one type.
func all[T runtime.Object](objects []runtime.Object) []T {
	var found []T
	for _, object := range objects {
		if typed, ok := object.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}

// named returns the object of one type with the name, and fails the test if
// there is none.
func named[T interface {
	runtime.Object
	metav1.Object
}](t *testing.T, objects []runtime.Object, name string) T {
	t.Helper()
	for _, object := range all[T](objects) {
		if object.GetName() == name {
			return object
		}
	}
	var none T
	t.Fatalf("no %T is named %q", none, name)
	return none
}

func TestEveryObjectIsOnceAndInItsNamespace(t *testing.T) {
	seen := map[string]bool{}
	for _, object := range build(t) {
		meta := object.(metav1.Object)
		kind := object.GetObjectKind().GroupVersionKind().Kind
		id := fmt.Sprintf("%s %s/%s", kind, meta.GetNamespace(), meta.GetName())
		if seen[id] {
			t.Errorf("%s is given twice", id)
		}
		seen[id] = true
		switch kind {
		case "Namespace":
			if meta.GetName() != namespace {
				t.Errorf("%s: the installation's only namespace is %s", id, namespace)
			}
		case "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition",
			"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
			"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration":
		case "RoleBinding":
			// Who reads how the API server authenticates is bound beside that setting.
			if meta.GetNamespace() != namespace && meta.GetNamespace() != metav1.NamespaceSystem {
				t.Errorf("%s: expected in %s or %s", id, namespace, metav1.NamespaceSystem)
			}
		default:
			if meta.GetNamespace() != namespace {
				t.Errorf("%s: expected in %s", id, namespace)
			}
		}
	}
}

func TestInstallationRunsSchedulerAndManager(t *testing.T) {
	objects := build(t)
	if got := len(all[*appsv1.Deployment](objects)); got != 2 {
		t.Errorf("got %d Deployments, want those of the scheduler and the manager", got)
	}
	for _, name := range []string{"muster-scheduler", "muster-manager"} {
		if got := named[*appsv1.Deployment](t, objects, name).Spec.Replicas; got == nil || *got != 2 {
			t.Errorf("%s: a second replica has to stand by", name)
		}
	}
}
