package explain

import (
	"time"

	"github.com/muster-scheduling/muster/internal/gang"
	"github.com/muster-scheduling/muster/internal/resource"
)

// Kinds of objects that a gang is.
const (
	KindPodGroup = "podgroup"
	KindPod      = "pod"
)

// Gang is what the scheduler knows about one gang: a PodGroup with its pods, or a pod that has none.
type Gang struct {
	// Namespace and Name are those of the PodGroup or the pod; Kind says which of the two, KindPodGroup or KindPod.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`

	// Queue is the queue that the gang is in, Chain its way to the top of the tree: the queue itself first.
	Queue string   `json:"queue"`
	Chain []string `json:"chain,omitempty"`

	// Priority is that of the gang's pods.
	Priority int32 `json:"priority"`

	// Reason is the one dominant reason why the gang waits, Message the same in words with numbers. Both are empty when
	// the gang has its minimum.
	Reason  gang.Reason `json:"reason,omitempty"`
	Message string      `json:"message,omitempty"`

	// Since is when the reason became what it is.
	Since time.Time `json:"since,omitzero"`

	// Created is when the object was created: the age that counts in the line.
	Created time.Time `json:"created,omitzero"`

	// Started is when the minimum was bound, absent while the gang waits.
	Started time.Time `json:"started,omitzero"`

	// ExpectedEnd is when a running gang is expected to end, by its expected run time.
	ExpectedEnd time.Time `json:"expectedEnd,omitzero"`

	// ExpectedRuntimeSeconds is how long the gang says it will run; 0: it does not say.
	ExpectedRuntimeSeconds int64 `json:"expectedRuntimeSeconds,omitempty"`

	// MinMember is how many pods start together, Members how many exist, Running how many of them have a node.
	MinMember int `json:"minMember"`
	Members   int `json:"members"`
	Running   int `json:"running"`

	// Asked is what the minimum asks of the queue.
	Asked resource.Amounts `json:"asked,omitempty"`

	// Position is the gang's place in its queue, 1 for the head; 0: it does not stand in the line. WaitingInQueue is how
	// many gangs wait there, this one included.
	Position       int `json:"position,omitempty"`
	WaitingInQueue int `json:"waitingInQueue,omitempty"`

	// Reservation is the room that is kept for the gang, absent if none is.
	Reservation *Reservation `json:"reservation,omitempty"`

	// MakingRoom is who is leaving for this gang, absent when nobody is.
	MakingRoom *MakingRoom `json:"makingRoom,omitempty"`

	// Hints says what would help, one whole sentence without a full stop each, most useful first.
	Hints []string `json:"hints,omitempty"`
}

// Reservation is room that is kept for a gang which fits the cluster, but not its free part.
type Reservation struct {
	// Known says whether Start is: it is not when the reservation waits for gangs that do not say how long they run.
	Known bool `json:"known"`

	// Start is when the gang starts at the latest, if the expected run times hold.
	Start time.Time `json:"start,omitzero"`

	// Nodes are the names of the nodes on which room is kept, sorted.
	Nodes []string `json:"nodes,omitempty"`
}

// MakingRoom is the capacity that is being freed for a gang.
type MakingRoom struct {
	// Victims are the gangs that were evicted and have not left yet.
	Victims []Victim `json:"victims"`

	// Since is when they were told to leave.
	Since time.Time `json:"since,omitzero"`

	// Nodes are the names of the nodes on which what they free is held, sorted.
	Nodes []string `json:"nodes,omitempty"`
}

// Victim is a gang that is, or would be, evicted: whole or in part.
type Victim struct {
	// Namespace and Name are those of the PodGroup or the pod; Kind says which, KindPodGroup or KindPod.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`

	// Queue is the victim's, Priority that of its pods.
	Queue    string `json:"queue"`
	Priority int32  `json:"priority"`

	// Pods is how many of its pods go. Whole: all of them do; otherwise only members above its minimum.
	Pods  int  `json:"pods"`
	Whole bool `json:"whole"`

	// LostGPUSeconds is the work that is lost: GPUs times seconds since the start or the last checkpoint.
	LostGPUSeconds int64 `json:"lostGPUSeconds"`
}
