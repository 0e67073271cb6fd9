package localcluster

import (
	"strings"
	"testing"
	"time"
)

func TestParseSteering(t *testing.T) {
	for _, test := range []struct {
		name        string
		annotations map[string]string
		want        steering
		wantErr     string // what the error says; empty: none
	}{
		{name: "nothing said"},
		{
			name: "everything said",
			annotations: map[string]string{
				RunForAnnotation: "1m30s", ExitCodeAnnotation: "137", FailOnTryAnnotation: "2", StartDelayAnnotation: "5ms",
				StopDelayAnnotation: "1h", AttemptAnnotation: "4",
			},
			want: steering{runFor: 90 * time.Second, exitCode: 137, failOnTry: 2, attempt: 4},
		},
		{name: "to end at once is not to run for ever", annotations: map[string]string{RunForAnnotation: "0s"}, want: steering{runFor: 1}},
		{name: "no unit", annotations: map[string]string{RunForAnnotation: "30"}, wantErr: RunForAnnotation + `: "30" is no duration`},
		{name: "negative duration", annotations: map[string]string{RunForAnnotation: "-1s"}, wantErr: RunForAnnotation},
		{name: "start delay", annotations: map[string]string{StartDelayAnnotation: "soon"}, wantErr: StartDelayAnnotation},
		{name: "stop delay", annotations: map[string]string{StopDelayAnnotation: "-5s"}, wantErr: StopDelayAnnotation},
		{name: "exit code above a byte", annotations: map[string]string{ExitCodeAnnotation: "256"}, wantErr: `"256" is no number from 0 to 255`},
		{name: "exit code with a fraction", annotations: map[string]string{ExitCodeAnnotation: "1.5"}, wantErr: ExitCodeAnnotation},
		{name: "tries count from 1", annotations: map[string]string{FailOnTryAnnotation: "0"}, wantErr: FailOnTryAnnotation},
		{name: "negative attempt", annotations: map[string]string{AttemptAnnotation: "-1"}, wantErr: AttemptAnnotation},
		{name: "empty value", annotations: map[string]string{ExitCodeAnnotation: ""}, wantErr: ExitCodeAnnotation},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseSteering(test.annotations)
			checkError(t, err, test.wantErr)
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestExitCodeAfter(t *testing.T) {
	for _, test := range []struct {
		name     string
		steer    steering
		restarts int
		want     int32
	}{
		{name: "every try fails, the first", steer: steering{exitCode: 3}, want: 3},
		{name: "every try fails, the third", steer: steering{exitCode: 3}, restarts: 2, want: 3},
		{name: "only the first fails: it", steer: steering{exitCode: 3, failOnTry: 1}, want: 3},
		{name: "only the first fails: after a restart in place", steer: steering{exitCode: 3, failOnTry: 1}, restarts: 1, want: 0},
		{name: "only the first fails: after a replacement", steer: steering{exitCode: 3, failOnTry: 1, attempt: 1}, want: 0},
		{name: "only the third fails: one replacement, one restart", steer: steering{exitCode: 9, failOnTry: 3, attempt: 1}, restarts: 1, want: 9},
		{name: "only the third fails: the second", steer: steering{exitCode: 9, failOnTry: 3}, restarts: 1, want: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.steer.exitCodeAfter(test.restarts); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// checkError wants an error that contains the text, or none for an empty text.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error: %v", err)
	case want != "" && err == nil:
		t.Errorf("no error, want one with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want one with %q", err, want)
	}
}
