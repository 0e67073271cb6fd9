package notebook

import (
	"strings"
	"testing"
	"time"
)

const (
	older = "2026-11-22T10:00:00.123456Z"
	newer = "2026-11-22T11:00:00Z"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestParse(t *testing.T) {
	tests := []struct {
		name  string
		parse func([]byte) (activity, error)
		text  string
		want  activity
		err   string // part of the message
	}{
		{"no kernels", parseKernels, `[]`, activity{known: true}, ""},
		{"idle kernels", parseKernels, `[{"id":"a","name":"python3","execution_state":"idle","last_activity":"` + newer + `","connections":1},
			{"execution_state":"idle","last_activity":"` + older + `"}]`, activity{known: true, last: at(t, newer)}, ""},
		{"a busy kernel", parseKernels, `[{"execution_state":"idle","last_activity":"` + older + `"},{"execution_state":"busy","last_activity":"` + older + `"}]`,
			activity{known: true, busy: true, last: at(t, older)}, ""},
		{"a kernel that never starts", parseKernels, `[{"execution_state":"starting","last_activity":"` + older + `"}]`, activity{known: true, last: at(t, older)}, ""},
		{"a kernel without time", parseKernels, `[{"execution_state":"idle"}]`, activity{}, "number 0 has no last_activity"},
		{"a kernel with another time", parseKernels, `[{"execution_state":"idle","last_activity":"yesterday"}]`, activity{}, "list of kernels"},
		{"kernels are null", parseKernels, `null`, activity{}, "it is null"},
		{"a login page", parseKernels, `<html>`, activity{}, "list of kernels"},
		{"an error", parseKernels, `{"message": "Forbidden"}`, activity{}, "list of kernels"},
		{"no terminals", parseTerminals, `[]`, activity{known: true}, ""},
		{"terminals", parseTerminals, `[{"name":"1","last_activity":"` + older + `"},{"name":"2","last_activity":"` + newer + `"}]`, activity{known: true, last: at(t, newer)}, ""},
		{"an old server's terminal", parseTerminals, `[{"name":"1"}]`, activity{}, "number 0 has no last_activity"},
		{"terminals are null", parseTerminals, `null`, activity{}, "it is null"},
		{"alive", parseState, `{"status":"alive","lastHeartbeat":1795345200000}`, activity{known: true, last: at(t, newer)}, ""},
		{"expired", parseState, `{"status":"expired","lastHeartbeat":1795345200000}`, activity{known: true, last: at(t, newer)}, ""},
		{"not used yet", parseState, `{"status":"expired","lastHeartbeat":0}`, activity{known: true}, ""},
		{"Jupyter's status", parseState, `{"connections":0,"kernels":0,"last_activity":"` + newer + `","started":"` + older + `"}`, activity{known: true, last: at(t, newer)}, ""},
		{"both", parseState, `{"last_activity":"` + older + `","lastHeartbeat":1795345200000}`, activity{known: true, last: at(t, newer)}, ""},
		{"neither", parseState, `{"status":"ok"}`, activity{}, "neither"},
		{"negative", parseState, `{"lastHeartbeat":-1}`, activity{}, "lastHeartbeat is -1"},
		{"a heartbeat in words", parseState, `{"lastHeartbeat":"now"}`, activity{}, "reading the last activity"},
		{"null", parseState, `null`, activity{}, "neither"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.parse([]byte(tt.text))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || got != (activity{}) {
					t.Errorf("got %+v, %v, want an error about %q and nothing known", got, err, tt.err)
				}
				return
			}
			if err != nil || got.known != tt.want.known || got.busy != tt.want.busy || !got.last.Equal(tt.want.last) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// Whatever a server answers: there is an error, or something is known, and never both.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`[]`, `null`, `[{"execution_state":"busy","last_activity":"` + newer + `"}]`, `{"lastHeartbeat":1795345200000}`,
		`{"last_activity":"9999-12-31T23:59:59Z"}`, `{"lastHeartbeat":9223372036854775807}`, `[null]`, `[[]]`, `{"lastHeartbeat":1e3}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (activity, error){parseKernels, parseTerminals, parseState} {
			a, err := parse(data)
			if (err == nil) != a.known {
				t.Fatalf("known %v, and the error %v", a.known, err)
			}
			v := judge(noon, noon.Add(-time.Hour), time.Time{}, 30*time.Minute, a)
			if v.last.After(noon) || err != nil && v.idle {
				t.Fatalf("%+v follows from %+v, %v", v, a, err)
			}
		}
	})
}
