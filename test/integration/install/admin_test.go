package install

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// admin does what a cluster's administrator does with kubectl.
type admin struct {
	config  *rest.Config
	clients kubernetes.Interface
	client  client.Client // for objects of any kind
}

func newAdmin(t *testing.T, config *rest.Config) admin {
	t.Helper()
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	generic, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return admin{config: config, clients: clients, client: generic}
}

// kustomize returns what `kubectl kustomize` prints.
func kustomize(t *testing.T, folder string) []byte {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("kustomize %s: %v", folder, err)
	}
	data, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// apply applies the documents, those without a namespace in the given one, and
// returns the objects.
func (a admin) apply(t *testing.T, namespace string, documents []byte) []*unstructured.Unstructured {
	t.Helper()
	var applied []*unstructured.Unstructured
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(documents))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return applied
		} else if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatal(err)
		}
		namespaced, err := a.client.IsObjectNamespaced(object)
		if err != nil {
			t.Fatal(err)
		}
		if namespaced && object.GetNamespace() == "" {
			object.SetNamespace(namespace)
		}
		what := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		err = a.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("admin"), client.ForceOwnership)
		if err != nil {
			t.Fatalf("applying %s: %v", what, err)
		}
		applied = append(applied, object)
	}
}

// kubeconfigOf returns a file with which a program is the service account.
func (a admin) kubeconfigOf(t *testing.T, account string) string {
	t.Helper()
	token, err := a.clients.CoreV1().ServiceAccounts("muster-system").
		CreateToken(t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("asking for a token of %s: %v", account, err)
	}
	const name = "cluster"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: a.config.Host, CertificateAuthorityData: a.config.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}
