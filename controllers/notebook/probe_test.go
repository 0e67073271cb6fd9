package notebook

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	notebookv1 "github.com/muster-scheduling/muster/apis/notebook/v1"
)

// server answers by path; what it does not know is 404. It notes what it was asked.
type server struct {
	answers map[string]http.HandlerFunc
	asked   []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, strings.TrimPrefix(r.URL.RequestURI(), "/team/nb"))
	answer := s.answers[strings.TrimPrefix(r.URL.Path, "/team/nb")]
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func fails(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestAsk(t *testing.T) {
	const (
		base      = "/notebook/team/nb"
		kernels   = base + "/api/kernels"
		terminals = base + "/api/terminals"
		quietly   = "?no_track_activity=1"
	)
	idle := says(`[{"execution_state":"idle","last_activity":"` + older + `"}]`)
	busy := says(`[{"execution_state":"busy","last_activity":"` + older + `"}]`)
	terminal := says(`[{"name":"1","last_activity":"` + newer + `"}]`)
	heartbeat := says(`{"status":"alive","lastHeartbeat":1795345200000}`)
	type answers = map[string]http.HandlerFunc
	type annotations = map[string]string
	jupyter := annotations{notebookv1.ServerTypeAnnotation: notebookv1.ServerJupyter}
	code := annotations{notebookv1.ServerTypeAnnotation: notebookv1.ServerCodeServer}
	rstudio := annotations{notebookv1.ServerTypeAnnotation: notebookv1.ServerRStudio}
	with := func(base annotations, path string) annotations {
		all := annotations{notebookv1.ActivityPathAnnotation: path}
		maps.Copy(all, base)
		return all
	}
	redirect := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/team/nb/login", http.StatusFound) }
	tests := []struct {
		name        string
		annotations annotations
		answers     answers
		want        activity
		err         string
		asked       string
	}{
		{"kernels and terminals", jupyter, answers{kernels: idle, terminals: terminal}, activity{known: true, last: at(t, newer)}, "", kernels + quietly + " " + terminals + quietly},
		{"a busy kernel is enough", jupyter, answers{kernels: busy}, activity{known: true, busy: true, last: at(t, older)}, "", kernels + quietly},
		{"terminals are switched off", jupyter, answers{kernels: idle}, activity{known: true, last: at(t, older)}, "", kernels + quietly + " " + terminals + quietly},
		{"terminals fail", jupyter, answers{kernels: idle, terminals: fails(500)}, activity{}, "status 500", ""},
		{"a password", jupyter, answers{kernels: fails(403)}, activity{}, "status 403", kernels + quietly},
		{"a login page elsewhere", jupyter, answers{kernels: redirect, "/login": heartbeat}, activity{}, "status 302", kernels + quietly},
		{"a login page", jupyter, answers{kernels: says("<html>")}, activity{}, "list of kernels", ""},
		{"a Jupyter that is another server", jupyter, answers{}, activity{}, "status 404", ""},
		{"too much", jupyter, answers{kernels: says("[" + strings.Repeat(" ", maxAnswer) + "]")}, activity{}, "more than 1048576 bytes", ""},
		{"code-server", code, answers{"/healthz": heartbeat}, activity{known: true, last: at(t, newer)}, "", "/healthz"},
		{"RStudio", rstudio, answers{"/healthz": heartbeat}, activity{}, "tells of activity", ""},
		{"RStudio with a path", with(rstudio, "/status"), answers{"/status": heartbeat}, activity{known: true, last: at(t, newer)}, "", "/status"},
		{"RStudio with a path that fails", with(rstudio, "/status"), answers{}, activity{}, "status 404", "/status"},
		{"Jupyter with VS Code", with(jupyter, "vscode/healthz"), answers{kernels: idle, base + "/vscode/healthz": heartbeat}, activity{known: true, last: at(t, newer)}, "",
			kernels + quietly + " " + terminals + quietly + " " + base + "/vscode/healthz"},
		{"Jupyter with VS Code that fails", with(jupyter, "vscode/healthz"), answers{kernels: idle}, activity{}, "status 404", ""},
		{"Jupyter that fails, with VS Code", with(jupyter, "vscode/healthz"), answers{kernels: fails(500), base + "/vscode/healthz": heartbeat}, activity{}, "status 500", kernels + quietly},
		{"unsaid: Jupyter", nil, answers{kernels: idle, terminals: terminal}, activity{known: true, last: at(t, newer)}, "", ""},
		{"unsaid: code-server", nil, answers{"/healthz": heartbeat}, activity{known: true, last: at(t, newer)}, "", kernels + quietly + " /healthz"},
		{"unsaid: neither", nil, answers{}, activity{}, "tells of activity", ""},
		{"unsaid: neither, but a path", with(nil, "activity"), answers{base + "/activity": heartbeat}, activity{known: true, last: at(t, newer)}, "", ""},
		{"a path below where requests are rewritten to", annotations{notebookv1.ActivityPathAnnotation: "activity", notebookv1.RewriteURIAnnotation: "/rstudio/", notebookv1.ServerTypeAnnotation: "group-two"},
			answers{"/rstudio/activity": heartbeat}, activity{known: true, last: at(t, newer)}, "", "/rstudio/activity"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{answers: tt.answers}
			listening := httptest.NewServer(s)
			defer listening.Close()
			nb := plain(t)
			nb.Annotations = tt.annotations
			got, err := newProber(Config{URL: listening.URL + "/{namespace}/{name}"}).ask(t.Context(), nb)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if got.known != tt.want.known || got.busy != tt.want.busy || !got.last.Equal(tt.want.last) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.asked != "" && strings.Join(s.asked, " ") != tt.asked {
				t.Errorf("asked %q, want %q", strings.Join(s.asked, " "), tt.asked)
			}
		})
	}
}

func TestAskNobody(t *testing.T) {
	gone := httptest.NewServer(nil)
	url := gone.URL
	gone.Close()
	a, err := newProber(Config{URL: url + "/{namespace}/{name}"}).ask(t.Context(), plain(t))
	if a.known || err == nil || !strings.Contains(err.Error(), "asking for activity") {
		t.Errorf("got %+v, %v", a, err)
	}
}
