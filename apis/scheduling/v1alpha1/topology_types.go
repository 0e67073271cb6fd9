package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions of a Topology, and their reasons. ReasonReady is the reason of one that is ready.
const (
	// TopologyReady is true when gangs can be placed by every level of the Topology.
	TopologyReady = "Ready"

	// ReasonInvalidLevels: there is no level, or a name or a node label appears twice. Gangs wait that ask for its levels.
	ReasonInvalidLevels = "InvalidLevels"

	// ReasonNoNodes: no node belongs to the Topology.
	ReasonNoNodes = "NoNodes"

	// ReasonLabelNotFound: no node carries the label of a level.
	ReasonLabelNotFound = "LabelNotFound"
)

// TopologySpec says how a group of nodes is laid out, from wide domains to narrow ones.
type TopologySpec struct {
	// nodeSelector picks the nodes that the Topology describes, by their labels. Absent or empty, it describes all.
	// +kubebuilder:validation:MaxProperties=8
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// levels are the kinds of domains, the widest first. Nodes are in one domain of a level if they have the same values of
	// its label and of the labels of all wider levels. A node without the label is in no domain of that level.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a.name == b.name))",message="a level's name must appear once"
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a.nodeLabel == b.nodeLabel))",message="a level's nodeLabel must appear once"
	// +listType=atomic
	Levels []TopologyLevel `json:"levels"`
}

// TopologyLevel is one kind of domain: blocks, racks, hosts.
type TopologyLevel struct {
	// name is how gangs ask for the level, in the annotations topology-required and topology-preferred. Several Topologies may
	// have levels of one name: the gang then goes where it fits best.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// nodeLabel is the key of the node label whose value names the domain.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`
	NodeLabel string `json:"nodeLabel"`
}

// TopologyStatus is what the scheduler sees of a Topology.
type TopologyStatus struct {
	// nodes is the number of nodes that the Topology describes.
	// +optional
	Nodes int32 `json:"nodes"`

	// levels says for each level, in the order of the spec, what there is of it.
	// +listType=atomic
	// +optional
	Levels []TopologyLevelStatus `json:"levels,omitempty"`

	// conditions are Ready.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// TopologyLevelStatus is what there is of one level.
type TopologyLevelStatus struct {
	// name is the name of the level.
	Name string `json:"name"`

	// domains is the number of domains.
	Domains int32 `json:"domains"`

	// unlabelled is the number of nodes that lack the label, and so are in no domain.
	// +optional
	Unlabelled int32 `json:"unlabelled,omitempty"`
}

// Topology says which nodes are near each other: in one block, rack or NVLink domain.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="Levels",type=string,JSONPath=`.spec.levels[*].name`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Topology struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says how the nodes are laid out.
	Spec TopologySpec `json:"spec"`

	// status is what the scheduler sees of it. Only the scheduler writes it.
	// +optional
	Status TopologyStatus `json:"status,omitempty"`
}

// TopologyList is a list of Topologies.
// +kubebuilder:object:root=true
type TopologyList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the Topologies.
	Items []Topology `json:"items"`
}
