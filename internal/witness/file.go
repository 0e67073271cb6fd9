package witness

import "time"

// file is what is known of one gang while its events are read.
type file struct {
	verdict Verdict
	// members holds the pods that count; the value says whether the pod has succeeded, after which it stays.
	members map[string]bool
	// starting says that the gang came from nothing and has not reached its minimum; since and lastBound are the
	// moments of its first and its latest binding since then.
	starting         bool
	since, lastBound time.Time
	ended            bool
}

func (f *file) add(e Event) {
	if f.ended {
		return
	}
	switch e.Kind {
	case Bound:
		f.bound(e)
	case Succeeded:
		f.bound(e)
		f.members[e.Pod] = true
	case Gone:
		f.gone(e)
	case Ended:
		f.leaveBurst(e.At)
		f.ended = true
	}
}

func (f *file) bound(e Event) {
	if _, known := f.members[e.Pod]; known {
		return
	}
	if f.verdict.FirstBound.IsZero() {
		f.verdict.FirstBound = e.At
	}
	if len(f.members) == 0 {
		f.starting, f.since, f.lastBound = true, e.At, e.At
	}
	f.members[e.Pod] = false
	f.pause(e.At)
	f.lastBound = e.At
	if len(f.members) >= f.verdict.Gang.Min {
		if f.verdict.Whole.IsZero() {
			f.verdict.Whole = e.At
		}
		f.leaveBurst(e.At)
	}
}

func (f *file) gone(e Event) {
	succeeded, known := f.members[e.Pod]
	if !known || succeeded {
		return
	}
	delete(f.members, e.Pod)
	if len(f.members) == 0 {
		f.leaveBurst(e.At)
	}
}

// pause notes the time since the latest binding if the gang is starting.
func (f *file) pause(at time.Time) {
	if f.starting {
		f.verdict.Pause = max(f.verdict.Pause, at.Sub(f.lastBound))
	}
}

// leaveBurst ends the time in which the gang is starting, if it is.
func (f *file) leaveBurst(at time.Time) {
	if !f.starting {
		return
	}
	f.pause(at)
	f.verdict.Bursts = append(f.verdict.Bursts, at.Sub(f.since))
	f.starting = false
}

func (f *file) close(end time.Time) Verdict {
	f.verdict.Placed = len(f.members)
	if !f.ended {
		f.leaveBurst(end)
		f.verdict.Stuck = f.verdict.Placed > 0 && f.verdict.Placed < f.verdict.Gang.Min
	}
	return f.verdict
}
