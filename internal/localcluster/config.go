// Package localcluster runs a complete Kubernetes cluster inside the calling
// process: etcd and kube-apiserver, kube-controller-manager's controllers,
// nodes and pods played by kwok, and Muster itself. It is what muster-local
// shows to people, and the harness of the integration tests and benchmarks.
//
// Clusters may be started one after another in one process. Two at the same
// time may not: feature gates, metric registries and klog's output belong to
// the process, and Start refuses a second cluster until the first is stopped.
package localcluster

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A Component is one of the parts a cluster can consist of.
type Component string

// The parts of a cluster. Etcd and APIServer always run: nothing else can
// without them. When Controllers is left out, the admission of service
// accounts is too, so that pods can still be created.
const (
	Etcd        Component = "etcd"
	APIServer   Component = "apiserver"
	Controllers Component = "controllers"
	Kwok        Component = "kwok"
	Scheduler   Component = "scheduler"
	Manager     Component = "manager"
)

// AllComponents lists every component in the order in which they start.
var AllComponents = []Component{Etcd, APIServer, Controllers, Kwok, Scheduler, Manager}

// ParseComponents reads a comma-separated list of components, as given to
// --components. It fails on a name that is no component.
func ParseComponents(list string) ([]Component, error) {
	components := []Component{}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			components = append(components, Component(name))
		}
	}
	return components, validateComponents(components)
}

func validateComponents(components []Component) error {
	for _, c := range components {
		if !slices.Contains(AllComponents, c) {
			return fmt.Errorf("unknown component %q: there are %s", c, joinComponents(AllComponents))
		}
	}
	return nil
}

func joinComponents(components []Component) string {
	names := make([]string, len(components))
	for i, c := range components {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}

// Config says what a cluster shall consist of. The zero value is a whole
// cluster without nodes, in a temporary directory, on a free port.
type Config struct {
	// DataDir keeps etcd's data, keys and logs, and is kept when the cluster
	// stops: a later cluster on the same directory has the same objects. It is
	// created when missing. Empty: a temporary directory, removed by Stop.
	DataDir string
	// Kubeconfig is where the admin's kubeconfig is written, with mode 0600. A
	// file that holds somebody else's contexts is refused rather than
	// overwritten. Empty: a file in the data directory. Stop removes it unless
	// DataDir is set.
	Kubeconfig string
	// Port is the API server's port on 127.0.0.1; 0 takes a free one.
	Port int
	// Components are the parts to run; nil means all.
	Components []Component
	// Nodes are the groups of nodes to create. Nodes that exist already in the
	// data directory are left as they are.
	Nodes []NodeGroup
	// FeatureGates are set in kube-apiserver, kube-controller-manager and every
	// other Kubernetes component of this process; they stay set after Stop.
	FeatureGates map[string]bool
	// APIServerArgs are further arguments for kube-apiserver, such as
	// "--runtime-config=api/alpha=true".
	APIServerArgs []string
	// SchedulerArgs are further arguments for muster-scheduler.
	SchedulerArgs []string
	// ManagerArgs are further arguments for muster-manager.
	ManagerArgs []string
	// Verbose sends the logs of every component to standard error. They go to
	// the file muster-local.log in the data directory otherwise.
	Verbose bool
}

// A NodeGroup is a number of equal nodes, also an entry of the list `groups` in
// the file given to --node-config.
type NodeGroup struct {
	// Name prefixes the nodes' names: NAME-0, NAME-1, …
	Name string `json:"name"`
	// Count is the number of nodes, at least 1.
	Count int `json:"count"`
	// Capacity is what each node offers, all of it allocatable. Absent: the
	// shape of DefaultNodes. When it names no `pods`, there are 110.
	Capacity corev1.ResourceList `json:"capacity,omitempty"`
	// Labels are set on each node, and win over those that nodes get anyway:
	// hostname, instance architecture and system, rack and block.
	Labels map[string]string `json:"labels,omitempty"`
	// Taints are set on each node.
	Taints []corev1.Taint `json:"taints,omitempty"`
}

// runs tells whether the component is part of the cluster.
func (c *Config) runs(component Component) bool {
	return c.Components == nil || component == Etcd || component == APIServer ||
		slices.Contains(c.Components, component)
}
