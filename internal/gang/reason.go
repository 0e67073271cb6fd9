package gang

// Reason is the machine-readable code of why a gang waits. A waiting gang has exactly one; where several would hold,
// the one listed first is the dominant one.
type Reason string

const (
	// PodGroupNotFound: the pods name a PodGroup that does not exist.
	PodGroupNotFound Reason = "PodGroupNotFound"
	// Misconfigured: what the gang's owner wrote cannot be read, or the queue cannot hold gangs; a person has to mend it.
	Misconfigured Reason = "Misconfigured"
	// QueueNotFound: the gang names a queue that does not exist.
	QueueNotFound Reason = "QueueNotFound"
	// TopologyNotFound: the gang asks for a domain that does not exist: no Topology has its level, no node carries the label of
	// it, or its members run in several domains already.
	TopologyNotFound Reason = "TopologyNotFound"
	// NamespaceNotAllowed: the queue does not admit gangs of this namespace.
	NamespaceNotAllowed Reason = "NamespaceNotAllowed"
	// ExceedsLimit: the gang alone asks for more than a queue of its chain may ever use.
	ExceedsLimit Reason = "ExceedsLimit"
	// ExceedsCluster: the minimum would not fit if the cluster were empty.
	ExceedsCluster Reason = "ExceedsCluster"
	// QueueStopped: a queue of the chain is on Hold or Drain.
	QueueStopped Reason = "QueueStopped"
	// WaitingForMembers: fewer pods exist, or are free of scheduling gates, than the minimum asks for.
	WaitingForMembers Reason = "WaitingForMembers"
	// QuotaExceeded: a queue of the chain is at its limit for now.
	QuotaExceeded Reason = "QuotaExceeded"
	// TopologyNotMet: the cluster has room for the minimum, but no domain has that the gang may use.
	TopologyNotMet Reason = "TopologyNotMet"
	// Unschedulable: the queue would let the gang start, but the cluster has no room for the minimum of it.
	Unschedulable Reason = "Unschedulable"
	// Reserved: there is room, but it is kept for a gang that waits longer and would start later otherwise.
	Reserved Reason = "Reserved"
	// MakingRoom: victims are leaving, and the room that they leave is kept for the gang.
	MakingRoom Reason = "MakingRoom"
	// NotYetPlanned: nothing is wrong; the gang's turn has not come yet.
	NotYetPlanned Reason = "NotYetPlanned"
	// Committing: the gang has a plan and its members are being bound.
	Committing Reason = "Committing"
	// None: the gang has its minimum.
	None Reason = ""
)

// Reasons lists every code that a waiting gang can have, in the order of precedence.
func Reasons() []Reason {
	return []Reason{
		PodGroupNotFound, Misconfigured, QueueNotFound, TopologyNotFound, NamespaceNotAllowed, ExceedsLimit, ExceedsCluster, QueueStopped,
		WaitingForMembers, QuotaExceeded, TopologyNotMet, Unschedulable, Reserved, MakingRoom, NotYetPlanned, Committing,
	}
}

// WantsRoom reports whether the gang would start if enough pods left that run now.
func (r Reason) WantsRoom() bool { return r == Unschedulable || r == TopologyNotMet }

// WantsCapacity reports whether more nodes would help. Only then is a gang shown as unschedulable to an autoscaler.
func (r Reason) WantsCapacity() bool { return r.WantsRoom() || r == ExceedsCluster }

// Verdict is why a gang waits: the dominant reason and words for the person who asks.
type Verdict struct {
	Reason  Reason
	Message string
}
