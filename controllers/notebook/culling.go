package notebook

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// never is the value of IdleTimeAnnotation with which a notebook is not stopped for being idle.
const never = "never"

// activity is what a notebook's server tells of itself at one moment. The zero value: nothing is known.
type activity struct {
	// known says that the server has answered. Without that nothing follows.
	known bool

	// busy says that something runs right now.
	busy bool

	// last is when there was activity last; zero if the server tells of none.
	last time.Time
}

// and joins what two parts of a server tell: nothing is known unless both are.
func (a activity) and(b activity) activity {
	joined := activity{known: a.known && b.known, busy: a.busy || b.busy, last: a.last}
	if b.last.After(a.last) {
		joined.last = b.last
	}
	return joined
}

// verdict is what follows from looking at a notebook.
type verdict struct {
	// last is when the notebook was last in use; zero if that is not known.
	last time.Time

	// idle says that it has been idle for so long that it is stopped.
	idle bool
}

// judge decides about a notebook whose server has run since started. recorded is when it was last known to be in use, idle
// the time after which it is stopped, or 0 for never. As long as its server does not tell, it is not stopped; and
// starting it counts as use, since whoever does that is about to use it.
func judge(now, started, recorded time.Time, idle time.Duration, a activity) verdict {
	if !a.known {
		return verdict{last: recorded}
	}
	last := recorded
	for _, t := range []time.Time{started, a.last} {
		if t.After(last) {
			last = t
		}
	}
	if a.busy || last.After(now) { // a clock that is ahead is no activity yet to come
		last = now
	}
	return verdict{last: last, idle: idle > 0 && now.Sub(last) >= idle}
}

// idleTime is how long a notebook may be idle, 0 if for ever: what the Notebook says, else its pod, which may be nil, else
// the configuration. It is an error if that is not a positive duration.
func idleTime(config Config, nb *notebookv1.Notebook, pod *corev1.Pod) (time.Duration, error) {
	text, said := nb.Annotations[notebookv1.IdleTimeAnnotation]
	if !said && pod != nil {
		text, said = pod.Annotations[notebookv1.IdleTimeAnnotation]
	}
	if !said {
		return config.IdleTime, nil
	}
	if text == never {
		return 0, nil
	}
	idle, err := time.ParseDuration(text)
	if err != nil || idle <= 0 {
		return 0, fmt.Errorf("the annotation %s is %q, but must be a duration such as 90m or 24h, or %q; until then the notebook is not stopped for being idle",
			notebookv1.IdleTimeAnnotation, text, never)
	}
	return idle, nil
}

// recordedActivity is when the notebook was last known to be in use; zero if that is not known.
func recordedActivity(nb *notebookv1.Notebook) time.Time {
	t, err := time.Parse(time.RFC3339, nb.Annotations[notebookv1.LastActivityAnnotation])
	if err != nil {
		return time.Time{}
	}
	return t
}
