package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// Reader reads objects from the API server. It may be used concurrently.
type Reader struct {
	client *rest.RESTClient
}

// NewReader makes a Reader for the cluster of the config, which it does not change. It fails on a config that is not valid.
func NewReader(config *rest.Config) (*Reader, error) {
	config = rest.CopyConfig(config)
	// Nothing is decoded but the API server's errors, which are a Status of v1.
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.AcceptContentTypes, config.ContentType = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	return &Reader{client: client}, nil
}

// Resource is a kind of objects as the API server serves it.
type Resource struct {
	schema.GroupVersion
	Name string // in the plural, as in a path
}

// Resources that are read.
var (
	Pods            = core("pods")
	ConfigMaps      = core("configmaps")
	LimitRanges     = core("limitranges")
	Leases          = Resource{schema.GroupVersion{Group: "coordination.k8s.io", Version: "v1"}, "leases"}
	PriorityClasses = Resource{schema.GroupVersion{Group: "scheduling.k8s.io", Version: "v1"}, "priorityclasses"}
	RuntimeClasses  = Resource{schema.GroupVersion{Group: "node.k8s.io", Version: "v1"}, "runtimeclasses"}
	PodGroups       = Resource{schema.GroupVersion{Group: "scheduling.x-k8s.io", Version: "v1alpha1"}, "podgroups"}
	PodPolicies     = Resource{schema.GroupVersion{Group: "scheduling.muster.dev", Version: "v1alpha1"}, "podpolicies"}

	Jobs             = Resource{schema.GroupVersion{Group: "batch", Version: "v1"}, "jobs"}
	JobSets          = Resource{schema.GroupVersion{Group: "jobset.x-k8s.io", Version: "v1alpha2"}, "jobsets"}
	TrainJobs        = Resource{schema.GroupVersion{Group: "trainer.kubeflow.org", Version: "v1alpha1"}, "trainjobs"}
	Notebooks        = Resource{schema.GroupVersion{Group: "kubeflow.org", Version: "v1"}, "notebooks"}
	LeaderWorkerSets = Resource{schema.GroupVersion{Group: "leaderworkerset.x-k8s.io", Version: "v1"}, "leaderworkersets"}
)

// TrainingJobs is how training jobs of a kind of kubeflow.org/v1 are served.
func TrainingJobs(kind string) Resource {
	return Resource{schema.GroupVersion{Group: "kubeflow.org", Version: "v1"}, strings.ToLower(kind) + "s"}
}

func core(name string) Resource {
	return Resource{schema.GroupVersion{Version: "v1"}, name}
}

// Get reads the object of that name into object, or with an empty name the list of all. An empty namespace is for what has
// none. Where the API server refuses, the error is one of apimachinery's api/errors.
func (r *Reader) Get(ctx context.Context, resource Resource, namespace, name string, object any) error {
	root := "/apis/" + resource.Group
	if resource.Group == "" {
		root = "/api"
	}
	path := []string{root, resource.Version}
	if namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	path = append(path, resource.Name)
	if name != "" {
		path = append(path, name)
	}
	raw, err := r.client.Get().AbsPath(path...).Do(ctx).Raw()
	if err == nil {
		err = json.Unmarshal(raw, object)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", strings.Join(path[2:], "/"), err)
	}
	return nil
}

// PortForwardURL is where ports of a pod are forwarded.
func (r *Reader) PortForwardURL(namespace, pod string) *url.URL {
	return r.client.Get().AbsPath("/api/v1/namespaces", namespace, "pods", pod, "portforward").URL()
}
