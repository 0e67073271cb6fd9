package gang

// Reason is the machine-readable code of why a gang waits. A waiting gang has exactly one; where several would hold,
// the one listed first is the dominant one.
type Reason string

const (
	// PodGroupNotFound: the pods name a PodGroup that does not exist.
	PodGroupNotFound Reason = "PodGroupNotFound"
	// Misconfigured: the PodGroup's minimum cannot be read; its owner has to mend it.
	Misconfigured Reason = "Misconfigured"
	// WaitingForMembers: fewer pods exist, or are free of scheduling gates, than the minimum asks for.
	WaitingForMembers Reason = "WaitingForMembers"
	// Unschedulable: the members exist, but the cluster has no room for the minimum of them.
	Unschedulable Reason = "Unschedulable"
	// NotYetPlanned: nothing is wrong; the scheduler has not looked at the gang yet.
	NotYetPlanned Reason = "NotYetPlanned"
	// Committing: the gang has a plan and its members are being bound.
	Committing Reason = "Committing"
	// None: the gang has its minimum.
	None Reason = ""
)

// Reasons lists every code that a waiting gang can have, in the order of precedence.
func Reasons() []Reason {
	return []Reason{PodGroupNotFound, Misconfigured, WaitingForMembers, Unschedulable, NotYetPlanned, Committing}
}

// Verdict is why a gang waits: the dominant reason and words for the person who asks.
type Verdict struct {
	Reason  Reason
	Message string
}
