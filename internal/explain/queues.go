package explain

import (
	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Queues is the queue tree as it is now.
type Queues struct {
	// Capacity is what the nodes of the cluster can give to pods, all together.
	Capacity resource.Amounts `json:"capacity"`

	// Queues holds every queue once, in any order; Parent makes them a tree.
	Queues []Queue `json:"queues"`
}

// Queue is one queue of the tree. All its numbers are for the whole subtree.
type Queue struct {
	// Name is the Queue object's.
	Name string `json:"name"`

	// Parent is the name of the queue above, empty for a top queue.
	Parent string `json:"parent,omitempty"`

	// Weight is the queue's share, among its siblings, of what guarantees leave; 0: only what nobody else wants.
	Weight int64 `json:"weight"`

	// Guarantee is taken back on demand. Limit is the hard cap; a resource that is absent from it has none.
	Guarantee resource.Amounts `json:"guarantee,omitempty"`
	Limit     resource.Amounts `json:"limit,omitempty"`

	// FairShare is what the queue may expect when every queue wants all it can get.
	FairShare resource.Amounts `json:"fairShare,omitempty"`

	// Usage is what the gangs of the queue use or have been admitted for.
	Usage resource.Amounts `json:"usage,omitempty"`

	// Admitted and Pending count the gangs that have been admitted and those that wait.
	Admitted int `json:"admitted"`
	Pending  int `json:"pending"`

	// Reasons counts the waiting gangs by their dominant reason.
	Reasons map[gang.Reason]int `json:"reasons,omitempty"`

	// Head is the gang whose turn is next in the queue, absent when none waits. A queue with children has the head of
	// the child whose turn it is.
	Head *Head `json:"head,omitempty"`

	// Stopped is Hold or Drain where the queue, or one above it, is stopped; empty: it is not.
	Stopped string `json:"stopped,omitempty"`

	// Fault says why the queue cannot admit because of how the tree is configured; empty: nothing is wrong.
	Fault string `json:"fault,omitempty"`
}

// Head is the gang at the head of a queue, and why it waits.
type Head struct {
	// Namespace and Name are those of the PodGroup or the pod; Kind says which, KindPodGroup or KindPod.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`

	// Reason is the dominant reason why it waits, Message the same in words.
	Reason  gang.Reason `json:"reason"`
	Message string      `json:"message,omitempty"`
}
