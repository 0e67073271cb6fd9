package explain

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	podgroupv1alpha1 "sigs.k8s.io/scheduler-plugins/apis/scheduling/v1alpha1"

	"github.com/muster-scheduling/muster/internal/gang"
)

// Question asks what would happen if these pods were created now, as one gang.
type Question struct {
	// PodGroup is the gang; nil for a single pod that has none. Its namespace must be set.
	PodGroup *podgroupv1alpha1.PodGroup `json:"podGroup,omitempty"`

	// Pods are the members as they would be stored: defaults applied, spec.priority resolved from the class, namespace
	// and name set.
	Pods []corev1.Pod `json:"pods"`
}

// Verdict is the answer to a Question in a word.
type Verdict string

const (
	// StartsNow: there is room, and it is the gang's turn.
	StartsNow Verdict = "startsNow"
	// AfterEvictions: it would start as soon as the victims have left.
	AfterEvictions Verdict = "afterEvictions"
	// Later: it would wait, with a start that is known or not.
	Later Verdict = "later"
	// Never: it could not start in this cluster and queue as they are configured.
	Never Verdict = "never"
)

// Answer is what would happen to the gang of a Question. Nothing has happened.
type Answer struct {
	// Verdict is the answer in a word.
	Verdict Verdict `json:"verdict"`

	// Queue is the queue that the gang would be in, Chain its way to the top of the tree: the queue itself first.
	Queue string   `json:"queue"`
	Chain []string `json:"chain,omitempty"`

	// Reason is why the gang would wait, Message the same in words; empty when it starts now.
	Reason  gang.Reason `json:"reason,omitempty"`
	Message string      `json:"message,omitempty"`

	// Known says whether Start is. It is the time of the answer for StartsNow, and not known for AfterEvictions: the
	// victims take as long to leave as they take.
	Known bool      `json:"known"`
	Start time.Time `json:"start,omitzero"`

	// Position is the place in the queue that the gang would get, 1 for the head; 0: it would not wait.
	Position int `json:"position,omitempty"`

	// Placement says where the members would be placed, for every verdict but Never where that is known.
	Placement []Placement `json:"placement,omitempty"`

	// Victims are the gangs that would be evicted, none unless the verdict is AfterEvictions.
	Victims []Victim `json:"victims,omitempty"`

	// Ratio is evicted/asked: how much the victims lose of the resource that the gang asks for most, for each unit of it
	// that the gang asks for. 0 without victims.
	Ratio float64 `json:"ratio,omitempty"`

	// Hints says what would help, as in Gang.
	Hints []string `json:"hints,omitempty"`
}

// Placement is how many members of a role one node would get.
type Placement struct {
	// Role is the members' role, empty if they have none.
	Role string `json:"role,omitempty"`

	// Node is the name of the node.
	Node string `json:"node"`

	// Count is how many of them it would get.
	Count int `json:"count"`
}
