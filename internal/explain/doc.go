// Package explain is what Muster's scheduler says about itself: the JSON with which its query endpoint answers, and the
// words and bars with which kubectl-muster shows the answers to a person.
//
// The endpoint is part of the scheduler's secure port. Who asks is authenticated and authorised as for its metrics, by the
// path (a nonResourceURL):
//
//	GET  /muster/v1alpha1/gangs/{namespace}/{name}?kind=podgroup|pod   answers a Gang
//	GET  /muster/v1alpha1/queues                                       answers Queues
//	POST /muster/v1alpha1/whatif, with a Question as body              answers an Answer
//
// Everything else is answered by an Error with the HTTP status that fits.
//
// Amounts of resources are integers: CPU in thousandths of a core, memory and storage in bytes, all else by number. Times
// are RFC 3339; a time that is absent is not known. Durations are in seconds.
//
// The functions that render are pure: time, width and what the terminal can show are arguments.
package explain

// Paths of the query endpoint.
const (
	// Root is the path that all others are below.
	Root = "/muster/v1alpha1/"

	// GangsPath is followed by NAMESPACE/NAME; the query parameter KindParameter says which kind of object that is.
	GangsPath = Root + "gangs/"

	// QueuesPath answers Queues.
	QueuesPath = Root + "queues"

	// WhatIfPath takes a Question by POST and answers an Answer.
	WhatIfPath = Root + "whatif"

	// KindParameter is KindPodGroup, the default, or KindPod.
	KindParameter = "kind"
)

// Error is the body of every answer whose HTTP status is not 200.
type Error struct {
	// Message says what is wrong, in words for the person who asked.
	Message string `json:"message"`
}
