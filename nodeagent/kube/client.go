// Package kube writes what the node agent has to say to the API server: labels,
// a condition and a taint on the node, its NodeResourceTopology, and events.
// Every write is made only if something differs from what is there, and leaves
// alone what others wrote.
package kube

import (
	"context"
	"fmt"
	"time"

	nrt "github.com/k8stopologyawareschedwg/noderesourcetopology-api/pkg/apis/topology/v1alpha2"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// Manager is the name under which the API server records what the agent wrote.
const Manager = "muster-node-agent"

// answerWithin bounds each request.
const answerWithin = 30 * time.Second

// Client speaks for one node. Its methods may not be called concurrently.
type Client struct {
	node     string
	core     rest.Interface
	events   rest.Interface
	topology rest.Interface
}

// New returns a client that writes about the named node. It fails if the
// configuration is unusable; nothing is sent yet.
//
// It holds plain REST clients for three groups rather than a clientset, which
// would bring the types of all groups into a program that runs on every node.
func New(config *rest.Config, node string) (*Client, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, eventsv1.AddToScheme, nrt.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering types: %w", err)
		}
	}
	config = rest.CopyConfig(config)
	config.Timeout = answerWithin
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeJSON
	if config.UserAgent == "" {
		config.UserAgent = Manager
	}
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	client := &Client{node: node}
	for _, group := range []struct {
		to      *rest.Interface
		version schema.GroupVersion
		path    string
	}{
		{&client.core, corev1.SchemeGroupVersion, "/api"},
		{&client.events, eventsv1.SchemeGroupVersion, "/apis"},
		{&client.topology, nrt.SchemeGroupVersion, "/apis"},
	} {
		one := rest.CopyConfig(config)
		one.GroupVersion, one.APIPath = &group.version, group.path
		if *group.to, err = rest.RESTClientForConfigAndClient(one, http); err != nil {
			return nil, fmt.Errorf("connecting to the API server: %w", err)
		}
	}
	return client, nil
}

// Node returns the node as the API server knows it.
func (c *Client) Node(ctx context.Context) (*corev1.Node, error) {
	node := &corev1.Node{}
	if err := c.core.Get().Resource("nodes").Name(c.node).Do(ctx).Into(node); err != nil {
		return nil, fmt.Errorf("reading node %s: %w", c.node, err)
	}
	return node, nil
}

// Event is something about the node that people should know.
type Event struct {
	Warning bool
	Reason  string // one word, such as GPUUnhealthy
	Note    string
}

// Tell records the event on the node.
func (c *Client) Tell(ctx context.Context, node *corev1.Node, event Event, now time.Time) error {
	kind := corev1.EventTypeNormal
	if event.Warning {
		kind = corev1.EventTypeWarning
	}
	object := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: metav1.NamespaceDefault, // where events about cluster-scoped objects belong
			Name:      fmt.Sprintf("%s.%x", c.node, now.UnixNano()),
		},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: "muster.dev/node-agent",
		ReportingInstance:   Manager + "-" + c.node,
		Action:              "CheckGPU",
		Reason:              event.Reason,
		Regarding:           corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: c.node, UID: node.UID},
		Note:                shorten(event.Note, 1024),
		Type:                kind,
	}
	err := c.events.Post().Namespace(object.Namespace).Resource("events").Body(object).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("recording the event %s on node %s: %w", event.Reason, c.node, err)
	}
	return nil
}

// shorten cuts the text at the most bytes that the API takes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most-3] + "..."
}
