package localcluster

import (
	"fmt"
	"strconv"
	"time"
)

// The annotations by which a pod says how it shall be played on a kwok node.
const (
	// RunForAnnotation is how long each try runs, a Go duration. Absent: until
	// the pod is deleted.
	RunForAnnotation = "local.muster.dev/run-for"
	// ExitCodeAnnotation is what every main container ends with, 0 to 255.
	// Absent: 0.
	ExitCodeAnnotation = "local.muster.dev/exit-code"
	// FailOnTryAnnotation makes only this try, counted from 1, end with the exit
	// code; the other tries end with 0. Absent: every try ends with it.
	FailOnTryAnnotation = "local.muster.dev/fail-on-try"
	// StartDelayAnnotation is how long the pod is pending on its node before its
	// containers run, a Go duration. Absent: not at all.
	StartDelayAnnotation = "local.muster.dev/start-delay"
	// StopDelayAnnotation is how long the pod's containers go on after it was
	// told to end, whatever its grace period, a Go duration. Absent: not at all.
	StopDelayAnnotation = "local.muster.dev/stop-delay"
	// AttemptAnnotation is set by whoever replaces pods under the same name: how
	// often it did so before. Absent: 0.
	AttemptAnnotation = "training.muster.dev/attempt"
)

// steering is what a pod's annotations ask for.
type steering struct {
	runFor    time.Duration // 0: until deleted
	exitCode  int32
	failOnTry int // 0: every try
	attempt   int
}

// parseSteering reads the annotations; an error names the one that is malformed.
func parseSteering(annotations map[string]string) (steering, error) {
	var s steering
	var startDelay, stopDelay time.Duration
	exitCode := 0
	for _, err := range []error{
		readDuration(annotations, RunForAnnotation, &s.runFor),
		readDuration(annotations, StartDelayAnnotation, &startDelay),
		readDuration(annotations, StopDelayAnnotation, &stopDelay),
		readNumber(annotations, ExitCodeAnnotation, 0, 255, &exitCode),
		readNumber(annotations, FailOnTryAnnotation, 1, 1<<30, &s.failOnTry),
		readNumber(annotations, AttemptAnnotation, 0, 1<<30, &s.attempt),
	} {
		if err != nil {
			return steering{}, err
		}
	}
	if _, set := annotations[RunForAnnotation]; set && s.runFor == 0 {
		s.runFor = time.Nanosecond // ends at once, other than one that never ends
	}
	s.exitCode = int32(exitCode)
	return s, nil
}

func readDuration(annotations map[string]string, name string, into *time.Duration) error {
	text, set := annotations[name]
	if !set {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("annotation %s: %q is no duration such as 1m30s", name, text)
	}
	*into = d
	return nil
}

func readNumber(annotations map[string]string, name string, least, most int, into *int) error {
	text, set := annotations[name]
	if !set {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return fmt.Errorf("annotation %s: %q is no number from %d to %d", name, text, least, most)
	}
	*into = n
	return nil
}

// exitCodeAfter returns what the containers end with after having been restarted
// so often in place: try number 1 + attempt + restarts.
func (s steering) exitCodeAfter(restarts int) int32 {
	try := 1 + s.attempt + restarts
	if s.failOnTry != 0 && s.failOnTry != try {
		return 0
	}
	return s.exitCode
}
