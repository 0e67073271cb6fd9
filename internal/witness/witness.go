// Package witness judges, from what was seen of the pods of gangs, whether a gang was ever partly bound for longer
// than its binding takes. It knows nothing of who scheduled them: the same judgement is passed on every scheduler.
package witness

import (
	"slices"
	"time"
)

// Kind says what happened to a pod or a gang.
type Kind int

const (
	// Bound is the moment at which a pod was first seen with a node.
	Bound Kind = iota
	// Succeeded is the moment at which a pod was seen to have ended well. It keeps counting as a member.
	Succeeded
	// Gone is the moment at which a pod was seen to be deleted or failed.
	Gone
	// Ended is the moment at which the whole gang was over; nothing that happens to it afterwards is judged.
	Ended
)

// Event is one thing that was seen. Pod is its name, or whatever else tells the pods of a gang apart; it is empty for
// Ended.
type Event struct {
	At   time.Time
	Gang string
	Pod  string
	Kind Kind
}

// Gang is a gang to judge: it has started once Min of its pods are bound.
type Gang struct {
	Name string
	Min  int
}

// Verdict is what was seen of one gang.
type Verdict struct {
	Gang Gang
	// Placed is how many members were bound at the end (those that succeeded included), or when the gang ended.
	Placed int
	// FirstBound and Whole are the moments of the gang's first binding and of the binding that first completed its
	// minimum. They are zero where that never happened.
	FirstBound, Whole time.Time
	// Bursts are the times that the gang took from holding nothing to its minimum, back to nothing, or the end: one for
	// each time that it started. Where a gang is bound all at once, that is the time of the binding itself.
	Bursts []time.Duration
	// Pause is the longest time within a burst in which none of the gang's pods was bound.
	Pause time.Duration
	// Stuck says that the gang held something, but less than its minimum, at the end.
	Stuck bool
}

// Judge passes a verdict on each gang, in the order given, from events up to the given end. The events may come in any
// order of gangs, but must be in order of time for each gang. Events of gangs that are not asked for are ignored. Its
// time is linear in the number of events. It may be called concurrently.
func Judge(gangs []Gang, events []Event, end time.Time) []Verdict {
	files := make(map[string]*file, len(gangs))
	ordered := make([]*file, 0, len(gangs))
	for _, g := range gangs {
		f := &file{verdict: Verdict{Gang: g}, members: map[string]bool{}}
		files[g.Name] = f
		ordered = append(ordered, f)
	}
	for _, e := range events {
		if f := files[e.Gang]; f != nil {
			f.add(e)
		}
	}
	verdicts := make([]Verdict, 0, len(ordered))
	for _, f := range ordered {
		verdicts = append(verdicts, f.close(end))
	}
	return verdicts
}

// Partial counts the verdicts of gangs that were partly bound at the end, or that were so at any time for longer than
// the limit without another pod of theirs being bound.
func Partial(verdicts []Verdict, limit time.Duration) int {
	n := 0
	for _, v := range verdicts {
		if v.Stuck || v.Pause > limit {
			n++
		}
	}
	return n
}

// LongestBurst is the longest of the bursts of the verdicts, 0 if there are none.
func LongestBurst(verdicts ...Verdict) time.Duration {
	var longest time.Duration
	for _, v := range verdicts {
		longest = slices.Max(append(v.Bursts, longest))
	}
	return longest
}
